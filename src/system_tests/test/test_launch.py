"""`ros2 launch`: the same graph, the same stop. Skipped where `launch` is not installed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bringup_helpers import CODEC, FAKES, ArmSpeeds, EmergencyStops, alive, nodes_of
from drifting_policy import write_policy

from bringup import graph, station
from contracts.station import DEFAULT_STATION
from node_kit.testing import until
from system_tests.faults.motion import standstill_s
from system_tests.faults.truth import Truth

pytestmark = pytest.mark.graph

pytest.importorskip("launch")
pytest.importorskip("launch_ros")

LAUNCH_FILES = sorted((Path(__file__).parents[2] / "bringup" / "launch").glob("*.launch.py"))


class Launched:
    """A launch of the small graph, its nodes found through an ament prefix of its own."""

    def __init__(self, folder: Path, seconds: float = 0.0) -> None:
        self.notes = folder / "notes"
        self.output = folder / "output"
        prefix = folder / "prefix"
        install(prefix, "fakes", "lifecycle_node", f"{sys.executable} {FAKES / 'lifecycle_node.py'}")
        install(prefix, "bringup", "lifecycle_manager", f"{sys.executable} -m bringup.lifecycle_manager")
        path = f"{prefix}{os.pathsep}{os.environ.get('AMENT_PREFIX_PATH', '')}"
        env = {**os.environ, "AMENT_PREFIX_PATH": path, "NOTES": str(self.notes), "ROS_LOG_DIR": str(folder / "ros")}
        argv = [sys.executable, str(FAKES / "launched.py"), str(folder), str(seconds)]
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(argv, stdout=output, stderr=subprocess.STDOUT, env=env)

    def printed(self, text: str) -> bool:
        return text in self.output.read_text()

    def node(self, name: str) -> int:
        """Process id of a node."""
        return nodes_of(self.process.pid)[name]


def install(prefix: Path, package: str, executable: str, command: str) -> None:
    marker = prefix / "share" / "ament_index" / "resource_index" / "packages" / package
    file = prefix / "lib" / package / executable
    for folder in (marker.parent, file.parent, prefix / "share" / package):
        folder.mkdir(parents=True, exist_ok=True)
    marker.touch()
    file.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    file.chmod(0o755)


@pytest.fixture
def launched(tmp_path: Path) -> Iterator[Launched]:
    launched = Launched(tmp_path)
    yield launched
    launched.process.send_signal(signal.SIGINT)
    try:
        launched.process.wait(20)
    except subprocess.TimeoutExpired:
        launched.process.kill()


def test_a_launched_graph_becomes_active_and_ends_on_ctrl_c(launched: Launched) -> None:
    assert until(lambda: launched.printed("the graph is active"), 30), launched.output.read_text()
    nodes = [launched.node("first"), launched.node("second")]
    launched.process.send_signal(signal.SIGINT)
    launched.process.wait(20)
    assert not any(alive(pid) for pid in nodes)
    assert not launched.printed("Traceback")
    steps = [tuple(line.split()[1:]) for line in launched.notes.read_text().splitlines() if " view " not in line]
    assert steps[:4] == [(n, t) for n in ("first", "second") for t in ("configure", "activate")]


def test_the_seconds_of_a_launch_begin_when_the_graph_is_active(tmp_path: Path) -> None:
    launched = Launched(tmp_path, seconds=0.5)
    launched.process.wait(60)
    output = launched.output.read_text()
    assert 0 < output.find("the graph is active") < output.find("0.5 s are over")


def test_a_killed_node_of_a_launch_stops_motion(launched: Launched, emergency_stops: EmergencyStops) -> None:
    assert until(lambda: launched.printed("the graph is active"), 30), launched.output.read_text()
    assert until(emergency_stops.connected)
    other = launched.node("second")
    os.kill(launched.node("first"), signal.SIGKILL)
    assert until(lambda: bool(emergency_stops.at), 5.0), launched.output.read_text()
    launched.process.wait(20)
    assert launched.printed("emergency stop: first")
    assert not alive(other)


@pytest.mark.parametrize(
    ("pushed", "given", "expected"),
    [
        ("", ["namespace:=robot1"], ["namespace:=robot1"]),
        ("/hall", ["seconds:=1"], ["seconds:=1", "namespace:=hall"]),
        ("/hall", ["namespace:=robot1", "seconds:=1"], ["seconds:=1", "namespace:=hall/robot1"]),
    ],
)
def test_a_pushed_namespace_is_that_of_the_station(pushed: str, given: list[str], expected: list[str]) -> None:
    from bringup.launching import within

    assert within(pushed, given) == expected


def test_a_launch_goes_on_without_a_node_that_is_not_required(
    launched: Launched, emergency_stops: EmergencyStops
) -> None:
    assert until(lambda: launched.printed("the graph is active"), 30), launched.output.read_text()
    assert until(emergency_stops.connected)
    os.kill(launched.node("view"), signal.SIGKILL)
    assert until(lambda: launched.printed("warning: view was killed by SIGKILL; the robots go on without it"))
    assert launched.process.poll() is None and not emergency_stops.at


INCLUDE = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
arguments = [tuple(argument.split(":=")) for argument in sys.argv[2:]]
included = IncludeLaunchDescription(PythonLaunchDescriptionSource(sys.argv[1]), launch_arguments=arguments)
service = LaunchService()
service.include_launch_description(LaunchDescription([included]))
sys.exit(service.run())
"""


def started(file: Path, folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """What `ros2 launch FILE ARGUMENTS` does, as a process whose output is in `folder`/output."""
    env = {**os.environ, "ROS_LOG_DIR": str(folder / "ros"), "CROSSHAND_WS": str(folder)}
    with (folder / "output").open("wb") as output:
        argv = [sys.executable, "-c", INCLUDE, str(file), *arguments]
        return subprocess.Popen(argv, stdout=output, stderr=subprocess.STDOUT, env=env)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_the_nodes_of_a_dead_launch_end_in_order(launched: Launched, number: signal.Signals) -> None:
    assert until(lambda: launched.printed("the graph is active"), 30), launched.output.read_text()
    nodes = [launched.node("first"), launched.node("second")]
    launched.process.send_signal(number)
    assert until(lambda: not any(alive(pid) for pid in nodes))
    ended = [line.split()[1] for line in launched.notes.read_text().splitlines() if line.endswith("deactivate")]
    assert sorted(ended) == ["first", "second"]


@pytest.mark.parametrize("file", LAUNCH_FILES, ids=lambda file: file.stem)
def test_a_launch_file_refuses_an_unknown_hand_in_one_line(file: Path, tmp_path: Path) -> None:
    launch = started(file, tmp_path, "left_hand:=octopus")
    assert launch.wait(60) != 0
    output = (tmp_path / "output").read_text()
    assert "left_hand: found 'octopus', expected one of" in output
    assert "Traceback" not in output


@pytest.mark.parametrize(
    ("argument", "line"),
    [
        ("lefthand:=inspire", "argument: found 'lefthand', expected 'left_hand'"),
        ("backed:=sim", "argument: found 'backed', expected 'backend'"),
        ("namespaces:=robot1", "argument: found 'namespaces', expected 'namespace'"),
        ("namespace:=robot-1", "arguments: namespace: found 'robot-1'"),
        ("sides.left.hnd.embodiment:=inspire", "sides.left.hnd: found an unknown field, expected 'hand'"),
    ],
)
def test_a_launch_refuses_what_is_no_argument_and_starts_nothing(tmp_path: Path, argument: str, line: str) -> None:
    launch = started(LAUNCH_FILES[0], tmp_path, argument)
    assert launch.wait(60) != 0
    output = (tmp_path / "output").read_text()
    assert line in output
    assert "Traceback" not in output and "process started" not in output


def test_the_arguments_of_a_launch_file_are_shown_with_their_values() -> None:
    from launch.launch_description_sources import PythonLaunchDescriptionSource

    made = PythonLaunchDescriptionSource(str(LAUNCH_FILES[0])).try_get_launch_description_without_context()
    shown = {argument.name: argument.description for argument in made.get_launch_arguments()}
    assert "one of sim, emulated, real" in shown["backend"]
    assert "inspire" in shown["left_hand"] and "xarm_gripper" in shown["right_hand"] and "xarm7" in shown["left_arm"]


@pytest.mark.system
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_signal_to_the_launch_of_a_station_brakes_and_ends_it(
    tmp_path: Path, free_port: int, speeds: ArmSpeeds, number: signal.Signals
) -> None:
    policy = write_policy(tmp_path / "policy", CODEC)
    file = next(file for file in LAUNCH_FILES if file.name == "dual_arm.launch.py")
    launch = started(file, tmp_path, f"codec:={CODEC}", f"policy:={policy}", f"port:={free_port}")
    moved = until(speeds.moving, 60.0)
    nodes, world = nodes_of(launch.pid), Truth(station.load(DEFAULT_STATION, {"port": free_port}))
    world.start()
    launch.send_signal(number)
    at = time.monotonic()
    launch.wait(20)
    output = (tmp_path / "output").read_text()
    assert moved, output
    assert "policy" in nodes and until(lambda: not any(alive(pid) for pid in nodes.values()))
    world.close()
    assert standstill_s(world.tracks()[0], at) is not None, "the world ended before the robots were at rest"
    assert "Traceback" not in output


@pytest.fixture
def context() -> Iterator[Any]:
    """A launch context whose ROS node, with a thread that would outlive the tests, is shut down."""
    from launch import LaunchContext
    from launch_ros.ros_adapters import get_ros_adapter

    context = LaunchContext()
    yield context
    get_ros_adapter(context).shutdown()


def test_the_launch_adds_no_node_of_its_own_but_the_manager(tmp_path: Path, context: Any) -> None:
    from launch_ros.actions import Node

    from bringup.launching import actions
    from bringup.paths import RunDirectory
    from bringup.session import Session

    resolved = station.load("dual_xarm7")
    nodes = graph.describe(resolved, tmp_path / "station.yaml")
    made = actions(context, Session(resolved, nodes, RunDirectory(tmp_path)))
    started = [action.node_executable for action in made if isinstance(action, Node)]
    assert sorted(started) == sorted([*(node.executable for node in nodes), "lifecycle_manager"])


def test_nodes_that_share_a_process_are_launched_as_one(tmp_path: Path, context: Any) -> None:
    pytest.importorskip("cyclonedds")
    from launch_ros.actions import Node

    from bringup.launching import actions
    from bringup.paths import RunDirectory
    from bringup.session import Session

    resolved = station.load("g1", {"backend": "emulated"})
    nodes = graph.describe(resolved, tmp_path / "station.yaml")
    made = actions(context, Session(resolved, nodes, RunDirectory(tmp_path)))
    drivers = [a for a in made if isinstance(a, Node) and a.node_executable == "driver_node"]
    assert len(drivers) == 3  # both arms, and a hand each
