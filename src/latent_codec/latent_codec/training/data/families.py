"""Where hands live: families of postures, from what joints could do to what hands do.

- `uniform`: every joint anywhere within its limits; `pinch`: those of them that bring a finger closest to the thumb;
- `postures`: near blends of the hand's own `open`, `pregrasp` and `grasp`;
- `one_share`, `own_shares`, `open_or_closed`: fingers between open and fist, all by one share, each by its own, each at
  one end. The fist is four times the way from `open` to `grasp`, within the limits. Joints that closing hardly moves,
  such as those that spread the fingers, are at `open` or, for a third of the postures, anywhere;
- `human_open`, `human_free`, `human_power`, `human_pinch`: the families of `human_prior`, retargeted;
- `grasps`: the 33 of Feix's taxonomy, retargeted;
- `paths`: on the straight line from `open` to the fist or to one of the 33 grasps.

Grippers have one way to close: of the families they have `uniform` and `postures` alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from embodiments.registry import Embodiment
from latent_codec.training.data import array_cache, grasps, poses
from latent_codec.training.data.human_prior import FIST, FIST_THUMB, Families, pose, sample
from latent_codec.training.data.inputs import input_hash
from latent_codec.training.data.retarget import RetargetSettings, retarget

ALL = (
    "uniform",
    "pinch",
    "postures",
    "one_share",
    "own_shares",
    "open_or_closed",
    "human_open",
    "human_free",
    "human_power",
    "human_pinch",
    "grasps",
    "paths",
)
HUMAN = {
    f"human_{name}": Families(**{kind: float(kind == name) for kind in Families.model_fields})
    for name in Families.model_fields
}
EXACT = (*HUMAN, "grasps", "paths")  # families without noise
FIST_REACH = 4.0  # times the way from open to grasp
ASIDE = 0.05  # of its range, which a joint moves less than from open to fist if it does not close a finger
ASIDE_SHARE = 1 / 3
NOISE, NEAR_NOISE = (0.02, 0.08), 0.1  # of half a joint's range
PINCH_KEEP, MOST_CANDIDATES, FEWEST_CANDIDATES = 0.01, 200_000, 20_000  # of uniform postures
RETARGET = RetargetSettings(emphasis=4.0)
_VERSION = 2  # of the families; another one makes cached postures stale

Postures = dict[str, dict[str, np.ndarray]]


def draw(human: Embodiment, robots: Sequence[Embodiment], count: int, seed: int, cache: Path | None = None) -> Postures:
    """Joints (count, n) of each robot by family and name; those of the human's families are one posture in each row.

    Args:
        human: The human hand, whose postures are retargeted.
        robots: The hands and grippers; the human hand may be among them.
        count: Postures of a family and robot.
        seed: Of all random numbers.
        cache: Folder for what took long to compute; None keeps nothing.
    """
    found = {} if cache is None else _kept(human, robots, count, seed, cache)
    missing = [robot for robot in robots if f"uniform/{robot.name}" not in found]
    if missing:
        computed = _compute(human, missing, count, seed)
        for robot in missing:
            own = {f"{family}/{robot.name}": computed[f"{family}/{robot.name}"] for family in of(robot)}
            found |= own
            if cache is not None:
                array_cache.save(_path(human, robot, count, seed, cache), own)
    return {
        family: {robot.name: found[f"{family}/{robot.name}"] for robot in robots if family in of(robot)}
        for family in ALL
    }


def _kept(human: Embodiment, robots: Sequence[Embodiment], count: int, seed: int, cache: Path) -> dict[str, np.ndarray]:
    """What the cache holds, by family/robot."""
    found: dict[str, np.ndarray] = {}
    for robot in robots:
        shapes = {f"{family}/{robot.name}": (count, len(robot.joints)) for family in of(robot)}
        found |= array_cache.load(_path(human, robot, count, seed, cache), shapes) or {}
    return found


def of(robot: Embodiment) -> tuple[str, ...]:
    """The families that a robot has."""
    return ("uniform", "postures") if robot.kind == "gripper" else ALL


def fist(hand: Embodiment) -> np.ndarray:
    """Joints (n,) of the closed hand."""
    if hand.kind == "human":
        return pose(hand, FIST_THUMB[None], np.tile(FIST, (1, 4, 1)))[0]
    opened, grasp = hand.postures["open"], hand.postures["grasp"]
    return np.clip(opened + FIST_REACH * (grasp - opened), hand.lower, hand.upper)


def closed_by(hand: Embodiment, shares: np.ndarray) -> np.ndarray:
    """Joints (M, n) of a hand whose fingers are closed by shares (M, F), 0 at `open` and 1 in the fist."""
    opened = hand.postures["open"]
    return opened + (shares @ _ownership(hand)) * (fist(hand) - opened)


def _compute(human: Embodiment, robots: Sequence[Embodiment], count: int, seed: int) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    hands = [robot for robot in robots if robot.kind != "gripper"]
    for robot in robots:
        for family, make in _MADE.items():
            if family in of(robot):
                rng = poses.generator(seed, robot.name, family)
                found[f"{family}/{robot.name}"] = make(robot, count, rng)
    every = _retargeted(human, hands, grasps.postures(human))
    for family, shares in HUMAN.items():
        wanted = sample(human, count, shares, poses.generator(seed, family))
        found |= {f"{family}/{name}": joints for name, joints in _retargeted(human, hands, wanted).items()}
    for hand in hands:
        rng = poses.generator(seed, hand.name, "grasps")
        found[f"grasps/{hand.name}"] = every[hand.name][rng.permutation(np.arange(count) % len(every[hand.name]))]
        found[f"paths/{hand.name}"] = _paths(hand, every[hand.name], count, poses.generator(seed, hand.name, "paths"))
    return {name: joints.astype(np.float32) for name, joints in found.items()}


def _retargeted(human: Embodiment, hands: Sequence[Embodiment], wanted: np.ndarray) -> Mapping[str, np.ndarray]:
    """Joints (M, n) of each hand for the human's (M, n); the human's own are as they are."""
    others = [hand for hand in hands if hand.name != human.name]
    return retarget(human, others, wanted, RETARGET).joints | {human.name: wanted}


def _pinches(hand: Embodiment, count: int, rng: np.random.Generator) -> np.ndarray:
    candidates = int(np.clip(count / PINCH_KEEP, FEWEST_CANDIDATES, MOST_CANDIDATES))
    found = poses.pinches(hand, candidates, PINCH_KEEP, rng)
    return poses.jittered(hand, found, NOISE[0], count, rng)


def _postures(hand: Embodiment, count: int, rng: np.random.Generator) -> np.ndarray:
    return poses.jittered(hand, poses.blend(hand, poses.simplex_weights(count, rng)), NEAR_NOISE, count, rng)


def _one_share(hand: Embodiment, count: int, rng: np.random.Generator) -> np.ndarray:
    return _noisy(hand, np.tile(rng.uniform(size=(count, 1)), len(hand.tips)), rng)


def _own_shares(hand: Embodiment, count: int, rng: np.random.Generator) -> np.ndarray:
    return _noisy(hand, rng.uniform(size=(count, len(hand.tips))), rng)


def _open_or_closed(hand: Embodiment, count: int, rng: np.random.Generator) -> np.ndarray:
    return _noisy(hand, rng.integers(2, size=(count, len(hand.tips))).astype(float), rng)


def _noisy(hand: Embodiment, shares: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Joints (M, n) for shares (M, F), with noise, and what closing does not move anywhere in some of them."""
    span = hand.upper - hand.lower
    aside = np.abs(fist(hand) - hand.postures["open"]) < ASIDE * span
    anywhere = poses.uniform(hand, len(shares), rng)
    moved = aside & (rng.random((len(shares), 1)) < ASIDE_SHARE)
    noise = rng.choice(NOISE, size=(len(shares), 1)) * rng.normal(size=anywhere.shape) * span / 2
    return np.clip(np.where(moved, anywhere, closed_by(hand, shares) + noise), hand.lower, hand.upper)


def _paths(hand: Embodiment, every: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    ends = np.concatenate([fist(hand)[None], every])
    share = rng.uniform(size=(count, 1))
    opened = hand.postures["open"]
    return opened + share * (ends[rng.integers(len(ends), size=count)] - opened)


def _ownership(hand: Embodiment) -> np.ndarray:
    """(F, n): what of each joint belongs to which finger; one that moves no tip, or several, to all of these alike."""
    chain, owned = hand.kinematics.chain, np.zeros((len(hand.tips), len(hand.joints)))
    for row, link in enumerate(hand.tips.values()):
        for index in chain.needed([chain.link_index(link)]):
            if chain.multiplier[index - 1] != 0.0:
                owned[row, int(chain.source[index - 1])] = 1.0
    owned[:, owned.sum(0) == 0] = 1.0
    return owned / owned.sum(0)


def _path(human: Embodiment, robot: Embodiment, count: int, seed: int, cache: Path) -> Path:
    """The file of a robot's postures, named by a hash of all that they depend on."""
    digest = hashlib.sha256(f"{_VERSION} {count} {seed} {RETARGET.model_dump_json()}".encode())
    for part in (human, robot):
        digest.update(f"{part.name} {part.kind} {input_hash(part)}".encode())
    digest.update(grasps.FILE.read_bytes())
    return cache / f"{robot.name}-{digest.hexdigest()[:20]}.safetensors"


_MADE: dict[str, Callable[[Embodiment, int, np.random.Generator], np.ndarray]] = {
    "uniform": poses.uniform,
    "pinch": _pinches,
    "postures": _postures,
    "one_share": _one_share,
    "own_shares": _own_shares,
    "open_or_closed": _open_or_closed,
}
