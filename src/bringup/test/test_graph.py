"""One list describes the graph; launch file and supervisor add nothing to it."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from bringup import graph, station
from bringup.executables import ExecutableError, command, node_command, process_command
from bringup.graph import NodeDescription
from contracts.servo import ByPart
from contracts.station import station_names

FILE = Path("/tmp/station.yaml")


def described(name: str = "dual_xarm7", **overrides: object) -> dict[str, NodeDescription]:
    nodes = graph.describe(station.load(name, overrides), FILE)
    assert max(Counter(node.name for node in nodes).values()) == 1
    return {node.name: node for node in nodes}


def test_every_node_is_described_once() -> None:
    drivers = [f"{side}_{part}_driver" for side in ("left", "right") for part in ("arm", "hand")]
    others = ["simulation", "left_codec", "right_codec", "recorder", "robot_state_publisher", "policy", "front_camera"]
    assert sorted(described()) == sorted(drivers + others)


def test_a_real_station_has_no_simulation_and_records_only_on_request() -> None:
    simulated = described(record=False)
    assert "recorder" not in simulated and "simulation" in simulated


def test_the_fit_of_the_camera_is_a_parameter_of_the_policy() -> None:
    assert "image_fit" not in described()["policy"].parameters
    cropped = described(**{"cameras.front.fit": "crop"})
    assert cropped["policy"].parameters["image_fit"] == "crop"


def test_subscribers_start_before_their_publishers() -> None:
    order = graph.stages(list(described().values()))
    assert order[0] == ["simulation"] and order[-1] == ["front_camera"]
    at = {name: stage for stage, names in enumerate(order) for name in names}
    assert at["left_arm_driver"] < at["left_codec"] < at["policy"] < at["front_camera"]


def test_drivers_of_an_emulated_station_start_after_their_devices() -> None:
    nodes = described(backend="emulated", right_hand="xarm_gripper", port=48999)
    order = graph.stages(list(nodes.values()))
    assert order[:2] == [["simulation"], ["emulators"]]
    parameters = {side: nodes[f"{side}_hand_driver"].parameters for side in ("left", "right")}
    assert [parameters[side]["device"] for side in ("left", "right")] == ["inspire", "xarm_gripper"]
    assert parameters["right"]["address"] == nodes["right_arm_driver"].parameters["address"]
    assert json.loads(parameters["right"]["options"]) == {"port": 48999}


def test_both_arms_of_a_g1_share_a_process_and_nothing_else_does() -> None:
    pytest.importorskip("cyclonedds")
    nodes = list(described("g1", backend="emulated").values())
    shared = {name: group for name, group in graph.processes(nodes).items() if len(group) > 1}
    assert list(shared) == ["left_arm_driver+right_arm_driver"]
    assert sum(map(len, graph.processes(nodes).values())) == len(nodes)
    assert all(len(group) == 1 for group in graph.processes(list(described("g1").values())).values())


def test_a_shared_process_has_node_names_as_arguments() -> None:
    pytest.importorskip("cyclonedds")
    nodes = described("g1", backend="emulated")
    arms = [nodes["left_arm_driver"], nodes["right_arm_driver"]]
    argv = process_command(arms, Path("parameters.yaml"))
    assert argv[-5:] == ["left_arm_driver", "right_arm_driver", "--ros-args", "--params-file", "parameters.yaml"]
    assert process_command(arms[:1], Path("p")) == node_command(arms[0], Path("p"))


def test_a_driver_gets_its_parameters_from_the_station() -> None:
    parameters = described(left_hand="xhand", port=48999)["left_hand_driver"].parameters
    assert (parameters["side"], parameters["part"], parameters["embodiment"]) == ("left", "hand", "xhand")
    assert (parameters["device"], parameters["address"]) == ("simulated", "shm:48999")
    slower = {"servo.hand_rate_hz": 50, "servo.rt_priority": 10}
    parameters = described(**slower)["left_hand_driver"].parameters
    assert (parameters["rate_hz"], parameters["rt_priority"]) == (50.0, 10)
    assert "rate_hz" not in described(**slower)["left_arm_driver"].parameters


def test_a_codec_gets_its_arm_its_hand_and_their_bases() -> None:
    parameters = described(right_hand="xarm_gripper")["right_codec"].parameters
    assert (parameters["arm"], parameters["hand"]) == ("xarm7", "xarm_gripper")
    assert parameters["base_xyz"] == [0.0, -0.4, 0.0]
    turned = described(**{"sides.left.base.rpy": [0.0, 0.0, 1.5]})["left_codec"].parameters
    assert turned["base_rpy"] == [0.0, 0.0, 1.5]


@pytest.mark.parametrize("source", ["simulated", "v4l2", "realsense", "replay"])
def test_a_camera_gets_its_size_and_rate_from_the_station(source: str) -> None:
    fields = {"source": source, "width": 640, "height": 360, "rate_hz": 15}
    parameters = described(**{f"cameras.front.{name}": value for name, value in fields.items()})
    expected = {"name": "front"} | fields
    assert {name: parameters["front_camera"].parameters[name] for name in expected} == expected


def test_options_of_a_camera_are_its_own() -> None:
    options = {"device": "/dev/video2"}
    nodes = described(**{"cameras.front.source": "v4l2", "cameras.front.options": options})
    assert json.loads(nodes["front_camera"].parameters["options"]) == options


def test_a_calibration_is_given_to_cameras_that_are_not_simulated() -> None:
    given = {"cameras.front.calibration": "/lab/front.yaml"}
    real = described(**{"cameras.front.source": "v4l2"}, **given)["front_camera"].parameters
    assert real["calibration"] == "/lab/front.yaml"
    assert "calibration" not in described(**given)["front_camera"].parameters


def test_every_topic_of_the_loop_is_recorded() -> None:
    topics = described()["recorder"].parameters["topics"]
    for topic in ("camera/front/image_raw", "left/arm/joint_states", "right/hand/command", "left/latent_action"):
        assert topic in topics


def test_the_parameter_file_gives_each_node_its_own_section() -> None:
    nodes = described()
    content = yaml.safe_load(graph.parameters_text(list(nodes.values())))
    shown = content["/robot_state_publisher"]["ros__parameters"]
    assert shown.pop("autostart") is True  # the lifecycle manager leaves it alone
    assert content == {f"/{name}": {"ros__parameters": node.parameters} for name, node in nodes.items()}


def test_below_a_namespace_only_the_full_names_of_nodes_change() -> None:
    plain, below = described(), described(namespace="/hall/robot1")
    assert {name: replace(node, namespace="") for name, node in below.items()} == plain
    content = yaml.safe_load(graph.parameters_text(list(below.values())))
    assert list(content) == [f"/hall/robot1/{name}" for name in below]
    for nodes in ([below["policy"]], [below["left_arm_driver"], below["right_arm_driver"]]):
        assert "__ns:=/hall/robot1" in process_command(nodes, Path("parameters.yaml"))
        root = [plain[node.name] for node in nodes]
        assert not any("__ns" in word for word in process_command(root, Path("parameters.yaml")))


def test_another_hand_changes_only_the_nodes_that_use_it() -> None:
    plain, other = described(), described(left_hand="ability")
    changed = {name for name in plain if plain[name] != other[name]}
    assert changed == {"left_hand_driver", "left_codec"}


def test_every_node_has_an_executable() -> None:
    for node in (described() | described(backend="emulated")).values():
        argv = node_command(node, Path("parameters.yaml"))
        assert f"__node:={node.name}" in argv and "parameters.yaml" in argv


def test_a_real_g1_is_reached_by_its_network_interface() -> None:
    arms = {f"sides.{side}.arm.device": "g1_arms" for side in ("left", "right")}
    arms |= {f"sides.{side}.arm.address": "eth0" for side in ("left", "right")}
    hands = {f"sides.{side}.hand.device": "inspire" for side in ("left", "right")}
    nodes = described("g1", backend="real", **arms, **hands, **{"cameras.front.source": "v4l2"})
    assert nodes["left_arm_driver"].process == nodes["right_arm_driver"].process != ""
    assert nodes["left_arm_driver"].parameters["address"] == "eth0"


def test_an_executable_that_is_not_python_is_found_in_the_prefix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "lib" / "vendor" / "driver"
    file.parent.mkdir(parents=True)
    file.write_text("#!/bin/sh\n")
    file.chmod(0o755)
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"/nowhere:{tmp_path}")
    assert command("vendor", "driver") == [str(file)]
    with pytest.raises(ExecutableError, match="vendor/other: found no such executable"):
        command("vendor", "other")


def test_the_policy_runs_on_the_device_of_the_station() -> None:
    wanted = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    given = station.parse_arguments([f"providers:=[{','.join(wanted)}]"])
    assert described(**given)["policy"].parameters["providers"] == wanted


def test_chunks_reach_as_far_as_the_drivers_follow_them() -> None:
    assert "publish_horizon_s" not in described()["policy"].parameters  # both defaults are the same
    given = station.parse_arguments(["servo.command_timeout_s:=0.4"])
    assert described(**given)["policy"].parameters["publish_horizon_s"] == 0.4


@pytest.mark.parametrize("name", station_names())
@pytest.mark.parametrize("backend", ["sim", "emulated"])
def test_no_parameter_of_the_graph_repeats_the_default_of_its_node(name: str, backend: str) -> None:
    if name == "g1" and backend == "emulated":
        pytest.importorskip("cyclonedds")
    for node in described(name, backend=backend).values():
        schema = schemas()[node.executable]
        assert not set(node.parameters) - set(schema.model_fields)
        checked = schema.model_validate(node.parameters)
        repeated = set(node.parameters) - set(checked.model_dump(exclude_defaults=True))
        assert not repeated, f"{node.name}: {repeated}"
        assert not [field for field in by_part(schema) if field in node.parameters], node.name


def schemas() -> dict[str, type[BaseModel]]:
    """The parameters of each executable of a graph."""
    from bringup.robot_state_publisher import RobotStateParameters
    from camera_node.node import CameraParameters
    from device_emulators.world.emulators_node import EmulatorsParameters
    from episodes.recorder_node import RecorderParameters
    from hand_drivers.node import DriverParameters
    from latent_codec.node import CodecParameters
    from latent_policy_node.node import PolicyParameters
    from simulation.node import SimulationParameters

    return {
        "camera_node": CameraParameters,
        "codec_node": CodecParameters,
        "driver_node": DriverParameters,
        "emulators_node": EmulatorsParameters,
        "policy_node": PolicyParameters,
        "recorder": RecorderParameters,
        "robot_state_publisher": RobotStateParameters,
        "simulation_node": SimulationParameters,
    }


def by_part(schema: type[BaseModel]) -> list[str]:
    """Fields whose default depends on the part, which pydantic does not leave out as a default."""
    return [name for name, field in schema.model_fields.items() if isinstance(field.default_factory, ByPart)]
