"""A bench of a running graph as a process of its own, with a policy that slowly raises both hands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from bringup_helpers import CODEC
from drifting_policy import write_policy


def run_bench(name: str, folder: Path, port: int, *arguments: str) -> tuple[subprocess.CompletedProcess[str], dict]:
    """Runs `system_tests.load.<name>` to its end; also what it wrote as JSON."""
    policy, report = write_policy(folder / "policy", CODEC), folder / "bench.json"
    argv = [sys.executable, "-m", f"system_tests.load.{name}", f"codec:={CODEC}", f"policy:={policy}", f"port:={port}"]
    env = {**os.environ, "CROSSHAND_WS": str(folder)}
    argv += ["--json", str(report), *arguments]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=90.0, env=env)
    return done, json.loads(report.read_text()) if report.exists() else {}


def refused(name: str, *arguments: str) -> str:
    """The one line with which `system_tests.load.<name>` refuses `arguments`."""
    argv = [sys.executable, "-m", f"system_tests.load.{name}", *arguments]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60.0)
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stdout + done.stderr
    return done.stderr
