"""The whole workspace is formatted and free of lint, shell scripts included."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PYTHON = ["src", ".ci"]
TYPED = ["node_kit/node_kit"]
SHELL = ["ws", ".ci/run", "requirements/lock"]

ruff = pytest.mark.skipif(shutil.which("ruff") is None, reason="ruff is not installed; ./ws test brings it")


def run(*command: str) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@ruff
def test_python_is_free_of_lint():
    run("ruff", "check", "--no-cache", *PYTHON)


@ruff
def test_python_is_formatted():
    run("ruff", "format", "--no-cache", "--diff", *PYTHON)


@pytest.mark.skipif(shutil.which("basedpyright") is None, reason="basedpyright is not installed; ./ws test brings it")
@pytest.mark.parametrize("package", TYPED)
def test_package_is_free_of_type_errors(package):
    run("basedpyright", f"src/{package}")


@pytest.mark.parametrize("script", SHELL)
def test_shell_script_parses(script):
    run("bash", "-n", script)
