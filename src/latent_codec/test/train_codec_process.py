"""One process of a training: `python train_codec_process.py CONFIG FOLDER`, alone or started by torchrun."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from latent_codec.training.config import load_config
from latent_codec.training.devices import make_fabric
from latent_codec.training.main import build_recipe
from latent_codec.training.trainer import Trainer


def main(config_path: Path, folder: Path) -> None:
    """Train; leave the loss and the weights of this process in `folder`."""
    config, fabric = load_config(config_path), make_fabric()
    trainer = Trainer(build_recipe(config, str(config_path)), config, "test", folder / "work", fabric)
    parts = trainer.run()
    weights = {name: value.detach().numpy() for name, value in trainer.parameters.items()}
    np.savez(folder / f"weights_{fabric.global_rank}.npz", **weights)
    (folder / f"loss_{fabric.global_rank}.json").write_text(json.dumps(parts))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
