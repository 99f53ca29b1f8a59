"""The pipeline from a dataset to a policy bundle: what is complete is skipped."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from bringup_helpers import CODEC
from policy_dataset import SIZE, write_dataset
from policy_toy import TINY

from bringup.train_policy import run
from contracts.bundle import load_manifest
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
    run(**places, dataset=dataset, minutes=None, evaluation=True)
    policy = Policy.load(tmp_path / "policy")
    assert policy.latent_space == load_manifest(CODEC, "codec").latent_space
    assert policy.manifest.training.steps == 4
    assert policy.manifest.metrics["held_out_wrist_mm"] > 0
    capsys.readouterr()
    run(**places, dataset=dataset, minutes=None, evaluation=True)
    assert "train: complete" in capsys.readouterr().out
