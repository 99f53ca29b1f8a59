"""The poses of the gallery's rows, made on one source hand whose encoder turns them into latents."""

from __future__ import annotations

import numpy as np

from embodiments.registry import Embodiment
from latent_codec.gallery.fingers import joints_of_finger
from latent_codec.training.data.poses import grasp_tips, thumb_distances, uniform

ROWS = ("open", "pinch", "power", "point", "random")
PATH = ("open", "pinch", "power", "point", "open")
SEED = 9  # of the random pose; in this one of the X-Hand every finger does something else
CANDIDATES = 4000
ROUNDS = 6
SHRINK = 0.35  # of the search range from round to round
NATURAL_M = 0.01  # metres of distance that a bend through the whole range is worth
FIST = 4.0  # a finger this many times as far from open as in the grasp of a can is closed; limits clip it
THUMB_FIST = 1.5
CLOSED = 0.9  # share of the way to the limits: hands do not press their fingers into their stops


def source_poses(hand: Embodiment, seed: int) -> dict[str, np.ndarray]:
    """Row -> joints (n,) in rad of `hand`; "power" is its grasp of a can of 66 mm, `seed` draws "random"."""
    return {
        "open": hand.postures["open"].copy(),
        "pinch": pinch(hand, np.random.default_rng(0)),
        "power": hand.postures["grasp"].copy(),
        "point": point(hand),
        "random": uniform(hand, 1, np.random.default_rng(seed))[0],
    }


def pinch(hand: Embodiment, rng: np.random.Generator) -> np.ndarray:
    """Joints (n,) at which thumb and index meet, mined: the other fingers stay half way between open and pregrasp.

    Draws the joints of the two fingers within their limits, keeps the closest pose, and searches on around it. Of poses
    as close as each other, the one nearest to the grasp of a can wins: it is how a hand would do it.
    """
    best = (hand.postures["open"] + hand.postures["pregrasp"]) / 2
    free = _joints(hand, "thumb", "index")
    lower, upper, natural = hand.lower[free], hand.upper[free], hand.postures["grasp"][free]
    centre, width, least = (lower + upper) / 2, (upper - lower) / 2, np.inf
    for _ in range(ROUNDS):
        drawn = np.tile(best, (CANDIDATES, 1))
        drawn[:, free] = np.clip(centre + rng.uniform(-1, 1, size=(CANDIDATES, len(free))) * width, lower, upper)
        bent = np.mean(((drawn[:, free] - natural) / (upper - lower)) ** 2, axis=1)
        cost = thumb_distances(grasp_tips(hand, drawn))[:, 0] + NATURAL_M * bent
        if cost.min() < least:
            best, least = drawn[cost.argmin()], cost.min()
        centre, width = best[free], width * SHRINK
    return best


def point(hand: Embodiment) -> np.ndarray:
    """Joints (n,) with the index straight and the other fingers closed."""
    opened, grasp = hand.postures["open"], hand.postures["grasp"]
    result = np.clip(opened + FIST * (grasp - opened), hand.lower, hand.upper)
    thumb, index = _joints(hand, "thumb"), _joints(hand, "index")
    bent = opened + THUMB_FIST * (grasp - opened)
    result[thumb] = np.clip(bent, hand.lower, hand.upper)[thumb]
    result[index] = opened[index]
    return opened + CLOSED * (result - opened)


def _joints(hand: Embodiment, *fingers: str) -> list[int]:
    return sorted({joint for finger in fingers for joint in joints_of_finger(hand, finger)})
