"""The ten columns of XL-VLA's Table 5 (arXiv 2603.10158), with its definitions where it has them, and their kin.

Of one hand, on M random poses q (uniform within the limits), z = E(q), fingertips in the grasp frame:
- `joint_rmse_rad`: RMSE of D(z) over poses and joints (`joint_rmse_m` of prismatic grippers).
- `tip_rmse_mm`: RMSE of the fingertips over poses, fingers and the three coordinates; `tip_error_mm`: mean distance.
- `continuity_joint_rad`, `continuity_tip_mm`: mean change of a joint, mean distance a fingertip moves, when normal
  noise of .05 in each dimension is added to z; `relative_continuity_*`: noise of .05 of the latent's RMS standard
  deviation, so that a scaled latent does not look smoother than it is.
- `tip_acceleration_mm`, `tip_jerk_mm`: on straight lines between the latents of two random poses, at 33 points
  equally far apart, mean length of the second and third differences of the fingertips times 32^2 and 32^3: mm per
  line squared and cubed. The paper leaves points and units open; 33 points show the kinks of a network that has some.

Across an ordered pair of hands, thumb-to-finger vectors of q and of D_t(E_s(q)) over the fingers that both have, each
finger counting alike:
- `random_direction_deg`, `random_distance_mm`: mean angle between the vectors, mean difference of their lengths.
- `pinch_*`: the same on the decile of poses whose finger closest to the thumb is closest.
- `nearest_*`: on that decile, of the finger closest to the thumb alone.
"""

from __future__ import annotations

import numpy as np

from embodiments.registry import Embodiment
from latent_codec.evaluation.encoded import Encoded
from latent_codec.evaluation.vectors import Errors, common_fingers, compare, thumb_vectors
from latent_codec.training.data import poses

COLUMNS = (
    "joint_rmse_rad",
    "tip_rmse_mm",
    "pinch_direction_deg",
    "pinch_distance_mm",
    "random_direction_deg",
    "random_distance_mm",
    "continuity_joint_rad",
    "continuity_tip_mm",
    "tip_acceleration_mm",
    "tip_jerk_mm",
)
NOISE = 0.05
LINES = 250
LINE_POINTS = 33


def own(encoded: Encoded, name: str) -> dict[str, float]:
    """What concerns one hand alone."""
    hand, joints = encoded.hand(name), encoded.sets[name].joints
    decoded = encoded.space.decode(name, encoded.latents[name])
    tips = 1e3 * (poses.grasp_tips(hand, decoded) - poses.grasp_tips(hand, joints))
    unit = joint_unit(hand)
    return {
        f"joint_rmse_{unit}": float(np.sqrt(np.mean((decoded - joints) ** 2))),
        "tip_rmse_mm": float(np.sqrt(np.mean(tips**2))),
        "tip_error_mm": float(np.linalg.norm(tips, axis=-1).mean()),
        **_continuity(encoded, name, decoded, NOISE, f"continuity_joint_{unit}", "continuity_tip_mm"),
        **_continuity(
            encoded,
            name,
            decoded,
            NOISE * encoded.scale,
            f"relative_continuity_joint_{unit}",
            "relative_continuity_tip_mm",
        ),
        **_line_derivatives(encoded, name),
    }


def joint_unit(hand: Embodiment) -> str:
    """Unit of the hand's joints: "m" where one of them is prismatic, else "rad"."""
    chain = hand.kinematics.chain
    moving = chain.multiplier != 0
    return "rad" if bool(np.all(chain.revolute[moving])) else "m"


def _continuity(
    encoded: Encoded, name: str, decoded: np.ndarray, noise: float, joint_key: str, tip_key: str
) -> dict[str, float]:
    latent, hand = encoded.latents[name], encoded.hand(name)
    moved = latent + noise * poses.generator(encoded.seed, name, "noise").standard_normal(latent.shape)
    joints = encoded.space.decode(name, moved)
    tips = poses.grasp_tips(hand, joints) - poses.grasp_tips(hand, decoded)
    return {
        joint_key: float(np.abs(joints - decoded).mean()),
        tip_key: float(1e3 * np.linalg.norm(tips, axis=-1).mean()),
    }


def _line_derivatives(encoded: Encoded, name: str) -> dict[str, float]:
    latent, hand = encoded.latents[name], encoded.hand(name)
    ends = poses.generator(encoded.seed, name, "lines").integers(len(latent), size=(2, LINES))
    place = np.linspace(0, 1, LINE_POINTS)[:, None, None]
    line = (1 - place) * latent[ends[0]] + place * latent[ends[1]]
    tips = poses.grasp_tips(hand, encoded.space.decode(name, line.reshape(-1, latent.shape[1])))
    tips = tips.reshape(LINE_POINTS, LINES, -1, 3)
    return {
        key: float(1e3 * (LINE_POINTS - 1) ** order * np.linalg.norm(np.diff(tips, order, axis=0), axis=-1).mean())
        for key, order in (("tip_acceleration_mm", 2), ("tip_jerk_mm", 3))
    }


def across(encoded: Encoded, source: str, target: str) -> dict[str, float]:
    """What one hand makes of the latents of another."""
    wanted, errors = cross_errors(encoded, source, target)
    pinch = encoded.sets[source].pinch
    nearest = np.zeros(errors.direction.shape, dtype=bool)
    nearest[pinch, np.linalg.norm(wanted[pinch], axis=-1).argmin(axis=1)] = True
    return summary(errors, pinch) | named("nearest", errors.mean(nearest))


def cross_errors(encoded: Encoded, source: str, target: str) -> tuple[np.ndarray, Errors]:
    """The source's vectors (M, F, 3) in m over the common fingers, and the errors of what the target made of them."""
    hands = encoded.hand(source), encoded.hand(target)
    fingers = common_fingers(*hands)
    wanted = thumb_vectors(hands[0], encoded.sets[source].joints, fingers)
    return wanted, compare(wanted, encoded.across_vectors(source, target, fingers))


def summary(errors: Errors, pinch: np.ndarray) -> dict[str, float]:
    """Means over all poses and over the rows `pinch`."""
    return named("random", errors.mean()) | named("pinch", errors.mean(pinch))


def named(prefix: str, means: tuple[float, float]) -> dict[str, float]:
    """Direction and distance with their names."""
    return {f"{prefix}_direction_deg": means[0], f"{prefix}_distance_mm": means[1]}
