"""Two processes train the policy that one process trains."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from policy_toy import TINY, demonstrations

from latent_policy_node.training.config import PolicyConfig
from latent_policy_node.training.trainer import Trainer

pytestmark = pytest.mark.graph

SCRIPT = Path(__file__).with_name("train_policy_process.py")
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]


def train(folder: Path, *launcher: str) -> None:
    """Run the script in one process or, with a launcher, in several."""
    folder.mkdir()
    command = [sys.executable, *launcher, str(SCRIPT), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr


def weights(folder: Path, rank: int) -> dict[str, np.ndarray]:
    with np.load(folder / f"weights_{rank}.npz") as content:
        return dict(content)


def test_two_processes_reach_the_loss_and_weights_of_one(tmp_path: Path) -> None:
    train(tmp_path / "one")
    train(tmp_path / "two", *TORCHRUN)
    first, second = weights(tmp_path / "two", 0), weights(tmp_path / "two", 1)
    for name, value in weights(tmp_path / "one", 0).items():
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)
        np.testing.assert_allclose(first[name], value, atol=2e-4, err_msg=name)
    one, two = (json.loads((tmp_path / name / "losses_0.json").read_text()) for name in ("one", "two"))
    assert two == pytest.approx(one, rel=1e-3)
    assert json.loads((tmp_path / "two" / "losses_1.json").read_text()) == []  # only the first process reports


def test_batch_that_processes_cannot_share_equally_is_refused(tmp_path: Path) -> None:
    class Three:
        world_size, global_rank, device = 3, 0, None

    config = PolicyConfig.model_validate(TINY)
    with pytest.raises(ValueError, match="batch: found 16, expected a multiple of the 3 processes"):
        Trainer(config, demonstrations(episodes=2, steps=4), tmp_path / "x.safetensors", fabric=Three())
