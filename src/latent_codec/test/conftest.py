"""Fixtures: the shipped bundle, a copy of it to damage, and a small training."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from tiny_space import TINY

from latent_codec.codec import Codec

SHIPPED = Path(__file__).resolve().parents[3] / "models" / "codec"


@pytest.fixture(scope="session")
def shipped() -> Path:
    """The bundle that the workspace ships."""
    return SHIPPED


@pytest.fixture(scope="session")
def codec(shipped: Path) -> Codec:
    """The shipped codec, all hands loaded."""
    return Codec.load(shipped)


@pytest.fixture
def damaged(shipped: Path, tmp_path: Path) -> Path:
    """A copy of the shipped bundle that a test may damage."""
    return Path(shutil.copytree(shipped, tmp_path / "codec"))


@pytest.fixture
def tiny_config(tmp_path: Path) -> Path:
    """A configuration that trains in seconds."""
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(TINY | {"steps": 30, "checkpoint_every": 10}), encoding="utf-8")
    return path
