"""The pipeline from a dataset to a policy bundle: what is complete is skipped."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from bringup_helpers import CODEC
from policy_dataset import FRAMING, SIZE, write_dataset
from policy_toy import TINY

from bringup.stages import Stage, run_stages
from bringup.train_policy import command
from contracts.bundle import load_manifest
from contracts.image_contract import Trained
from latent_policy_node.policy import Policy

pytestmark = pytest.mark.graph


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "dataset")


def test_command_trains_exports_and_skips_what_is_complete(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config.yaml"
    settings = TINY | {"image_height": SIZE[0], "image_width": SIZE[1], "evaluate": {"episodes": 0}}
    config.write_text(yaml.safe_dump(settings | {"train": TINY["train"] | {"steps": 4}}))
    places = {"config": config, "out": tmp_path / "policy", "codec": CODEC, "work": tmp_path / "work"}
    assert command(**places, dataset=dataset) == 0
    policy = Policy.load(tmp_path / "policy")
    assert policy.latent_space == load_manifest(CODEC, "codec").latent_space
    assert policy.manifest.training.steps == 4
    assert policy.trained == Trained(SIZE, 10.0, FRAMING)
    assert policy.manifest.metrics["held_out_wrist_mm"] > 0
    assert "32x24, cropped, vertical field of view 35.0 degrees" in capsys.readouterr().out
    assert command(**places, dataset=dataset) == 0
    assert "train: complete" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("rank", "expected"), [(None, ["collect", "train"]), ("0", ["collect", "train"]), ("1", ["train"])]
)
def test_only_the_training_is_shared_by_all_processes(
    rank: str | None, expected: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RANK", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    if rank is not None:
        monkeypatch.setenv("RANK", rank)
    ran: list[str] = []
    stages = [
        Stage(name, {}, tmp_path / name, lambda name=name: ran.append(name), shared=name == "train")
        for name in ("collect", "train")
    ]
    run_stages(stages, tmp_path)
    assert ran == expected
    assert {path.stem for path in tmp_path.glob("*.done")} == (set() if rank == "1" else set(expected))
