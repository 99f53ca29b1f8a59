"""What hands look like, drawn anew for each demonstration: a policy must not care how a hand looks.

Visible shapes alone change, never those that touch: colours and thickness of a hand, and a sleeve around its wrist, as
of hands with a forearm. Some of the time a hand looks as it is, and some of the time it is not seen at all.
"""

from __future__ import annotations

from collections.abc import Mapping

import mujoco
import numpy as np

from simulation.scene import HIDDEN, Mounted

ROUND = (mujoco.mjtGeom.mjGEOM_SPHERE, mujoco.mjtGeom.mjGEOM_CAPSULE, mujoco.mjtGeom.mjGEOM_CYLINDER)
PLAIN, UNSEEN = 0.25, 0.08  # probabilities that a hand looks as it is, that it is not seen
MOST_COLOURS = 3
THICKNESS, BOX = (0.7, 1.6), (0.8, 1.25)  # factors of radii, and of a box in each direction
SHADE = 0.15  # standard deviation of the brightness of a shape, of that of its hand
SLEEVED = 0.5  # probability of a sleeve, where the hand does not look as it is
RADIUS_M, BACK_M, AHEAD_M = (0.025, 0.065), (0.0, 0.12), (0.0, 0.1)  # of a sleeve, along the flange's axis


def sleeve(side: str) -> str:
    """Name of the sleeve of a side."""
    return f"{side}/sleeve"


def add_sleeves(spec: mujoco.MjSpec, sides: Mapping[str, Mounted]) -> None:
    """Add to each flange a cylinder that touches nothing, not seen until `Looks` shows it."""
    for side, robots in sides.items():
        spec.body(f"{side}/arm/{robots.arm.flange}").add_geom(
            name=sleeve(side),
            type=mujoco.mjtGeom.mjGEOM_CYLINDER,
            size=[RADIUS_M[0], BACK_M[1], 0.0],
            rgba=[0.0, 0.0, 0.0, 0.0],
            contype=0,
            conaffinity=0,
            mass=0.0,
        )


class Looks:
    """Changes how the hands of a model look.

    Args:
        model: The model, with sleeves.
        sides: Its sides.
    """

    def __init__(self, model: mujoco.MjModel, sides: Mapping[str, Mounted]) -> None:
        self._model = model
        self._shapes = {side: _visible(model, f"{side}/hand/") for side in sides}
        self._sleeves = {side: model.geom(sleeve(side)).id for side in sides}
        self._sizes, self._colours = model.geom_size.copy(), model.geom_rgba.copy()
        self._places = model.geom_pos.copy()

    def reset(self) -> None:
        """Let all hands look as they are."""
        model = self._model
        model.geom_size[:], model.geom_rgba[:], model.geom_pos[:] = self._sizes, self._colours, self._places

    def change(self, rng: np.random.Generator) -> None:
        """Draw how each hand looks from now on."""
        self.reset()
        for side, shapes in self._shapes.items():
            share = rng.random()
            if share < UNSEEN:
                self._model.geom_rgba[shapes, 3] = 0.0
            elif share >= UNSEEN + PLAIN:
                self._paint(shapes, rng)
                self._resize(shapes, rng)
                if rng.random() < SLEEVED:
                    self._show_sleeve(self._sleeves[side], rng)

    def _paint(self, shapes: np.ndarray, rng: np.random.Generator) -> None:
        """One to three colours, as of hands with a palm or fingertips of their own."""
        colours = rng.uniform(0.03, 0.97, (rng.integers(1, MOST_COLOURS + 1), 3))
        shade = 1 + SHADE * rng.standard_normal((len(shapes), 1))
        self._model.geom_rgba[shapes, :3] = np.clip(colours[rng.integers(len(colours), size=len(shapes))] * shade, 0, 1)

    def _resize(self, shapes: np.ndarray, rng: np.random.Generator) -> None:
        kinds = self._model.geom_type[shapes]
        self._model.geom_size[shapes[kinds == mujoco.mjtGeom.mjGEOM_BOX]] *= rng.uniform(*BOX, 3)
        self._model.geom_size[shapes[np.isin(kinds, ROUND)], 0] *= rng.uniform(*THICKNESS)  # the length stays

    def _show_sleeve(self, geom: int, rng: np.random.Generator) -> None:
        back, ahead = rng.uniform(*BACK_M), rng.uniform(*AHEAD_M)
        self._model.geom_size[geom, :2] = rng.uniform(*RADIUS_M), max((back + ahead) / 2, 1e-3)
        self._model.geom_pos[geom] = self._places[geom] + [0.0, 0.0, (ahead - back) / 2]
        self._model.geom_rgba[geom] = [*rng.uniform(0.03, 0.97, 3), 1.0]


def _visible(model: mujoco.MjModel, prefix: str) -> np.ndarray:
    """Geoms of bodies with this prefix that are rendered."""
    owners = [model.body(int(body)).name for body in model.geom_bodyid]
    seen = [index for index, name in enumerate(owners) if name.startswith(prefix) and model.geom_group[index] != HIDDEN]
    return np.array(seen, dtype=int)
