"""Shared by the tests of the policy: a ROS domain of their own and a bundle made on the spot."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

# Before anything imports ROS: tests of several packages run at the same time and must not hear each other.
os.environ["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 100)
os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")

sys.path.insert(0, str(Path(__file__).parent))  # for policy_toy, policy_bundle

from policy_bundle import write_bundle

settings.register_profile("latent_policy_node", deadline=None)  # a busy machine is no failure
settings.load_profile("latent_policy_node")


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A policy bundle that runs: see policy_bundle."""
    return write_bundle(tmp_path_factory.mktemp("policy"))
