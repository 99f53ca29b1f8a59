"""Shared by the tests of the policy: a ROS domain of their own and a bundle made on the spot."""

from __future__ import annotations

from pathlib import Path

import pytest
from policy_bundle import write_bundle


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A policy bundle that runs: see policy_bundle."""
    return write_bundle(tmp_path_factory.mktemp("policy"))
