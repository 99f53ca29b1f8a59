"""Trainings in one process and in two, compared."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]


def train_both(folder: Path, *script: str) -> tuple[Path, Path]:
    """Run a script, with its arguments and then its folder, in one process and in two.

    Each writes `weights_RANK.npz`, whose arrays must be the same in both processes, and close to those of the one.

    Returns:
        The folders of both runs.
    """
    one, two = folder / "one", folder / "two"
    for made, launcher in ((one, []), (two, TORCHRUN)):
        made.mkdir()
        command = [sys.executable, *launcher, *script, str(made)]
        done = subprocess.run(command, cwd=made, capture_output=True, text=True, timeout=600, check=False)
        assert done.returncode == 0, done.stderr
    with (
        np.load(one / "weights_0.npz") as alone,
        np.load(two / "weights_0.npz") as first,
        np.load(two / "weights_1.npz") as second,
    ):
        for name, value in alone.items():
            np.testing.assert_array_equal(first[name], second[name], err_msg=name)
            np.testing.assert_allclose(first[name], value, atol=2e-4, err_msg=name)
    return one, two
