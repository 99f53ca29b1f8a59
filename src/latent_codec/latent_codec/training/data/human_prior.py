"""A prior over poses of the human hand: what hands do, not what their joints could do.

Each finger has a closing g, normal, neighbours correlated by .7 (the tendons and skin between them). With F the normal
distribution function and e independent noise:

- MCP = -.15 + 1.5 F(.8 g + .6 e), PIP = 1.75 F(.8 g + .6 e'), DIP = .6 PIP + .08 e (one tendon bends both);
- abduction: a common spread of .12 (index +1, middle +.2, ring -.5, little -1) and .06 of its own, less while closed;
- thumb: palmar abduction, flexion, MCP and IP over most of their range by two closings, one of the CMC, one of MCP and
  IP; axial rotation .15 + .5 flexion + .1 e (it follows from the joint's saddle shape).

Families: `open` (the same with g lower by 2, thumb around the open posture), `free` (as above), `power` (from open over
the can grasp to a fist by a common closing, each finger a little earlier or later) and `pinch`: free poses whose thumb
and one to three neighbouring fingers (index most often) are brought, by damped least squares, to a gap that is half of
the time almost none (|4 mm e|) and else up to 60 mm, so that there are ways into each pinch.
"""

from __future__ import annotations

import numpy as np
from pydantic import Field

from embodiments.landmarks import points_and_jacobian
from embodiments.registry import Embodiment
from embodiments.schema import FINGERS
from latent_codec.training.config import Strict

SPREAD = np.array([1.0, 0.2, -0.5, -1.0])
FIST = np.array([0.0, 1.45, 1.7, 1.0])  # of a finger: abduction, MCP, PIP, DIP, rad
FIST_THUMB = np.array([0.25, 0.65, 0.5, 0.8, 0.9])  # abduction, flexion, rotation, MCP, IP, rad
PINCHES = ((1,), (2,), (3,), (4,), (1, 2), (1, 2, 3))  # fingers that meet the thumb
PINCH_SHARES = (0.4, 0.18, 0.1, 0.07, 0.17, 0.08)
_PULL = 0.004  # m a rad: how much a pinch keeps to the pose it starts from
_STEPS = 12


class Families(Strict):
    """Shares of the families of poses; they need not sum to one."""

    open: float = Field(default=0.1, ge=0)
    free: float = Field(default=0.35, ge=0)
    pinch: float = Field(default=0.35, ge=0)
    power: float = Field(default=0.2, ge=0)


def sample(hand: Embodiment, count: int, families: Families, rng: np.random.Generator) -> np.ndarray:
    """Joints (count, n) in rad, within limits, drawn from the prior; the families lie one after the other."""
    shares = np.array([families.open, families.free, families.pinch, families.power])
    if shares.sum() == 0:
        raise ValueError("shares of the families of human poses: found zeros, expected at least one above zero")
    counts = np.diff(np.round(np.cumsum([0.0, *shares]) / shares.sum() * count).astype(int))
    parts = [make(hand, int(part), rng) for make, part in zip((_open, _free, _pinch, _power), counts, strict=True)]
    return np.concatenate(parts)


def layout(hand: Embodiment) -> tuple[np.ndarray, np.ndarray]:
    """Joint indices on the way to each tip, root first: of the thumb (5,), of index .. little (4, 4)."""
    chain = hand.kinematics.chain
    ways = []
    for finger in FINGERS:
        links = chain.needed([chain.link_index(hand.tips[finger])])
        ways.append([int(chain.source[link - 1]) for link in links if chain.multiplier[link - 1] != 0.0])
    if [len(way) for way in ways] != [5, 4, 4, 4, 4]:
        raise ValueError(f"{hand.name}: found {[len(way) for way in ways]} joints a finger, expected the human hand's")
    return np.array(ways[0]), np.array(ways[1:])


def pose(hand: Embodiment, thumb: np.ndarray, fingers: np.ndarray) -> np.ndarray:
    """Joints (M, n) within limits from those of the thumb (M, 5) and the fingers (M, 4, 4)."""
    thumb_joints, finger_joints = layout(hand)
    q = np.zeros((len(thumb), len(hand.joints)))
    q[:, thumb_joints] = thumb
    q[:, finger_joints] = fingers
    return np.clip(q, hand.lower, hand.upper)


def _free(hand: Embodiment, count: int, rng: np.random.Generator) -> np.ndarray:
    return pose(hand, _thumb(count, rng), _fingers(count, 0.0, rng))


def _open(hand: Embodiment, count: int, rng: np.random.Generator) -> np.ndarray:
    around = hand.postures["open"][layout(hand)[0]]
    return pose(hand, around + rng.normal(size=(count, 5)) * 0.12, _fingers(count, -2.0, rng))


def _fingers(count: int, shift: float, rng: np.random.Generator) -> np.ndarray:
    """Abduction, MCP, PIP, DIP (count, 4, 4) of index .. little."""
    distance = np.abs(np.subtract.outer(np.arange(4), np.arange(4)))
    closing = rng.normal(size=(count, 4)) @ np.linalg.cholesky(0.7**distance).T + shift
    mcp, pip = (_normal(0.8 * closing + 0.6 * rng.normal(size=closing.shape)) for _ in range(2))
    dip = 0.6 * 1.75 * pip + 0.08 * rng.normal(size=pip.shape)
    spread = 0.12 * rng.normal(size=(count, 1)) * SPREAD + 0.06 * rng.normal(size=pip.shape)
    return np.stack((spread * (1 - 0.8 * mcp), -0.15 + 1.5 * mcp, 1.75 * pip, dip), axis=-1)


def _thumb(count: int, rng: np.random.Generator) -> np.ndarray:
    """CMC abduction, flexion, rotation, MCP, IP (count, 5)."""
    noise = rng.normal(size=(count, 6))
    flexion = -0.2 + 0.95 * _normal(noise[:, 0])
    rotation = 0.15 + 0.5 * flexion + 0.1 * noise[:, 1]
    abduction = -0.2 + 0.85 * _normal(noise[:, 2])
    mcp, ip = -0.1 + 1.0 * _normal(noise[:, 3]), -0.15 + 1.3 * _normal(0.7 * noise[:, 3] + 0.7 * noise[:, 4])
    return np.stack((abduction, flexion, rotation, mcp, ip), axis=-1)


def _power(hand: Embodiment, count: int, rng: np.random.Generator) -> np.ndarray:
    """Open - can grasp - fist by a closing of 0 .. 1 .. 2, each finger a little earlier or later."""
    fist = pose(hand, FIST_THUMB[None], np.tile(FIST, (1, 4, 1)))[0]
    corners = np.stack((hand.postures["open"], hand.postures["grasp"], fist))
    closing = np.repeat(rng.uniform(0, 2, size=(count, 1)), len(hand.joints), axis=1)
    for way in layout(hand)[1]:
        closing[:, way] += 0.2 * rng.normal(size=(count, 1))
    weights = np.clip(1 - np.abs(np.clip(closing, 0, 2)[..., None] - np.arange(3)), 0, 1)
    q = (weights * corners.T).sum(-1) + 0.06 * rng.normal(size=closing.shape)
    return np.clip(q, hand.lower, hand.upper)


def _pinch(hand: Embodiment, count: int, rng: np.random.Generator) -> np.ndarray:
    start = _free(hand, count, rng)
    chosen = np.zeros((count, 4))
    for row, kind in enumerate(rng.choice(len(PINCHES), size=count, p=PINCH_SHARES)):
        chosen[row, [finger - 1 for finger in PINCHES[kind]]] = 1.0
    near = _near(count, rng)
    gap = np.where(rng.random(count) < 0.5, near, rng.uniform(0, 0.06, size=count))
    return close(hand, start, chosen, gap)


def pinches_of_each_finger(hand: Embodiment, count: int, rng: np.random.Generator) -> np.ndarray:
    """Joints (count, n) of closed pinches, a quarter with each finger alone."""
    chosen = np.eye(4)[np.arange(count) % 4]
    return close(hand, _free(hand, count, rng), chosen, _near(count, rng))


def _near(count: int, rng: np.random.Generator) -> np.ndarray:
    """Gaps (count,) in m of closed pinches."""
    return np.abs(rng.normal(size=count)) * 0.004


def close(hand: Embodiment, start: np.ndarray, chosen: np.ndarray, gap: np.ndarray) -> np.ndarray:
    """Joints (M, n) near `start` whose thumb tip is `gap` (M,) m from the tips of the fingers `chosen` (M, 4)."""
    q, tips = start, tuple(hand.tips[finger] for finger in FINGERS)
    for _ in range(_STEPS):
        points, slopes = points_and_jacobian(hand, q, tips)
        way, slope = points[:, 1:] - points[:, :1], slopes[:, 1:] - slopes[:, :1]
        length = np.maximum(np.linalg.norm(way, axis=-1, keepdims=True), 1e-6)
        error = ((gap[:, None, None] / length - 1) * way * chosen[..., None]).reshape(len(q), 12, 1)
        slope = (slope * chosen[..., None, None]).reshape(len(q), 12, q.shape[1])
        gradient = (np.swapaxes(slope, 1, 2) @ error)[..., 0] + _PULL**2 * (start - q)
        held = ((q <= hand.lower) & (gradient < 0)) | ((q >= hand.upper) & (gradient > 0))
        slope = slope * ~held[:, None]
        normal = np.swapaxes(slope, 1, 2) @ slope + _PULL**2 * np.eye(q.shape[1])
        change = np.linalg.solve(normal, np.where(held, 0.0, gradient)[..., None])[..., 0]
        q = np.clip(q + np.clip(change, -0.4, 0.4), hand.lower, hand.upper)
    return q


def _normal(values: np.ndarray) -> np.ndarray:
    """The normal distribution function, to 2e-4."""
    return 0.5 * (1 + np.tanh(np.sqrt(2 / np.pi) * (values + 0.044715 * values**3)))
