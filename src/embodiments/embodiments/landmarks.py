"""The 21 landmarks of hand trackers on a hand whose links carry their names, and joints from measured landmarks.

Order: wrist; thumb CMC, MCP, IP, tip; index, middle, ring, little MCP, PIP, DIP, tip.
"""

from __future__ import annotations

import numpy as np

from embodiments.errors import EmbodimentError
from embodiments.registry import Embodiment
from embodiments.schema import FINGERS

_BONES = dict.fromkeys(FINGERS, ("mcp", "pip", "dip", "tip")) | {"thumb": ("cmc", "mcp", "ip", "tip")}
LANDMARKS: tuple[str, ...] = ("wrist", *(f"{finger}_{part}" for finger in FINGERS for part in _BONES[finger]))

_PALM = [0, *(LANDMARKS.index(f"{finger}_{parts[0]}") for finger, parts in _BONES.items())]  # no joint moves these
_CHUNK = 1024
_SMALLEST = 1e-3  # m, RMS distance of the six palm landmarks from their centre, below which a pose is no hand
_DAMPING = (1e-7, 1e-12, 1.0)  # m2: first, least, largest
_SETTLED = 1e-12  # m2 by which the sum of squares changes when a pose is done


def points_and_jacobian(hand: Embodiment, q: np.ndarray, links: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return the origins (M, L, 3) of `links` in the root frame and their derivatives (M, L, 3, n) at joints (M, n)."""
    kinematics, chain = hand.kinematics, hand.kinematics.chain
    poses = kinematics.forward(q, kinematics.links)
    moving = [joint for joint in range(len(chain.parent) - 1) if chain.multiplier[joint] != 0.0]
    wanted = [chain.link_index(link) for link in links]
    carried = np.array([[float(joint + 1 in chain.needed([link])) for joint in moving] for link in wanted])
    child = poses[:, [joint + 1 for joint in moving]]
    axis = (child[..., :3, :3] @ chain.axis[moving][:, :, None])[..., 0]
    points = poses[..., :3, 3][:, wanted]
    arms = points[:, :, None] - child[:, None, :, :3, 3]
    turned = np.where(chain.revolute[moving][:, None], np.cross(axis[:, None], arms), axis[:, None])
    drive = np.eye(len(hand.joints))[chain.source[moving]] * chain.multiplier[moving][:, None]
    return points, np.swapaxes(turned * carried[..., None], -1, -2) @ drive


def fit(hand: Embodiment, points: np.ndarray, iterations: int = 15) -> tuple[np.ndarray, np.ndarray]:
    """Fit a hand's joints to measured landmarks, by damped least squares from the posture `open`, within limits.

    Args:
        hand: A hand whose links have the names of LANDMARKS.
        points: (M, 21, 3) in m, of a hand of any size in any pose: scale, rotation and translation are estimated for
            each pose.
        iterations: Most steps.

    Returns:
        Joints (M, n) in rad and the residuals (M,), the RMS distance of the landmarks in m.

    Raises:
        EmbodimentError: The hand has no landmarks.
        ValueError: Points of another shape, not finite, or all in one place.
    """
    _check_links(hand)
    points = np.asarray(points, dtype=float)
    _check_points(points)
    parts = [_fit(hand, points[i : i + _CHUNK], iterations) for i in range(0, len(points), _CHUNK)]
    if not parts:
        return np.zeros((0, len(hand.joints))), np.zeros(0)
    return np.concatenate([joints for joints, _ in parts]), np.concatenate([residual for _, residual in parts])


def _check_links(hand: Embodiment) -> None:
    missing = [name for name in LANDMARKS if name not in hand.kinematics.links]
    if missing:
        raise EmbodimentError(hand.name, "links", missing, "a link for each of the 21 landmarks")


def _check_points(points: np.ndarray) -> None:
    if points.ndim != 3 or points.shape[1:] != (len(LANDMARKS), 3):
        raise ValueError(f"landmarks of shape {points.shape}, expected (M, {len(LANDMARKS)}, 3)")
    finite = np.isfinite(points).all(axis=(1, 2))
    if not finite.all():
        raise ValueError(f"landmarks of pose {int(np.argmin(finite))} are not finite, expected metres")
    palm = points[:, _PALM] - points[:, _PALM].mean(axis=1, keepdims=True)
    spread = np.sqrt((palm**2).sum(-1).mean(-1)) > _SMALLEST
    if not spread.all():
        raise ValueError(f"landmarks of pose {int(np.argmin(spread))} are one point, expected a hand's, in metres")


def _fit(hand: Embodiment, points: np.ndarray, iterations: int) -> tuple[np.ndarray, np.ndarray]:
    """Levenberg-Marquardt over the joints; rotation, translation and scale are solved anew for each candidate."""
    q = np.repeat(hand.postures["open"][None], len(points), axis=0)
    model, jacobian = points_and_jacobian(hand, q, LANDMARKS)
    aligned, _ = _aligned(points, model, _PALM)
    cost, damping = _cost(aligned, model), np.full(len(points), _DAMPING[0])
    for _ in range(iterations):
        tried = _step(hand, q, model, jacobian, aligned - model, damping)
        moved, slope = points_and_jacobian(hand, tried, LANDMARKS)
        seen, _ = _aligned(points, moved)
        price = _cost(seen, moved)
        better = price < cost
        changed = np.abs(cost - price)
        q[better], model[better], jacobian[better] = tried[better], moved[better], slope[better]
        aligned[better], cost[better] = seen[better], price[better]
        damping = np.clip(np.where(better, damping / 4, damping * 8), *_DAMPING[1:])
        if (changed < _SETTLED).all():
            break
    aligned, scale = _aligned(points, model)
    return q, np.sqrt(_cost(aligned, model) / len(LANDMARKS)) * scale


def _step(
    hand: Embodiment, q: np.ndarray, model: np.ndarray, jacobian: np.ndarray, error: np.ndarray, damping: np.ndarray
) -> np.ndarray:
    """Joints after one damped step; joints at a limit that would leave it are held."""
    count = q.shape[1]
    whole = np.concatenate((jacobian, _pose_columns(model)), axis=-1).reshape(len(q), -1, count + 7)
    gradient = (error.reshape(len(q), 1, -1) @ whole)[:, 0]
    held = ((q <= hand.lower) & (gradient[:, :count] < 0)) | ((q >= hand.upper) & (gradient[:, :count] > 0))
    free = np.concatenate((~held, np.ones((len(q), 7), dtype=bool)), axis=1)
    whole = whole * free[:, None]
    normal = np.swapaxes(whole, -1, -2) @ whole
    normal += (damping[:, None] + ~free)[:, :, None] * np.eye(count + 7)
    change = np.linalg.solve(normal, (gradient * free)[..., None])[:, :count, 0]
    return np.clip(q + change, hand.lower, hand.upper)


def _pose_columns(model: np.ndarray) -> np.ndarray:
    """Derivatives (M, 21, 3, 7) of points (M, 21, 3) for a rotation, a translation and a growth of the whole hand."""
    turns = np.stack([np.cross(axis, model) for axis in np.eye(3)], axis=-1)
    shifts = np.broadcast_to(np.eye(3), (*model.shape, 3))
    return np.concatenate((turns, shifts, model[..., None]), axis=-1)


def _aligned(points: np.ndarray, model: np.ndarray, rows: list[int] | None = None) -> tuple[np.ndarray, np.ndarray]:
    """`points` moved onto `model` by the best similarity (of the landmarks `rows`), and their scale (M,) over it."""
    chosen = slice(None) if rows is None else rows
    centre, goal = points[:, chosen].mean(1, keepdims=True), model[:, chosen].mean(1, keepdims=True)
    a, b = points[:, chosen] - centre, model[:, chosen] - goal
    u, _, vt = np.linalg.svd(np.swapaxes(a, 1, 2) @ b)
    u[..., -1] *= np.sign(np.linalg.det(u @ vt))[:, None]
    rotation = u @ vt
    size = ((a @ rotation) * b).sum(axis=(1, 2)) / (a**2).sum(axis=(1, 2))
    size = np.maximum(size, 1e-6)
    return size[:, None, None] * ((points - centre) @ rotation) + goal, 1 / size


def _cost(aligned: np.ndarray, model: np.ndarray) -> np.ndarray:
    return ((aligned - model) ** 2).sum(axis=(1, 2))
