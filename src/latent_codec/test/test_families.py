"""The families of postures: within limits, the same for the same seed, and what their names say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import embodiments
from embodiments import Embodiment
from latent_codec.training.config import ConfigError
from latent_codec.training.data import families, grasps, poses

NAMES = [name for name in embodiments.names() if embodiments.load(name).kind in ("hand", "human")]
COUNT = 48


@pytest.fixture(scope="module")
def human() -> Embodiment:
    return embodiments.load("human")


@pytest.fixture(scope="module")
def drawn(human) -> families.Postures:
    robots = [embodiments.load(name) for name in ("inspire", "dexh13", "dex3", "human", "xarm_gripper")]
    return families.draw(human, robots, COUNT, 3, cache=None)


def test_every_family_of_every_hand_is_within_its_limits(drawn):
    for of in drawn.values():
        for name, joints in of.items():
            hand = embodiments.load(name)
            assert joints.shape == (COUNT, len(hand.joints))
            assert (joints >= hand.lower - 1e-6).all() and (joints <= hand.upper + 1e-6).all()


def test_a_gripper_has_the_families_of_its_one_way_to_close(drawn):
    assert [family for family, of in drawn.items() if "xarm_gripper" in of] == ["uniform", "postures"]


def test_what_was_kept_is_what_is_computed(human, tmp_path: Path):
    robots = [embodiments.load("inspire")]
    first, again = (families.draw(human, robots, 4, 5, tmp_path) for _ in range(2))
    other = families.draw(human, robots, 4, 6, cache=None)
    for family in families.ALL:
        np.testing.assert_array_equal(first[family]["inspire"], again[family]["inspire"])
    assert not np.array_equal(first["uniform"]["inspire"], other["uniform"]["inspire"])


@pytest.mark.parametrize("name", NAMES)
def test_a_hand_closes_from_open_to_the_fist(name: str):
    hand = embodiments.load(name)
    ends = families.closed_by(hand, np.array([[0.0], [1.0]]) * np.ones(len(hand.tips)))
    np.testing.assert_allclose(ends, np.stack([hand.postures["open"], families.fist(hand)]), atol=1e-12)


@given(name=st.sampled_from(NAMES), finger=st.integers(0, 4), share=st.floats(0, 1))
def test_a_finger_that_closes_moves_its_own_joints_alone(name: str, finger: int, share: float):
    hand = embodiments.load(name)
    finger %= len(hand.tips)
    shares = np.zeros((1, len(hand.tips)))
    shares[0, finger] = share
    moved = families.closed_by(hand, shares)[0] != hand.postures["open"]
    chain, link = hand.kinematics.chain, list(hand.tips.values())[finger]
    own = {int(chain.source[index - 1]) for index in chain.needed([chain.link_index(link)])}
    carried = {int(source) for source in chain.source if source >= 0}
    assert set(np.flatnonzero(moved)) <= own | (set(range(len(hand.joints))) - carried)


def test_the_rows_of_a_human_family_are_one_posture(drawn, human):
    wanted = poses.thumb_distances(poses.grasp_tips(human, drawn["human_pinch"]["human"].astype(float)))[:, 0]
    hand = embodiments.load("inspire")
    found = poses.thumb_distances(poses.grasp_tips(hand, drawn["human_pinch"]["inspire"].astype(float)))[:, 0]
    assert np.corrcoef(wanted, found)[0, 1] > 0.8


def test_there_are_the_33_grasps_of_the_taxonomy():
    assert [grasp.number for grasp in grasps.grasps().values()] == list(range(1, 34))


def test_grasps_bring_the_thumb_to_their_gap(human):
    distances = poses.thumb_distances(poses.grasp_tips(human, grasps.postures(human)))
    for grasp, row in zip(grasps.grasps().values(), distances, strict=True):
        met = [row[("index", "middle", "ring", "little").index(finger)] for finger in grasp.at]
        assert np.abs(np.array(met) - (grasp.gap or 0.0) / 1e3).max(initial=0.0) < 0.003


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ("gap: 4, at: [toe]", "at: found ['toe'], expected fingers of index, middle, ring, little"),
        ("gap: 4", "at: found [], expected fingers"),
        ("gap: 400, at: [index]", "gap: found 400"),
    ],
)
def test_a_grasp_that_cannot_be_is_refused_with_file_and_field(tmp_path: Path, fields: str, line: str):
    file = tmp_path / "grasps.yaml"
    bends = ", ".join(f"{finger}: [0, 0, 0]" for finger in ("index", "middle", "ring", "little"))
    file.write_text(f"wrong: {{number: 1, thumb: [0, 0, 0, 0, 0], {bends}, {fields}}}\n")
    with pytest.raises(ConfigError) as refused:
        grasps.grasps(file)
    assert str(file) in str(refused.value) and line in str(refused.value)
