"""Human poses retargeted to robots: cases whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

import embodiments
from embodiments import FINGERS, Embodiment
from latent_codec.training.config import ConfigError
from latent_codec.training.data import array_cache
from latent_codec.training.data.human_poses import PoseFile, human_poses
from latent_codec.training.data.human_prior import close
from latent_codec.training.data.keyvectors import gripper_joints, opening, palm, scale
from latent_codec.training.data.poses import grasp_tips
from latent_codec.training.data.retarget import RetargetSettings, pairs, retarget

PUBLISHED, CLOSING = RetargetSettings(), RetargetSettings(emphasis=10)
ROBOTS = embodiments.names("hand") + embodiments.names("gripper")


@pytest.fixture(scope="module")
def human() -> Embodiment:
    return embodiments.load("human")


@pytest.fixture(scope="module")
def robots() -> list[Embodiment]:
    return [embodiments.load(name) for name in ROBOTS]


@pytest.fixture(scope="module")
def poses(human) -> np.ndarray:
    return human_poses(human, PUBLISHED.sources, 60, 0)


def gaps(hand: Embodiment, joints: np.ndarray) -> np.ndarray:
    """Distances (M, F - 1) in m from the thumb's tip to the others."""
    tips = grasp_tips(hand, joints.astype(float))
    return np.linalg.norm(tips[:, 1:] - tips[:, :1], axis=-1)


def pinch(human: Embodiment, finger: int, start: str = "pregrasp") -> np.ndarray:
    """Joints (1, n): the thumb on one finger (1 index .. 4 little), the others half open."""
    chosen = np.eye(4)[[finger - 1]]
    return close(human, human.postures[start][None], chosen, np.zeros(1))


def test_all_robots_get_poses_within_their_limits(human, robots, poses):
    result = retarget(human, robots, poses, PUBLISHED)
    assert set(result.joints) == set(ROBOTS)
    for robot in robots:
        joints = result.joints[robot.name]
        assert joints.shape == (len(poses), len(robot.joints)) and joints.dtype == np.float32
        assert (joints >= robot.lower).all() and (joints <= robot.upper).all(), robot.name


def test_a_pinch_of_the_human_is_a_pinch_of_the_xhand(human):
    xhand = embodiments.load("xhand")
    for settings, limit in ((PUBLISHED, 0.015), (CLOSING, 0.01)):
        joints = retarget(human, [xhand], pinch(human, 1), settings).joints["xhand"]
        assert gaps(xhand, joints)[0, 0] < limit


@pytest.mark.parametrize("name", ["ability", "inspire", "dexh13", "allegro", "dex3"])
def test_emphasis_turns_pinches_into_pinches_on_other_hands(human, name):
    hand = embodiments.load(name)
    joints = retarget(human, [hand], pinch(human, 1), CLOSING).joints[name]
    assert gaps(hand, joints)[0, 0] < 0.016


def test_the_finger_that_pinches_stays_the_finger_that_pinches(human):
    xhand = embodiments.load("xhand")
    poses = np.concatenate([pinch(human, finger) for finger in (1, 2, 3, 4)])
    joints = retarget(human, [xhand], poses, CLOSING).joints["xhand"]
    assert gaps(xhand, joints).argmin(axis=1).tolist() == [0, 1, 2, 3]


def test_an_open_hand_stays_open_and_a_fist_closes(human, robots):
    poses = np.stack([human.postures["open"], human.postures["grasp"]])
    result = retarget(human, robots, poses, PUBLISHED)
    wide = gaps(human, poses)[0].min()
    for robot in robots:
        opened, closed = gaps(robot, result.joints[robot.name])
        most = min(wide / scale(human, robot, "reach"), gaps(robot, robot.postures["open"][None]).min())
        assert opened.min() > 0.75 * most, robot.name
        assert closed.max() < 0.7 * opened.max(), robot.name


def test_the_human_hand_retargeted_to_itself_keeps_its_fingertips(human, poses):
    result = retarget(human, [human], poses, PUBLISHED)
    moved = grasp_tips(human, result.joints["human"].astype(float)) - grasp_tips(human, poses)
    assert scale(human, human, "reach") == pytest.approx(1.0)
    assert np.median(np.linalg.norm(moved, axis=-1)) < 0.0005
    assert np.quantile(np.linalg.norm(moved, axis=-1), 0.95) < 0.002


def test_a_robot_is_retargeted_alike_alone_and_with_others(human, robots, poses):
    together = retarget(human, robots, poses[:20], PUBLISHED)
    alone = retarget(human, [embodiments.load("xhand")], poses[:20], PUBLISHED)
    np.testing.assert_allclose(alone.residual["xhand"], together.residual["xhand"], atol=2e-4)


def test_the_residual_is_no_larger_than_that_of_poses_nearby(human, poses):
    """No small change of the joints found lowers the published objective, keyvector by keyvector."""
    hand, rng = embodiments.load("xhand"), np.random.default_rng(0)
    result = retarget(human, [hand], poses[:10], RetargetSettings(rest=1e-5, iterations=40))
    best = result.joints["xhand"].astype(float)
    np.testing.assert_allclose(rms(human, hand, poses[:10], best), result.residual["xhand"], rtol=1e-3)
    for _ in range(200):
        nearby = np.clip(best + rng.normal(size=best.shape) * 0.01, hand.lower, hand.upper)
        assert (rms(human, hand, poses[:10], nearby) > result.residual["xhand"] - 2e-6).all()


def rms(human: Embodiment, hand: Embodiment, poses: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """RMS keyvector error (M,) in m, written as LAD writes it."""
    errors = keyvectors(human, poses) - scale(human, hand, "reach") * keyvectors(hand, joints)
    return np.sqrt((errors**2).sum(-1).mean(-1))


def keyvectors(hand: Embodiment, joints: np.ndarray) -> np.ndarray:
    tips = grasp_tips(hand, joints)
    between = [tips[:, j] - tips[:, i] for i in range(5) for j in range(i + 1, 5)]
    return np.stack([*(tips[:, i] - palm(hand, FINGERS) for i in range(5)), *between], axis=1)


@pytest.mark.parametrize("name", embodiments.names("gripper"))
def test_a_gripper_opens_with_the_thumbs_distance(human, name):
    gripper = embodiments.load(name)
    wide = np.linspace(0, 0.12, 25)
    chosen = np.tile([1.0, 0, 0, 0], (len(wide), 1))
    start = np.repeat(human.postures["open"][None], len(wide), axis=0)
    poses = close(human, start, chosen, wide)
    nearest = np.linalg.norm(np.diff(grasp_tips(human, poses)[:, :2], axis=1)[:, 0], axis=-1)
    pads = gaps(gripper, retarget(human, [gripper], poses, PUBLISHED).joints[name])[:, 0]
    assert (np.diff(pads[np.argsort(nearest)]) >= -1e-6).all()
    assert pads.min() < 0.002
    assert pads.max() == pytest.approx(gaps(gripper, gripper.postures["open"][None])[0, 0], abs=1e-3)


def test_the_opening_of_a_gripper_follows_the_published_rule():
    tips = np.zeros((3, 5, 3))
    tips[0, 1:, 0] = [0.04, 0.05, 0.06, 0.07]
    tips[1, 1:, 1] = 0.2
    np.testing.assert_allclose(opening(tips, 0.08), [0.5, 1.0, 0.0])
    gripper = embodiments.load("xarm_gripper")
    np.testing.assert_allclose(
        gripper_joints(gripper, np.array([0.0, 0.5, 1.0]))[:, 0], [0, 0.02125, 0.0425], atol=1e-6
    )


def test_the_scale_is_the_ratio_of_sizes_or_as_given(human, poses):
    xhand = embodiments.load("xhand")
    spans = [gaps(hand, hand.postures["open"][None])[0, 1] for hand in (human, xhand)]
    assert scale(human, xhand, "span") == pytest.approx(spans[0] / spans[1])
    default, small = (
        retarget(human, [xhand], poses[:5], s) for s in (PUBLISHED, RetargetSettings(scales={"xhand": 2}))
    )
    assert gaps(xhand, small.joints["xhand"]).mean() < gaps(xhand, default.joints["xhand"]).mean()


def test_pairs_are_computed_once_and_again_when_anything_changes(human, tmp_path):
    hands = [embodiments.load(name) for name in ("xhand", "xarm_gripper")]
    settings = RetargetSettings(iterations=2, scout=1)
    first = pairs(human, hands, 20, 0, settings, tmp_path)
    assert {name: values.shape for name, values in first.items()} == {
        "xhand": (20, 12),
        "xarm_gripper": (20, 1),
        "human": (20, 21),
    }
    (file,) = tmp_path.iterdir()
    marked = {name: values + np.float32(1) for name, values in first.items()}
    array_cache.save(file, marked)
    np.testing.assert_array_equal(pairs(human, hands, 20, 0, settings, tmp_path)["xhand"], marked["xhand"])
    file.write_bytes(b"damaged")
    np.testing.assert_array_equal(pairs(human, hands, 20, 0, settings, tmp_path)["xhand"], first["xhand"])
    pairs(human, hands, 20, 1, settings, tmp_path)
    pairs(human, hands[:1], 20, 0, settings, tmp_path)
    pairs(human, hands, 20, 0, RetargetSettings(iterations=3, scout=1), tmp_path)
    assert len(list(tmp_path.iterdir())) == 4


def test_another_content_of_a_file_of_poses_gives_other_pairs(human, poses, tmp_path):
    path, hands = tmp_path / "poses.npz", [embodiments.load("xarm_gripper")]
    settings = RetargetSettings(sources=(PoseFile(kind="file", path=path),))
    results = []
    for part in (poses[:10], poses[10:20]):
        np.savez(path, joints=part)
        results.append(pairs(human, hands, 10, 0, settings, tmp_path / "cache"))
    assert not np.array_equal(results[0]["human"], results[1]["human"])
    missing = RetargetSettings(sources=(PoseFile(kind="file", path=tmp_path / "no.npz"),))
    with pytest.raises(ConfigError, match=r"no.npz: found no such file"):
        pairs(human, hands, 10, 0, missing, tmp_path / "cache")
