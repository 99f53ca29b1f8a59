"""`./ws` itself: what it refuses before anything is set up, and paths with spaces."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from bringup import paths

WS = paths.workspace() / "ws"


@pytest.mark.parametrize(
    ("variables", "line"),
    [
        ({"ROS_DOMAIN_ID": "abc"}, "error: ROS_DOMAIN_ID: found 'abc', expected a whole number from 0 to 232"),
        ({"ROS_DOMAIN_ID": "500"}, "error: ROS_DOMAIN_ID: found '500', expected a whole number from 0 to 232"),
        (
            {"ROS_AUTOMATIC_DISCOVERY_RANGE": "all"},
            "error: ROS_AUTOMATIC_DISCOVERY_RANGE: found 'all', expected one of",
        ),
    ],
)
def test_a_wrong_environment_is_one_line_before_anything_else(variables: dict[str, str], line: str) -> None:
    done = subprocess.run([WS, "demo"], env=os.environ | variables, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith(line) and done.stderr.count("\n") == 1


def test_scripts_of_a_workspace_with_a_space_in_its_path_run(tmp_path: Path) -> None:
    root = tmp_path / "a b"
    script = root / "install" / "bringup" / "lib" / "bringup" / "tool"
    script.parent.mkdir(parents=True)
    script.write_text(f'#!"{root}/.venv/bin/python"\nprint("runs")\n')
    script.chmod(0o755)
    function = re.search(r"^mend_scripts\(\) \{.*?^\}", WS.read_text(), re.MULTILINE | re.DOTALL)
    assert function is not None
    subprocess.run(["bash", "-euc", f"{function[0]}; mend_scripts"], env=os.environ | {"ROOT": str(root)}, check=True)
    assert subprocess.run([script], capture_output=True, text=True, check=True).stdout == "runs\n"
