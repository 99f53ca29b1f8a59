"""Several processes train what one process trains."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from tiny_space import TINY
from two_processes import train_both

from latent_codec.training.devices import Share

pytestmark = pytest.mark.graph

SCRIPT = Path(__file__).with_name("train_codec_process.py")
NETWORKS = {"encoder": {"widths": [16]}, "decoder": {"widths": [16]}}
CONFIGS = {
    "crosshand": TINY | {"hands": ["inspire", "xhand", "xarm_gripper"], "steps": 12},
    "lad": TINY
    | {
        "recipe": "lad",
        "hands": ["human", "inspire", "franka_gripper"],
        "steps": 12,
        "settings": NETWORKS
        | {"pairs": 63, "batch": 33, "encoder_steps": 6, "retarget": {"scout": 1, "iterations": 2}},
    },
}


@pytest.mark.parametrize("recipe", sorted(CONFIGS))
def test_two_processes_reach_the_loss_and_weights_of_one(tmp_path, recipe):
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(CONFIGS[recipe]))
    folders = train_both(tmp_path, str(SCRIPT), str(config))
    one, two = (json.loads((folder / "loss_0.json").read_text())["loss"] for folder in folders)
    assert two == pytest.approx(one, rel=1e-3)
    assert (folders[1] / "work" / "checkpoint.safetensors").is_file()


def test_one_process_evaluates_all_rows_without_a_copy():
    rows = torch.rand(2, 5, 3)
    assert Share().evaluate(lambda x: x, rows) is rows


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_training_leaves_its_checkpoint_alone_and_continues(tmp_path, number, status):
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(TINY | {"steps": 100_000, "checkpoint_every": 5}))
    command = [sys.executable, "-m", "latent_codec.training.main", "--config", str(config)]
    for expected in ("step 5, ", "continuing at step "):
        with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
            assert any(expected in line for line in run.stdout)
            run.send_signal(number)
            errors = run.communicate(timeout=60)[1]
        assert run.returncode == status
        assert errors == "interrupted; the same command continues at the last checkpoint\n"
        left = tmp_path / "out" / "train" / "codec" / "tiny"
        assert [path.name for path in left.iterdir()] == ["checkpoint.safetensors"]
    assert not (tmp_path / "out" / "codec").exists()
