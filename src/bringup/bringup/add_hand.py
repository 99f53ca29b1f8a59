"""`./ws add-hand --urdf FILE --name NAME --tips thumb=LINK ...`: a new hand, whose grasp simulation may check."""

from __future__ import annotations

import sys

import numpy as np

from embodiments import Embodiment
from latent_codec.training.add_hand.add_hand import main
from simulation.grasp_search import DISTURBANCES_M, FloatingHand


def check_grasp(robot: Embodiment) -> str:
    """How many of the grasps of a can succeed in simulation, with the approach up to 15 mm off."""
    hand, postures = FloatingHand(robot), dict(robot.postures)
    tried = [hand.attempt(robot.grasp_frame, np.asarray(offset, float), postures) for offset in DISTURBANCES_M]
    held = sum(trial.lifted for trial in tried)
    hint = "" if held == len(tried) else f"; for a better frame: ./ws run simulation grasp_search {robot.name}"
    return f"check: a can is held in {held} of {len(tried)} simulated grasps{hint}"


if __name__ == "__main__":
    sys.exit(main(check=check_grasp))
