"""A hand is added to a space: existing files stay byte for byte, and a failure changes nothing."""

from __future__ import annotations

import hashlib
import os
import shutil
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from rich.console import Console
from tiny_space import TINY

import embodiments
from contracts.bundle import load_manifest
from contracts.command_line import Terminated
from embodiments import registry
from latent_codec.codec import Codec, DecodeStatus
from latent_codec.training import main
from latent_codec.training.add_hand import add_hand, bundle
from latent_codec.training.add_hand.added import AddedHand
from latent_codec.training.add_hand.admissible import Admissible
from latent_codec.training.add_hand.frozen import load_frozen
from latent_codec.training.add_hand.place import Arguments, workplace
from latent_codec.training.config import TrainingConfig
from latent_codec.training.crosshand_terms import Settings
from latent_codec.training.data import poses
from latent_codec.training.data.inputs import changed_hands
from latent_codec.training.onnx_export import ExportError

pytestmark = pytest.mark.graph

FINGER = """
  <link name="{f}_a"/><link name="{f}_b"/><link name="{f}_tip"/>
  <joint name="{f}_1" type="revolute"><parent link="palm"/><child link="{f}_a"/><origin xyz="{at}"/>
    <axis xyz="{axis} 0 0"/><limit lower="{low}" upper="1.5" velocity="2"/></joint>
  <joint name="{f}_2" type="revolute"><parent link="{f}_a"/><child link="{f}_b"/><origin xyz="0 0 0.04"/>
    <axis xyz="{axis} 0 0"/><limit lower="0" upper="1.5" velocity="2"/></joint>
  <joint name="{f}_t" type="fixed"><parent link="{f}_b"/><child link="{f}_tip"/><origin xyz="0 0 0.04"/></joint>"""
TOY = (
    '<robot name="toy"><link name="palm"/>'
    + FINGER.format(f="thumb", at="0 0.02 0.02", axis="1", low="-1.2")
    + FINGER.format(f="index", at="-0.02 0 0.1", axis="-1", low="0")
    + FINGER.format(f="middle", at="0.02 0 0.1", axis="-1", low="0")
    + "</robot>"
)
TIPS = {finger: (f"{finger}_tip", (0.0, 0.0, 0.0)) for finger in ("thumb", "index", "middle")}


def digests(folder: Path) -> dict[str, str]:
    """sha256 of every file."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def add(folder: Path, name: str, urdf: str | None = None, *, replace: bool = False) -> None:
    """Add a hand to the bundle of a folder, in a few steps."""
    made = {} if urdf is None else {"urdf": folder / urdf, "tips": TIPS}
    where = {"codec": folder / "codec", "robots": folder / "robots", "work": folder / "work"}
    add_hand.add(Arguments(name, **where, **made, steps=6, replace=replace), Console(quiet=True))


@pytest.fixture(scope="module", autouse=True)
def few_density_poses():
    """A density of few poses is fitted fast."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bundle, "DENSITY_POSES", 900)
        yield


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    """A folder with the bundle of a tiny space; do not change it."""
    folder = tmp_path_factory.mktemp("tiny")
    config = folder / "tiny.yaml"
    config.write_text(yaml.safe_dump(TINY), encoding="utf-8")
    assert main.main(["--config", str(config), "--out", str(folder / "codec"), "--work", str(folder / "work")]) == 0
    shutil.rmtree(folder / "work")
    return folder


@pytest.fixture(scope="module")
def grown(tiny, tmp_path_factory) -> Path:
    """The same with a hand made of a URDF added; do not change it."""
    folder = Path(shutil.copytree(tiny, tmp_path_factory.mktemp("grown") / "all"))
    (folder / "toy.urdf").write_text(TOY, encoding="utf-8")
    add(folder, "toy", "toy.urdf")
    return folder


@pytest.fixture
def copy(grown, tmp_path) -> Path:
    """A copy of that to change."""
    return Path(shutil.copytree(grown, tmp_path / "all"))


@pytest.fixture
def knows_toy(grown, monkeypatch):
    """The registry finds the added hand, as `./ws` sees to."""
    monkeypatch.setenv(registry.FOLDERS_VARIABLE, str(grown / "robots"))


def test_the_files_that_were_there_are_byte_identical(tiny, grown):
    before, after = digests(tiny / "codec"), digests(grown / "codec")
    assert {"toy_encoder.onnx", "toy_decoder.onnx"} <= set(after) - set(before)
    assert all(name.startswith("toy_") for name in set(after) - set(before))
    assert {name for name in before if before[name] != after[name]} == {"manifest.yaml"}
    assert sorted(path.name for path in grown.iterdir()) == ["codec", "robots", "tiny.yaml", "toy.urdf", "work"]


def test_only_the_new_hand_and_the_id_change_in_the_manifest(tiny, grown):
    before, after = (load_manifest(folder / "codec", "codec") for folder in (tiny, grown))
    assert after.latent_space == before.latent_space and after.id != before.id
    for name, entry in before.codec.hands.items():
        assert after.codec.hands[name] == entry
    left = [manifest.codec.model_dump(exclude={"hands"}) for manifest in (before, after)]
    assert left[0] == left[1]
    assert after.metrics["added"]["toy"]["steps"] == 6
    assert {k: v for k, v in after.metrics.items() if k != "added"} == before.metrics


@pytest.mark.usefixtures("knows_toy")
def test_the_new_hand_encodes_and_decodes_with_the_others(grown):
    codec = Codec.load(grown / "codec")
    assert codec.hands == ("inspire", "xarm_gripper", "toy")
    toy, inspire = embodiments.load("toy"), embodiments.load("inspire")
    joints, status = codec.decode("toy", codec.encode("inspire", poses.uniform(inspire, 20, np.random.default_rng(0))))
    assert status is DecodeStatus.OK
    assert ((joints >= toy.lower) & (joints <= toy.upper)).all()
    assert changed_hands(codec.manifest, [toy, inspire]) == []


@pytest.mark.usefixtures("knows_toy")
def test_networks_read_from_their_files_compute_what_onnxruntime_does(grown):
    manifest = load_manifest(grown / "codec", "codec")
    robots = [embodiments.load(name) for name in manifest.codec.hands]
    space = load_frozen(grown / "codec", manifest, robots).space  # refuses more than 1e-5
    codec, row = Codec.load(grown / "codec"), 2
    joints = poses.uniform(robots[row], 50, np.random.default_rng(1))
    encoder, _ = space.member(row)
    with torch.no_grad():
        latents = encoder(torch.tensor(joints, dtype=torch.float32)).numpy()
    np.testing.assert_allclose(latents, codec.encode("toy", joints), atol=1e-5)


def test_training_lowers_the_loss_and_leaves_other_hands_unchanged(tiny):
    manifest = load_manifest(tiny / "codec", "codec")
    robots = [embodiments.load(name) for name in manifest.codec.hands]
    frozen = load_frozen(tiny / "codec", manifest, robots)
    before = [value.clone() for value in frozen.space.parameters()]
    config = TrainingConfig(name="t", recipe="added", hands=("ability",), latent_dim=6, steps=40)
    settings = Settings.model_validate(TINY["settings"])
    recipe = AddedHand(embodiments.load("ability"), [frozen], Admissible(Codec.load(tiny / "codec")), config, settings)
    optimizer = torch.optim.AdamW(recipe.space.parameters(), lr=3e-3)
    losses = []
    for step in range(40):
        loss, _ = recipe.loss(step)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    for value, old in zip(frozen.space.parameters(), before, strict=True):
        assert torch.equal(value, old) and value.grad is None


def test_an_export_that_fails_changes_nothing(copy, monkeypatch):
    def fail(*_: object) -> None:
        raise ExportError("toy2_encoder.onnx: parity: found a difference of 1, expected less")

    before = digests(copy / "codec") | digests(copy / "robots")
    monkeypatch.setattr(bundle, "export_network", fail)
    with pytest.raises(ExportError, match=r"toy2_encoder\.onnx: parity"):
        add(copy, "toy2", "toy.urdf")
    assert digests(copy / "codec") | digests(copy / "robots") == before


def test_a_disk_that_fails_at_the_last_moment_changes_nothing(copy, grown, tmp_path, monkeypatch):
    before = digests(copy / "codec")
    work = tmp_path / "extended"
    shutil.copytree(grown / "codec", work)
    shutil.copyfile(work / "toy_encoder.onnx", work / "new_encoder.onnx")
    shutil.copyfile(work / "toy_decoder.onnx", work / "new_decoder.onnx")
    data = yaml.safe_load((work / "manifest.yaml").read_text())
    data["codec"]["hands"]["new"] = deepcopy(data["codec"]["hands"]["toy"]) | {
        "encoder": "new_encoder.onnx",
        "decoder": "new_decoder.onnx",
    }
    for part in ("encoder", "decoder"):
        data["files"][f"new_{part}.onnx"] = dict(data["files"][f"toy_{part}.onnx"])
    (work / "manifest.yaml").write_text(yaml.safe_dump(data))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        bundle.install(work, copy / "codec")
    assert digests(copy / "codec") == before


@pytest.mark.parametrize(
    ("name", "urdf", "replace", "message"),
    [
        ("inspire", None, False, "codec.hands: found inspire, expected a hand that is not in it"),
        ("inspire", None, True, "codec.hands: found inspire, expected a hand that is not in it"),
        ("toy", None, False, "codec.hands: found toy, expected a new name, or --replace"),
        ("ability", "toy.urdf", False, "name: found ability, expected a name that no robot has"),
        ("nobody", None, False, "found nobody, expected one of"),
        ("toy2", "none.urdf", False, "none.urdf: found no such file"),
    ],
)
def test_what_cannot_be_added_is_refused_in_one_line(grown, name, urdf, replace, message):
    before = digests(grown)
    with pytest.raises(add_hand.ERRORS) as error:
        add(grown, name, urdf, replace=replace)
    assert message in str(error.value) and "\n" not in str(error.value)
    assert digests(grown) == before


def test_an_interrupted_addition_leaves_nothing_beside_the_bundle(copy, monkeypatch):
    def interrupt(*_: object, **__: object) -> None:
        assert list(copy.glob(".added.*")), "its place of work is here"
        raise Terminated

    monkeypatch.setattr(add_hand, "extend", interrupt)
    with pytest.raises(Terminated):
        add(copy, "toy", replace=True)
    assert not list(copy.glob(".added.*"))


def test_what_a_killed_process_left_is_removed_and_a_living_ones_kept(copy):
    (copy / ".added.999999999.x" / "bundle").mkdir(parents=True)
    (copy / ".added.abandoned").mkdir()
    living = copy / f".added.{os.getppid()}.x"
    living.mkdir()
    with workplace(None, Arguments("toy", copy / "codec", copy / "robots", copy / "work")):
        pass
    assert list(copy.glob(".added.*")) == [living]


def test_an_added_hand_can_be_replaced_by_the_same_files(copy, monkeypatch):
    before = digests(copy / "codec")
    shutil.rmtree(copy / "work")
    add(copy, "toy", replace=True)
    after = digests(copy / "codec")
    assert "toy_encoder.onnx" not in after
    assert after["toy_again_encoder.onnx"] == before["toy_encoder.onnx"]
    assert after["toy_again_decoder.onnx"] == before["toy_decoder.onnx"]
    monkeypatch.setenv(registry.FOLDERS_VARIABLE, str(copy / "robots"))
    assert Codec.load(copy / "codec").hands == ("inspire", "xarm_gripper", "toy")
