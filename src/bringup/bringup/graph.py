"""The graph of a station as one list of node descriptions, for the launch files and the supervisor.

Stages order the bring-up: subscribers are active before their publishers, so the cameras, whose images trigger the
policy, are the last to start and the first to stop.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from contracts.servo import PARTS, PartName
from contracts.station import Camera, Part, Station, full_name

SIMULATION, EMULATORS, DRIVERS, CODECS, POLICY, CAMERAS = range(6)
ONE_PROCESS = ("g1_arms",)  # devices of a robot whose arms are commanded by one message


@dataclass(frozen=True)
class NodeDescription:
    """One node.

    Attributes:
        name: Unique in the graph.
        package: The package of the executable.
        executable: The executable.
        parameters: Values of type str, int, float, bool, or lists of one of them.
        stage: Position in the bring-up.
        moves: Whether it moves a robot; bring-up waits for its subscription to the emergency stop.
        process: Nodes of one executable and stage with the same value share a process; empty: its own process.
        namespace: That of the station, without a slash at its beginning.
        required: Whether its end stops the robots; one that is not starts and configures itself.
        images: Whether it sends or receives images.
    """

    name: str
    package: str
    executable: str
    parameters: dict[str, Any] = field(default_factory=dict)
    stage: int = 0
    moves: bool = False
    process: str = ""
    namespace: str = ""
    required: bool = True
    images: bool = False

    @property
    def full_name(self) -> str:
        """The name with the namespace."""
        return full_name(self.namespace, self.name)


def describe(station: Station, station_path: Path, bag_directory: Path | None = None) -> list[NodeDescription]:
    """The nodes of the graph of a station, in the order of their stages.

    Args:
        station: The resolved station.
        station_path: The file of the resolved station.
        bag_directory: Folder for bags; that of the station by default.
    """
    nodes = [_simulation(station_path)] if station.simulated else []
    nodes += [_emulators(station_path)] if station.backend == "emulated" else []
    nodes += [_driver(station, side, part) for side in station.sides for part in PARTS]
    nodes += [_codec(station, side) for side in station.sides]
    if station.record.enabled:
        nodes.append(_recorder(station, station_path, bag_directory or Path(station.record.directory)))
    if station.robot_state.enabled:
        nodes.append(_robot_state(station, station_path))
    nodes.append(_policy(station))
    nodes += [_camera(name, camera, station_path) for name, camera in station.cameras.items()]
    return [replace(node, namespace=station.namespace) for node in sorted(nodes, key=lambda node: node.stage)]


def stages(nodes: Sequence[NodeDescription]) -> list[list[str]]:
    """Names of the nodes by stage, in the order of bring-up."""
    order = sorted({node.stage for node in nodes})
    return [[node.name for node in nodes if node.stage == stage] for stage in order]


def required(nodes: Sequence[NodeDescription]) -> list[NodeDescription]:
    """The nodes without which the robots are stopped, which the lifecycle manager brings up."""
    return [node for node in nodes if node.required]


def processes(nodes: Sequence[NodeDescription]) -> dict[str, list[NodeDescription]]:
    """The nodes of each process by its name, such as `policy` or `left_arm_driver+right_arm_driver`."""
    groups: dict[str, list[NodeDescription]] = {}
    for node in nodes:
        groups.setdefault(node.process or node.name, []).append(node)
    return {"+".join(node.name for node in group): group for group in groups.values()}


def topics(station: Station) -> list[str]:
    """What is recorded, in the station's namespace: the observations, the commands and what decided them."""
    sided = (
        "arm/joint_states",
        "hand/joint_states",
        "arm/command",
        "hand/command",
        "latent_state",
        "latent_action",
        "observation",
    )
    images = [f"camera/{name}/{topic}" for name in station.cameras for topic in ("image_raw", "camera_info")]
    return images + [f"{side}/{topic}" for side in station.sides for topic in sided] + ["estop", "diagnostics"]


def _simulation(station_path: Path) -> NodeDescription:
    return NodeDescription("simulation", "simulation", "simulation_node", {"station": str(station_path)}, SIMULATION)


def _emulators(station_path: Path) -> NodeDescription:
    return NodeDescription("emulators", "device_emulators", "emulators_node", {"station": str(station_path)}, EMULATORS)


def _driver(station: Station, side: str, part: PartName) -> NodeDescription:
    settings: Part = getattr(station.sides[side], part)
    parameters = {"side": side, "part": part, **_set(settings), **station.servo.of_driver(part)}
    process = f"{settings.device} {settings.address}" if settings.device in ONE_PROCESS else ""
    return NodeDescription(
        f"{side}_{part}_driver", "hand_drivers", "driver_node", parameters, DRIVERS, moves=True, process=process
    )


def _set(settings: BaseModel, prefix: str = "") -> dict[str, Any]:
    """Parameters from a part of a station: what is not the default there, mappings as JSON.

    The schemas of a station's parts are those of the nodes' parameters, so the node has the same default.
    """
    given = settings.model_dump(mode="json", exclude_defaults=True)
    return {prefix + name: json.dumps(value) if isinstance(value, dict) else value for name, value in given.items()}


def _codec(station: Station, side: str) -> NodeDescription:
    parts = station.sides[side]
    parameters = {
        "side": side,
        "bundle": station.codec,
        "arm": parts.arm.embodiment,
        "hand": parts.hand.embodiment,
        **_set(parts.base, "base_"),
    }
    return NodeDescription(f"{side}_codec", "latent_codec", "codec_node", parameters, CODECS)


def _policy(station: Station) -> NodeDescription:
    parameters = {"bundle": station.policy, **_set(station.inference)}
    # At most one, see preflight: a policy has one camera.
    for camera in station.cameras.values():
        if camera.fit is not None:
            parameters["image_fit"] = camera.fit
    # What drivers never reach is not decoded.
    if "command_timeout_s" in _set(station.servo):
        parameters["publish_horizon_s"] = station.servo.command_timeout_s
    return NodeDescription("policy", "latent_policy_node", "policy_node", parameters, POLICY, images=True)


def _camera(name: str, camera: Camera, station_path: Path) -> NodeDescription:
    # A simulated camera finds its place and the world's port in the station; others have their own options.
    options = {"station": str(station_path), "camera": name} if camera.source == "simulated" else camera.options
    parameters = {
        "name": name,
        "source": camera.source,
        "width": camera.width,
        "height": camera.height,
        "rate_hz": camera.rate_hz,
    }
    if options:
        parameters["options"] = json.dumps(options)
    if camera.calibration and camera.source != "simulated":
        parameters["calibration"] = camera.calibration
    return NodeDescription(f"{name}_camera", "camera_node", "camera_node", parameters, CAMERAS, images=True)


def _recorder(station: Station, station_path: Path, directory: Path) -> NodeDescription:
    parameters = {"station": str(station_path), "directory": str(directory), "topics": topics(station)}
    return NodeDescription("recorder", "episodes", "recorder", parameters, CODECS, images=True)


def _robot_state(station: Station, station_path: Path) -> NodeDescription:
    given = station.robot_state.model_dump(exclude_defaults=True, exclude={"enabled"})
    parameters = {"station": str(station_path), **given}
    name = "robot_state_publisher"
    return NodeDescription(name, "bringup", name, parameters, CODECS, required=False)


def parameters_text(nodes: Sequence[NodeDescription]) -> str:
    """A ROS parameter file that holds every node's own section."""
    content = {node.full_name: {"ros__parameters": _started(node)} for node in nodes}
    return yaml.safe_dump(content, sort_keys=False, default_flow_style=False, width=1 << 16)


def _started(node: NodeDescription) -> dict[str, Any]:
    """The parameters, also of the start: the lifecycle manager leaves nodes alone that are not required."""
    return dict(node.parameters) if node.required else {"autostart": True, **node.parameters}
