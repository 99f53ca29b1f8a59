"""One process of a training: `python train_policy_process.py FOLDER`, alone or started by torchrun."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from policy_toy import TINY, demonstrations

from latent_codec.training.devices import make_fabric
from latent_policy_node.training.config import PolicyConfig
from latent_policy_node.training.trainer import Trainer

CHANGES = {"augment": TINY["augment"] | {"noise": 0.01, "shift_px": 2}, "train": TINY["train"] | {"steps": 12}}


def main(folder: Path) -> None:
    """Train in single precision; leave the losses and the weights of this process in `folder`."""
    config = PolicyConfig.model_validate(TINY | CHANGES)
    fabric, losses = make_fabric(), []
    trainer = Trainer(config, demonstrations(episodes=4, steps=8), folder / "checkpoint.safetensors", fabric=fabric)
    trainer.report = lambda kind, values: losses.append(values["loss"]) if kind == "step" else None
    trainer.run()
    weights = {name: value.detach().numpy() for name, value in trainer.average.named_parameters()}
    np.savez(folder / f"weights_{fabric.global_rank}.npz", **weights)
    (folder / f"losses_{fabric.global_rank}.json").write_text(json.dumps(losses))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
