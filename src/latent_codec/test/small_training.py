"""Trainings of the tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import embodiments
from latent_codec.training.config import load_config
from latent_codec.training.data.inputs import input_hashes
from latent_codec.training.main import build_recipe
from latent_codec.training.trainer import Trainer, fingerprint


def trainer_of(path: Path, work: Path, **changes: object) -> Trainer:
    config = load_config(path).model_copy(update=changes)
    hashes = input_hashes([embodiments.load(name) for name in config.hands])
    return Trainer(build_recipe(config, str(path)), config, fingerprint(config, hashes), work)


def weights(trainer: Trainer) -> dict[str, np.ndarray]:
    return {name: value.detach().numpy().copy() for name, value in trainer.parameters.items()}
