"""The lifecycle manager as a node of its own process."""

from __future__ import annotations

import subprocess
import sys

import pytest

from node_kit.testing import HANGING_S

pytestmark = pytest.mark.graph

MANAGER = [sys.executable, "-m", "bringup.lifecycle_manager", "--ros-args"]


def test_simulated_time_is_refused_in_one_line():
    arguments = ["-p", "use_sim_time:=true"]
    ended = subprocess.run([*MANAGER, *arguments], capture_output=True, text=True, timeout=HANGING_S)
    reason = "parameter 'use_sim_time': found True, expected false: all stamps are system time"
    assert (ended.returncode, ended.stderr.strip()) == (1, f"error: node /lifecycle_manager: {reason}")
