"""What is inherited from the environment: kept, set, replaced with a word, or refused in one line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bringup import environment


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An environment without variables of this kind, and a home."""
    for name in (
        environment.PROFILE,
        *environment.WANTED,
        *environment.REQUIRED,
        *environment.RESTRICTED,
        "ROS_DOMAIN_ID",
        "ROS_AUTOMATIC_DISCOVERY_RANGE",
        "ROS_STATIC_PEERS",
        "ROS_LOG_DIR",
        "ROS_HOME",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def test_variables_that_are_missing_are_set_without_a_word() -> None:
    assert environment.environment()["RMW_IMPLEMENTATION"] == "rmw_fastrtps_cpp"
    assert environment.environment()["MUJOCO_GL"] == "egl"
    assert environment.notes() == [] and environment.refusal() == ""


def test_variables_that_may_be_chosen_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("OMP_NUM_THREADS", "4"), ("MUJOCO_GL", "glfw"), ("RMW_IMPLEMENTATION", "rmw_fastrtps_cpp")):
        monkeypatch.setenv(name, value)
        assert name not in environment.environment()


def test_a_value_that_nothing_works_with_is_replaced_with_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RMW_IMPLEMENTATION", "RCL_ASSERT_RMW_ID_MATCHES"):
        monkeypatch.setenv(name, "rmw_cyclonedds_cpp")
        assert environment.environment()[name] == "rmw_fastrtps_cpp"
        assert environment.notes() == [f"{name}=rmw_cyclonedds_cpp is not used, but rmw_fastrtps_cpp"]
        monkeypatch.delenv(name)


def test_a_profile_of_the_user_is_kept_and_named_under_localhost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(environment.PROFILE, "/mine.xml")
    assert environment.notes() == []
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    expected = f"{environment.PROFILE}=/mine.xml is used: sockets are bound to this machine only if it says so"
    assert environment.notes() == [expected]
    assert environment.PROFILE not in environment.environment()


@pytest.mark.parametrize("domain", ["abc", "500", "-1", "1.5", "233", "٣", "9" * 5000])
def test_a_domain_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, domain: str) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", domain)
    assert environment.refusal().startswith("ROS_DOMAIN_ID: found ")
    assert environment.refusal().endswith("expected a whole number from 0 to 232")


def test_a_discovery_range_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "localhost")
    assert "found 'localhost', expected one of SUBNET, LOCALHOST" in environment.refusal()


def test_a_static_peer_without_an_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_STATIC_PEERS", "127.0.0.1;no host")
    assert environment.refusal().startswith("ROS_STATIC_PEERS: found 'no host', expected addresses")
    monkeypatch.setenv("ROS_STATIC_PEERS", "127.0.0.1;::1;")
    assert environment.refusal() == ""


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("ROS_DISCOVERY_SERVER", "127.0.0.1:11811", ""),
        ("ROS_SECURITY_ENABLE", "true", "false"),
        ("RCUTILS_COLORIZED_OUTPUT", "yes", "1"),
        ("RCUTILS_LOGGING_USE_STDOUT", "true", "0"),
        ("RCUTILS_LOGGING_BUFFERED_STREAM", "2", "1"),
    ],
)
def test_what_lets_no_node_start_or_be_found_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, kept: str
) -> None:
    monkeypatch.setenv(name, value)
    assert environment.refusal().startswith(f"{name}: found '{value}', expected ")
    monkeypatch.setenv(name, kept)
    assert environment.refusal() == ""


@pytest.mark.parametrize("variable", ["ROS_LOG_DIR", "ROS_HOME", "HOME"])
def test_logs_that_cannot_be_written_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str
) -> None:
    (tmp_path / ".ros").write_text("a file where the folder would be")
    monkeypatch.setenv(variable, str(tmp_path if variable == "HOME" else tmp_path / ".ros" / "inside"))
    assert environment.refusal().startswith(f"ROS_LOG_DIR: found '{tmp_path}/.ros/")
    assert environment.refusal().endswith("expected a folder for logs that can be written")


@pytest.mark.parametrize("home", [None, "/nowhere/at/all"])
def test_a_home_that_cannot_be_written_is_replaced(monkeypatch: pytest.MonkeyPatch, home: str | None) -> None:
    monkeypatch.delenv("HOME") if home is None else monkeypatch.setenv("HOME", home)
    replaced = environment.environment()["HOME"]
    assert os.access(replaced, os.W_OK)
    assert len(environment.notes()) == 1 and replaced in environment.notes()[0]
    assert environment.refusal() == ""


def test_too_little_shared_memory_is_refused_for_a_graph_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "LEAST_SHARED_BYTES", 1 << 60)
    assert environment.refusal().startswith("/dev/shm: found ") and "--shm-size" in environment.refusal()
    assert environment.refusal(graph=False) == ""


def test_a_machine_without_shared_memory_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(environment, "SHARED_MEMORY", str(tmp_path / "none"))
    assert environment.refusal().endswith("found no such file or directory, expected shared memory")


@pytest.mark.parametrize(("domain", "status"), [("abc", 1), ("7", 0)])
def test_the_file_alone_prints_what_changes_or_one_error(tmp_path: Path, domain: str, status: int) -> None:
    command = [sys.executable, "-I", environment.__file__, "graph"]
    env = {"HOME": str(tmp_path), "ROS_DOMAIN_ID": domain, "RMW_IMPLEMENTATION": "rmw_cyclonedds_cpp"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == status
    assert len(done.stderr.splitlines()) == 1
    assert ("RMW_IMPLEMENTATION=rmw_fastrtps_cpp" in done.stdout.splitlines()) == (status == 0)
