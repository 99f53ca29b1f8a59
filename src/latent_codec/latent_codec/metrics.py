"""Quality of a codec, measured on the shipped networks and the numpy kinematics, so that figures are of what runs.

Definitions: `joint_rad` RMSE of decode(encode(q)); `tip_mm` mean distance of fingertips so reconstructed. Cross-hand
errors compare thumb-to-finger vectors, in the grasp frame, of a pose of one hand with those of its latent decoded by
another: unweighted means over ordered pairs and common fingers, on random poses and on the pinch decile (the tenth of
the random poses whose closest finger is nearest to the thumb). Anchors: the postures and blends of them.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

import embodiments
from embodiments.registry import Embodiment
from latent_codec import poses
from latent_codec.codec import Codec

Metrics = dict[str, "float | Metrics"]
ANCHOR_BLENDS = 41


def measure(codec: Codec, count: int = 2000, seed: int = 12345) -> Metrics:
    """All metrics of the loaded hands of `codec` on `count` random poses a hand."""
    robots = {name: embodiments.load(name) for name in codec.hands}
    rng = np.random.default_rng(seed)
    joints = {name: poses.uniform(hand, count, rng) for name, hand in robots.items()}
    hands = [name for name, hand in robots.items() if hand.kind == "hand"]
    grippers = [name for name in robots if name not in hands]
    result: Metrics = {"poses": float(count), "hands": {n: _own(codec, robots[n], joints[n]) for n in robots}}
    result["cross"] = _cross(codec, robots, joints, [(a, b) for a in hands for b in hands if a != b])
    mixed = [(a, b) for a in hands for b in grippers] + [(b, a) for a in hands for b in grippers]
    result["cross_gripper"] = _cross(codec, robots, joints, mixed)
    result["anchors"] = _anchors(codec, robots)
    result["cycle_std"] = _cycle(codec, joints, hands)
    return result


def _own(codec: Codec, hand: Embodiment, joints: np.ndarray) -> Metrics:
    """Reconstruction of one hand."""
    latent = codec.encode(hand.name, joints)
    decoded = _decode(codec, hand.name, latent)
    tip_error = np.linalg.norm(poses.grasp_tips(hand, decoded) - poses.grasp_tips(hand, joints), axis=-1)
    return {
        "joint_rad": float(np.sqrt(np.mean((decoded - joints) ** 2))),
        "tip_mm": float(1e3 * tip_error.mean()),
        "latent_std": float(latent.std(0).mean()),
    }


def _cross(codec: Codec, robots: dict[str, Embodiment], joints: dict[str, np.ndarray], pairs: list) -> Metrics:
    """Direction (degrees) and distance (mm) errors over hand pairs, on random poses and on the pinch decile."""
    rows = [_pair(codec, robots[source], robots[target], joints[source]) for source, target in pairs]
    if not rows:
        return {}
    names = ("random_direction_deg", "random_distance_mm", "pinch_direction_deg", "pinch_distance_mm")
    return {name: float(value) for name, value in zip(names, np.mean(rows, axis=0), strict=True)}


def _pair(codec: Codec, source: Embodiment, target: Embodiment, joints: np.ndarray) -> list[float]:
    common = [finger for finger in source.tips if finger in target.tips]
    wanted = _vectors(source, joints, common)
    found = _vectors(target, _decode(codec, target.name, codec.encode(source.name, joints)), common)
    wanted_length, found_length = np.linalg.norm(wanted, axis=-1), np.linalg.norm(found, axis=-1)
    cosine = (wanted * found).sum(-1) / np.maximum(wanted_length * found_length, 1e-9)
    direction = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    distance = 1e3 * np.abs(found_length - wanted_length)
    pinch = np.argsort(wanted_length.min(axis=1))[: max(1, len(joints) // 10)]
    return [direction.mean(), distance.mean(), direction[pinch].mean(), distance[pinch].mean()]


def _vectors(hand: Embodiment, joints: np.ndarray, fingers: Iterable[str]) -> np.ndarray:
    """Thumb-to-finger vectors (M, F - 1, 3) in the grasp frame, m, of the named fingers, thumb first."""
    tips = poses.grasp_tips(hand, joints)[:, [list(hand.tips).index(finger) for finger in fingers]]
    return tips[:, 1:] - tips[:, :1]


def _anchors(codec: Codec, robots: dict[str, Embodiment]) -> Metrics:
    """Worst joint errors at the postures and on the line open - grasp, own and across hands, in rad (m of grippers).

    `latent_gap` is the largest distance of one dimension between two hands at the same posture or blend.
    """
    corners, line = np.eye(3), _line()
    own = {n: _worst(codec, h, h, corners) for n, h in robots.items()}
    cross = {n: max(_worst(codec, s, h, line) for s in robots.values()) for n, h in robots.items()}
    latents = np.stack([codec.encode(name, poses.blend(hand, line)) for name, hand in robots.items()])
    gap = float((latents.max(0) - latents.min(0)).max())
    return {"own_joint": own, "cross_joint": cross, "latent_gap": gap}


def _line() -> np.ndarray:
    share = np.linspace(0, 1, ANCHOR_BLENDS)
    return np.stack([1 - share, 0 * share, share], axis=-1)


def _worst(codec: Codec, source: Embodiment, target: Embodiment, weights: np.ndarray) -> float:
    latent = codec.encode(source.name, poses.blend(source, weights))
    return float(np.abs(_decode(codec, target.name, latent) - poses.blend(target, weights)).max())


def _cycle(codec: Codec, joints: dict[str, np.ndarray], hands: list[str]) -> float:
    """RMS change of a latent (in standard deviations) when another hand's pose decoded from it is encoded again."""
    errors = []
    for source in hands:
        latent = codec.encode(source, joints[source])
        scale = np.maximum(latent.std(0), 1e-6)
        for target in hands:
            if target != source:
                again = codec.encode(target, _decode(codec, target, latent))
                errors.append(np.mean(((again - latent) / scale) ** 2))
    return float(np.sqrt(np.mean(errors))) if errors else 0.0


def _decode(codec: Codec, hand: str, latent: np.ndarray) -> np.ndarray:
    return codec.decode(hand, np.clip(latent, -codec.latent_bound, codec.latent_bound))[0]
