"""Datasets on disk become demonstrations in the latent space; what does not fit is refused and named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from policy_dataset import FRAMING, STEPS, write_dataset

from contracts.image_contract import Framing
from episodes.dataset import save_arrays
from episodes.metadata import EpisodeError
from latent_codec.codec import Codec
from latent_policy_node.dataset import DatasetError, load

CODEC = Path(__file__).resolve().parents[3] / "models" / "codec"


@pytest.fixture(scope="module")
def codec() -> Codec:
    return Codec.load(CODEC, ["inspire", "ability", "xarm_gripper"])


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "dataset")


def _edit(dataset: Path, **changes: object) -> None:
    path = dataset / "dataset.yaml"
    content = yaml.safe_load(path.read_text())
    content["episodes"][0].update(changes)
    path.write_text(yaml.safe_dump(content))


def test_successful_episodes_of_different_hands_share_one_space(dataset: Path, codec: Codec) -> None:
    data = load(dataset, codec)
    assert data.pairs == ("ability:inspire", "inspire:xarm_gripper")
    assert data.state.shape == data.action.shape == (4 * STEPS, 2 * len(codec.axes))
    assert data.latent_space == codec.latent_space
    # open and closed mean the same in the shared space, whichever hand did it
    z = slice(9, len(codec.axes))
    opened, closed = data.state[0, z], data.state[STEPS - 1, z]
    other = data.state[STEPS : 2 * STEPS, z]
    assert np.linalg.norm(opened - other[0]) < 0.3 * np.linalg.norm(opened - closed)
    assert np.linalg.norm(closed - other[-1]) < 0.3 * np.linalg.norm(opened - closed)


def test_joints_are_taken_by_name_not_by_place(dataset: Path, codec: Codec) -> None:
    before = load(dataset, codec).state
    content = yaml.safe_load((dataset / "dataset.yaml").read_text())
    joints = content["episodes"][0]["joints"]
    joints["left"]["hand"] = joints["left"]["hand"][::-1]
    path = dataset / "episode_00000.npz"
    with np.load(path) as arrays:
        swapped = {name: arrays[name][:, ::-1] if "left.hand" in name else arrays[name] for name in arrays.files}
    save_arrays(path, swapped)
    _edit(dataset, joints=joints)
    np.testing.assert_array_equal(load(dataset, codec).state, before)


def test_foreign_joint_names_are_refused(dataset: Path, codec: Codec) -> None:
    content = yaml.safe_load((dataset / "dataset.yaml").read_text())
    joints = content["episodes"][0]["joints"]
    joints["right"]["arm"][0] = "elbow"
    _edit(dataset, joints=joints)
    with pytest.raises(DatasetError, match=r"joints.right.arm: found .*elbow"):
        load(dataset, codec)


def test_missing_camera_is_named(dataset: Path, codec: Codec) -> None:
    with pytest.raises(DatasetError, match="cameras: found front, expected wrist"):
        load(dataset, codec, "wrist")


def test_demonstrations_have_the_framing_of_their_episodes(dataset: Path, codec: Codec) -> None:
    assert load(dataset, codec).framing == FRAMING


def test_the_field_of_view_is_unknown_if_it_is_of_one_episode(dataset: Path, codec: Codec) -> None:
    _edit(dataset, framing={})
    assert load(dataset, codec).framing == Framing(fit="crop")


def test_episodes_cropped_and_padded_are_refused(dataset: Path, codec: Codec) -> None:
    _edit(dataset, framing={"front": {"fit": "pad"}})
    with pytest.raises(DatasetError, match=r"framing.front.fit: found crop and pad"):
        load(dataset, codec)


def test_missing_file_is_named(dataset: Path, codec: Codec) -> None:
    (dataset / "episode_00001.npz").unlink()
    with pytest.raises(EpisodeError, match=r"episode_00001.npz"):
        load(dataset, codec)


def test_values_that_are_not_finite_are_refused(dataset: Path, codec: Codec) -> None:
    path = dataset / "episode_00000.npz"
    with np.load(path) as arrays:
        content = {name: arrays[name] for name in arrays.files}
    content["left.arm.command"][3, 2] = np.nan
    save_arrays(path, content)
    with pytest.raises(DatasetError, match=r"episode_00000.npz: found values that are not finite"):
        load(dataset, codec)
