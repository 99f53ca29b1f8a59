"""Datasets on disk become demonstrations in the latent space; what does not fit is refused and named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from policy_toy import TINY

import embodiments
from episodes.dataset import Dataset, EpisodeEntry, save_arrays, save_dataset
from episodes.metadata import EpisodeError
from latent_codec.bundle import load_manifest
from latent_codec.codec import Codec
from latent_policy_node.dataset import DatasetError, load
from latent_policy_node.policy import Policy
from latent_policy_node.training.main import run

CODEC = Path(__file__).resolve().parents[3] / "models" / "codec"
HANDS = [("inspire", "xarm_gripper"), ("ability", "inspire")]
SIZE = (24, 32)
STEPS = 9


@pytest.fixture(scope="module")
def codec() -> Codec:
    return Codec.load(CODEC, ["inspire", "ability", "xarm_gripper"])


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Four episodes, two of each pair, and one that failed."""
    directory = tmp_path / "dataset"
    directory.mkdir()
    rng = np.random.default_rng(0)
    entries = [_episode(directory, index, HANDS[index % 2], rng, index != 4) for index in range(5)]
    save_dataset(directory, Dataset(period_s=0.1, cameras={"front": SIZE}, episodes=entries))
    return directory


def _episode(
    directory: Path, index: int, hands: tuple[str, str], rng: np.random.Generator, success: bool
) -> EpisodeEntry:
    arrays = {"stamp_ns": np.arange(STEPS) * 100_000_000}
    arrays["image.front"] = rng.integers(0, 256, (STEPS, *SIZE, 3), dtype=np.uint8)
    joints = {}
    for side, hand in zip(("left", "right"), hands, strict=True):
        arm, tool = embodiments.load("xarm7", side), embodiments.load(hand, side)
        joints[side] = {"arm": list(arm.joints), "hand": list(tool.joints)}
        blend = np.linspace(0, 1, STEPS)[:, None]
        opened = (1 - blend) * tool.postures["open"] + blend * tool.postures["grasp"]
        for kind in ("position", "command"):
            arrays[f"{side}.arm.{kind}"] = arm.postures["home"] + rng.normal(0, 0.05, (STEPS, 7))
            arrays[f"{side}.hand.{kind}"] = opened
    file = f"episode_{index:05d}.npz"
    save_arrays(directory / file, arrays)
    bases = {"left": np.eye(4), "right": np.eye(4)}
    bases["left"][1, 3], bases["right"][1, 3] = 0.4, -0.4
    return EpisodeEntry(
        file=file,
        source=f"bag_{index}",
        task="pick_place",
        embodiments={s: {"arm": "xarm7", "hand": h} for s, h in zip(("left", "right"), hands, strict=True)},
        joints=joints,
        bases={side: base.tolist() for side, base in bases.items()},
        success={"left": success, "right": True},
        length=STEPS,
    )


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


def test_missing_file_is_named(dataset: Path, codec: Codec) -> None:
    (dataset / "episode_00001.npz").unlink()
    with pytest.raises(EpisodeError, match="episode_00001.npz"):
        load(dataset, codec)


def test_values_that_are_not_finite_are_refused(dataset: Path, codec: Codec) -> None:
    path = dataset / "episode_00000.npz"
    with np.load(path) as arrays:
        content = {name: arrays[name] for name in arrays.files}
    content["left.arm.command"][3, 2] = np.nan
    save_arrays(path, content)
    with pytest.raises(DatasetError, match="episode_00000.npz: found values that are not finite"):
        load(dataset, codec)


def test_command_trains_exports_and_skips_what_is_complete(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config.yaml"
    settings = TINY | {"image_height": SIZE[0], "image_width": SIZE[1], "evaluate": {"episodes": 0}}
    config.write_text(yaml.safe_dump(settings | {"train": TINY["train"] | {"steps": 4}}))
    places = {"config": config, "out": tmp_path / "policy", "codec": CODEC, "work": tmp_path / "work"}
    run(**places, dataset=dataset, minutes=None, evaluation=True)
    policy = Policy.load(tmp_path / "policy")
    assert policy.latent_space == load_manifest(CODEC, "codec").latent_space
    assert policy.manifest.training.steps == 4
    assert policy.manifest.metrics["held_out_wrist_mm"] > 0
    capsys.readouterr()
    run(**places, dataset=dataset, minutes=None, evaluation=True)
    assert "train: complete" in capsys.readouterr().out
