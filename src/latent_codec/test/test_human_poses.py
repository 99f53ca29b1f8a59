"""Sources of human poses: what the prior samples, what files are read, and what files are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import embodiments
from contracts.errors import validate
from embodiments.landmarks import LANDMARKS
from latent_codec.training.config import ConfigError
from latent_codec.training.data.human_poses import PoseFile, Synthetic, human_poses, read_file, split
from latent_codec.training.data.human_prior import Families, close, sample
from latent_codec.training.data.retarget import RetargetSettings

COUNT = 700


@pytest.fixture(scope="module")
def human() -> embodiments.Embodiment:
    return embodiments.load("human")


@pytest.fixture(scope="module")
def free(human) -> np.ndarray:
    return sample(human, COUNT, Families(open=0, free=1, pinch=0, power=0), np.random.default_rng(0))


def landmarks(hand: embodiments.Embodiment, q: np.ndarray) -> np.ndarray:
    return hand.kinematics.forward(q, LANDMARKS)[..., :3, 3]


def column(hand: embodiments.Embodiment, q: np.ndarray, joint: str) -> np.ndarray:
    return q[:, hand.joints.index(joint)]


def gaps(hand: embodiments.Embodiment, q: np.ndarray) -> np.ndarray:
    """Distances (M, 4) in m from the thumb's tip to the others."""
    tips = hand.kinematics.tip_positions(q)
    return np.linalg.norm(tips[:, 1:] - tips[:, :1], axis=-1)


def saved(path: Path, **arrays: np.ndarray) -> Path:
    np.savez(path, **arrays)
    return path


def test_sampled_poses_are_within_limits_and_the_same_for_the_same_seed(human):
    first, again, other = (human_poses(human, [Synthetic()], COUNT, seed) for seed in (3, 3, 4))
    assert first.shape == (COUNT, len(human.joints))
    assert (first >= human.lower).all() and (first <= human.upper).all()
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_fingers_end_joints_bend_together(human, free):
    pip, dip = (column(human, free, f"ring_{joint}_flexion") for joint in ("pip", "dip"))
    assert np.corrcoef(pip, dip)[0, 1] > 0.9
    assert np.median(dip / np.maximum(pip, 0.3)) == pytest.approx(0.6, abs=0.1)


def test_neighbouring_fingers_bend_more_alike_than_distant_ones(human, free):
    ring, middle, index = (column(human, free, f"{finger}_mcp_flexion") for finger in ("ring", "middle", "index"))
    near, far = np.corrcoef(ring, middle)[0, 1], np.corrcoef(ring, index)[0, 1]
    assert 0.9 > near > far > 0.2


def test_pinches_close_on_each_finger(human):
    q = sample(human, COUNT, Families(open=0, free=0, pinch=1, power=0), np.random.default_rng(1))
    assert (gaps(human, q).min(axis=1) < 0.012).mean() > 0.5
    assert ((gaps(human, q) < 0.008).mean(axis=0) > 0.03).all()


def test_a_pinch_has_the_requested_gap(human, free):
    chosen = np.tile([1.0, 0, 0, 0], (200, 1))
    for gap in (0.0, 0.03):
        found = gaps(human, close(human, free[:200], chosen, np.full(200, gap)))[:, 0]
        assert np.quantile(np.abs(found - gap), 0.95) < 0.003


def test_open_hands_are_open_and_power_grasps_close_all_fingers_together(human):
    families = Families(open=1, free=0, pinch=0, power=0)
    q = sample(human, 300, families, np.random.default_rng(2))
    assert np.median(gaps(human, q)) > 0.1
    families = Families(open=0, free=0, pinch=0, power=1)
    q = sample(human, 600, families, np.random.default_rng(2))
    index, little = (column(human, q, f"{finger}_pip_flexion") for finger in ("index", "little"))
    assert np.corrcoef(index, little)[0, 1] > 0.85
    assert np.ptp(index) > 1.4


def test_sources_are_mixed_in_their_shares(human, tmp_path):
    pose = np.clip(np.full(len(human.joints), 0.123), human.lower, human.upper)
    path = saved(tmp_path / "one.npz", joints=pose[None])
    q = human_poses(human, [Synthetic(share=3), PoseFile(kind="file", share=1, path=path)], 400, 0)
    assert len(q) == 400
    assert (q == pose).all(axis=1).sum() == 100


def test_shares_always_add_up():
    assert split(10, [1, 1, 1]) == [3, 4, 3]
    assert sum(split(1001, [0.3, 0.3, 0.7])) == 1001


def test_measured_landmarks_give_the_poses_they_were_measured_at(human, free, tmp_path):
    points = 1.2 * landmarks(human, free[:30])[..., [1, 2, 0]] + 0.4
    q = read_file(human, saved(tmp_path / "hand.npz", landmarks=points.astype(np.float32)))
    np.testing.assert_allclose(landmarks(human, q), landmarks(human, free[:30]), atol=1e-4)


def refused(human, path: Path) -> str:
    with pytest.raises(ConfigError) as error:
        human_poses(human, [PoseFile(kind="file", path=path)], 5, 0)
    assert "\n" not in str(error.value) and path.name in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: {"landmarks": p[:, :20]}, r"landmarks: found shape (4, 20, 3), expected (M, 21, 3)"),
        (lambda p: {"landmarks": p[:0]}, "found shape (0, 21, 3)"),
        (lambda p: {"landmarks": np.where(p == p[2, 3, 1], np.nan, p)}, "expected finite numbers"),
        (lambda p: {"landmarks": 1e3 * p}, "landmarks of pose 0: found 84.85, expected 0.05 to 0.14 m"),
        (
            lambda p: {"landmarks": p[:, [0, *range(17, 21), *range(13, 17), *range(9, 13), *range(1, 9)]]},
            "the wrist first",
        ),
        (lambda p: {"landmarks": p * [1, -1, 1]}, "expected right hands"),
        (lambda p: {"landmarks": p.astype(str)}, "expected finite numbers"),
        (lambda p: {"joints": np.zeros((4, 20))}, "found shape (4, 20), expected (M, 21)"),
        (lambda p: {"joints": np.full((4, 21), 3.0)}, "joints of pose 0: found 3, expected -0.35 to 0.7 rad"),
        (lambda p: {"points": p}, "arrays: found ['points'], expected either 'landmarks' or 'joints'"),
        (lambda p: {"landmarks": p, "joints": p}, "expected either"),
        (lambda p: {"landmarks": np.array([{}, {}])}, "found ValueError (landmarks.npy: object"),
    ],
)
def test_a_file_that_is_no_hand_poses_is_refused_in_one_line(human, free, tmp_path, change, message):
    points = landmarks(human, free[:4])
    assert message in refused(human, saved(tmp_path / "poses.npz", **change(points)))


def test_a_missing_file_and_one_that_is_no_archive_are_refused(human, tmp_path):
    assert "found no such file" in refused(human, tmp_path / "missing.npz")
    (tmp_path / "text.npz").write_text("not an archive")
    assert "expected an .npz file" in refused(human, tmp_path / "text.npz")
    np.save(tmp_path / "array.npy", np.zeros(3))
    assert "expected an .npz file" in refused(human, tmp_path / "array.npy")


@pytest.mark.parametrize(
    ("sources", "field"),
    [
        ([], ""),
        ([{"kind": "video"}], ".0"),
        ([{"kind": "file"}], ".0.file.path"),
        ([{"kind": "synthetic", "share": -1}], ".0.synthetic.share"),
        ([{"kind": "synthetic", "families": {"fist": 1}}], ".0.synthetic.families.fist"),
    ],
)
def test_wrong_sources_are_refused_with_the_field(sources, field):
    with pytest.raises(ConfigError, match=f"lad.yaml: sources{field}: found .*, expected ") as error:
        validate(RetargetSettings, {"sources": sources}, Path("lad.yaml"), ConfigError)
    assert "\n" not in str(error.value)
