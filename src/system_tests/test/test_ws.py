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


@pytest.mark.parametrize("command", [["setup", "train", "gpu"], ["docs", "site"], ["shell", "-c", "ls"]])
def test_arguments_that_a_command_does_not_take_are_refused(command: list[str]) -> None:
    done = subprocess.run([WS, *command], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and done.stderr.startswith(f"error: ./ws {command[0]}")
    assert done.stderr.endswith(f"got '{' '.join(command[1:])}'\n") and done.stderr.count("\n") == 1


def test_variables_that_change_how_python_runs_are_unset_with_a_word() -> None:
    lines = re.search(r"^    for variable in .*?^    done$", WS.read_text(), re.MULTILINE | re.DOTALL)
    assert lines is not None
    wrong = {"PYTHONUTF8": "yes", "PYTHONHASHSEED": "abc", "PYTHONIOENCODING": "none", "PYTHONMALLOC": "x"}
    script = f'say() {{ echo "$*" >&2; }}\n{lines[0]}\nexec python3 -c "print(1)"'
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")} | wrong
    done = subprocess.run(["bash", "-euc", script], env=env, capture_output=True, text=True, timeout=60)
    assert done.stdout == "1\n"
    assert sorted(done.stderr.splitlines()) == sorted(f"{name}={value} is not used" for name, value in wrong.items())


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
