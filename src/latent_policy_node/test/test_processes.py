"""Two processes train the policy that one process trains."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from policy_toy import TINY, demonstrations
from two_processes import train_both

from latent_policy_node.training.config import PolicyConfig
from latent_policy_node.training.trainer import Trainer

pytestmark = pytest.mark.graph

SCRIPT = Path(__file__).with_name("train_policy_process.py")


def test_two_processes_reach_the_loss_and_weights_of_one(tmp_path: Path) -> None:
    folders = train_both(tmp_path, str(SCRIPT))
    one, two = (json.loads((folder / "losses_0.json").read_text()) for folder in folders)
    assert two == pytest.approx(one, rel=1e-3)
    assert json.loads((folders[1] / "losses_1.json").read_text()) == []  # only the first process reports


def test_batch_that_processes_cannot_share_equally_is_refused(tmp_path: Path) -> None:
    class Three:
        world_size, global_rank, device = 3, 0, None

    config = PolicyConfig.model_validate(TINY)
    with pytest.raises(ValueError, match="batch: found 16, expected a multiple of the 3 processes"):
        Trainer(config, demonstrations(episodes=2, steps=4), tmp_path / "x.safetensors", fabric=Three())
