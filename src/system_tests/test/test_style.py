"""The whole workspace is formatted and free of lint, shell scripts included."""

import ast
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
PYTHON = ["src", ".ci"]
SHELL = ["ws", ".ci/run", ".ci/nightly", "requirements/lock"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yaml"))
LONGEST_NAME = 70  # of a test; it states a condition and an expectation

ruff = pytest.mark.skipif(shutil.which("ruff") is None, reason="ruff is not installed; ./ws test brings it")


def run(*command: str) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr


@ruff
def test_python_is_free_of_lint():
    run("ruff", "check", "--no-cache", *PYTHON)


@ruff
def test_python_is_formatted():
    run("ruff", "format", "--no-cache", "--diff", *PYTHON)


@pytest.mark.skipif(shutil.which("basedpyright") is None, reason="basedpyright is not installed; ./ws test brings it")
@pytest.mark.graph  # a process of half a minute
def test_python_is_free_of_type_errors():
    run("basedpyright")


@pytest.mark.parametrize("script", SHELL)
def test_shell_script_parses(script):
    run("bash", "-n", script)


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
@pytest.mark.parametrize("script", SHELL)
def test_shell_script_is_free_of_lint(script):
    run("shellcheck", script)


@pytest.mark.parametrize(
    "workflow", sorted((ROOT / ".github" / "workflows").glob("*.yaml")), ids=lambda path: path.stem
)
def test_every_action_of_a_workflow_has_a_version(workflow):
    jobs = yaml.safe_load(workflow.read_text())["jobs"].values()
    actions = [step["uses"] for job in jobs for step in job["steps"] if "uses" in step]
    assert actions and all(re.fullmatch(r"[\w./-]+@v\d+\.\d+\.\d+", action) for action in actions)


def test_no_name_of_a_test_is_too_long():
    names = [
        f"{path.relative_to(ROOT)}: {node.name}"
        for path in sorted(ROOT.glob("src/*/test/**/test_*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_") and len(node.name) > LONGEST_NAME
    ]
    assert not names, "\n".join(names)
