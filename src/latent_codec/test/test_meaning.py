"""What the human's postures mean to a hand: figures of spaces whose answers are known."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

import embodiments
from latent_codec.codec import Codec
from latent_codec.evaluation.meaning import meaning, pinches, point
from latent_codec.training.data import families
from latent_codec.training.data.poses import grasp_tips, thumb_distances

HANDS = ("human", "xhand", "xarm_gripper")


@dataclass
class Still:
    """Decoders that always show the same postures, and refuse latents whose first value is below the threshold."""

    joints: dict[str, np.ndarray]
    hands: tuple[str, ...] = HANDS
    refusing: dict[str, float] = field(default_factory=dict)

    def encode(self, hand: str, joints: np.ndarray) -> np.ndarray:
        return np.linspace(0, 1, len(joints))[:, None]

    def decode_anything(self, hand: str, latents: np.ndarray) -> np.ndarray:
        return np.tile(self.joints[hand], (len(latents), 1))

    def scores(self, hand: str, latents: np.ndarray) -> np.ndarray:
        return latents[:, 0]

    def threshold(self, hand: str) -> float:
        return self.refusing.get(hand, -1.0)


def showing(hand: np.ndarray, gripper: np.ndarray) -> Still:
    return Still({"xhand": hand, "xarm_gripper": gripper})


@pytest.fixture(scope="module")
def xhand():
    return embodiments.load("xhand")


@pytest.fixture(scope="module")
def gripper():
    return embodiments.load("xarm_gripper")


def test_the_human_points_and_pinches_with_each_finger_in_turn():
    human = embodiments.load("human")
    assert thumb_distances(grasp_tips(human, pinches(human))).diagonal().max() < 1e-3
    away = np.linalg.norm(grasp_tips(human, point(human)) - grasp_tips(human, human.postures["open"][None]), axis=-1)
    assert away[0, 1] < 1e-9 and away[0, 2:].min() > 0.08


def test_an_open_hand_points_and_does_not_pinch(xhand, gripper):
    found = meaning(showing(xhand.postures["open"], gripper.postures["open"]))
    assert set(found) == {"xhand", "xarm_gripper"}
    assert found["xhand"]["point_bend_deg"] == pytest.approx(0.0, abs=1e-3)
    assert all(found["xhand"][f"pinch_{finger}_mm"] > 80 for finger in ("index", "middle", "ring", "little"))
    assert all(value > 80 for value in found["xarm_gripper"].values())
    assert found["xhand"]["fist_mm"] > 100


def test_a_fist_does_not_point_and_keeps_its_fingertips(xhand, gripper):
    found = meaning(showing(families.fist(xhand), gripper.lower))["xhand"]
    assert found["point_bend_deg"] > 90 and found["fist_mm"] < 1e-6


def test_a_hand_that_stands_still_is_driven_smoothly(xhand, gripper):
    found = meaning(showing(xhand.postures["open"], gripper.postures["open"]))["xhand"]
    assert found["gripper_step_rad"] == found["gripper_reversal_mm"] == 0.0


def test_what_is_refused_on_the_way_is_counted(xhand, gripper):
    still = showing(xhand.postures["open"], gripper.postures["open"])
    still.refusing["xhand"] = 0.25
    assert meaning(still)["xhand"]["refused_on_the_way"] == pytest.approx(0.25, abs=0.01)


def test_a_space_without_the_human_hand_has_no_such_figures():
    assert meaning(Still({}, hands=("xhand", "xarm_gripper"))) == {}


def test_the_shipped_space_has_the_figures_of_all_its_other_hands(shipped):
    codec = Codec.load(shipped, ["human", "inspire", "xarm_gripper"])
    found = meaning(codec)
    assert set(found) == set(codec.hands) - {"human"}
    assert {"point_bend_deg", "pinch_little_mm", "gripper_step_rad"} <= set(found["inspire"])
    assert all(np.isfinite(list(row.values())).all() for row in found.values())
