"""The topics and services of the graph, read off configured nodes."""

from __future__ import annotations

import contextlib
import os
from collections import defaultdict
from collections.abc import Iterator
from random import Random
from typing import Any

from rclpy.context import Context
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy

from bringup import paths
from bringup.robot_state_publisher import RobotStatePublisher
from camera_node.node import CameraNode
from contracts.station import DEFAULT_STATION, station_file
from hand_drivers.node import DriverNode
from latent_codec.node import CodecNode
from latent_policy_node.node import PolicyNode

DISCOVERY, OFF, DOMAINS = "ROS_AUTOMATIC_DISCOVERY_RANGE", "OFF", (160, 230)
GENERAL = ("/parameter_events", "/rosout", "/transition_event")
SIDE, CAMERA = "left", "front"


def topics() -> str:
    """One row a topic: type, who publishes it, who subscribes to it, quality of service."""
    with configured_nodes() as nodes:
        used = _used(nodes)
    rows = ["| topic | type | from | to | QoS |", "|---|---|---|---|---|"]
    for topic, (kind, sources, sinks, qos) in sorted(used.items()):
        rows.append(f"| `{topic}` | `{kind}` | {', '.join(sources)} | {', '.join(sinks)} | {qos} |")
    return "\n".join(rows) + "\n"


@contextlib.contextmanager
def configured_nodes() -> Iterator[dict[str, Node]]:
    """The nodes of one side, configured, without discovery."""
    models = paths.workspace() / "models"
    part = {"side": SIDE, "device": "loopback"}
    made = {
        "arm driver": (DriverNode, {**part, "part": "arm", "embodiment": "xarm7"}),
        "hand driver": (DriverNode, {**part, "part": "hand", "embodiment": "inspire"}),
        "codec": (CodecNode, {"side": SIDE, "arm": "xarm7", "hand": "inspire", "bundle": str(models / "codec")}),
        "policy": (PolicyNode, {"bundle": str(models / "policy")}),
        "camera": (CameraNode, {"name": CAMERA, "source": "v4l2"}),
        "robot state publisher": (RobotStatePublisher, {"station": str(station_file(DEFAULT_STATION))}),
    }
    before = os.environ.get(DISCOVERY)
    os.environ[DISCOVERY] = OFF
    context = Context()
    context.init(["--ros-args", "--log-level", "fatal"], domain_id=Random(os.getpid()).randint(*DOMAINS))
    nodes: dict[str, Node] = {}
    try:
        for name, (kind, parameters) in made.items():
            nodes[name] = _configured(kind, name, context, parameters)
        yield nodes
    finally:
        for node in nodes.values():
            node.destroy_node()
        context.try_shutdown()
        os.environ.pop(DISCOVERY)
        if before is not None:
            os.environ[DISCOVERY] = before


def _configured(kind: type, name: str, context: Context, parameters: dict[str, Any]) -> Node:
    overrides = [Parameter(key, value=value) for key, value in parameters.items()]
    node = kind(name.replace(" ", "_"), context=context, parameter_overrides=overrides)
    node.trigger_configure()
    return node


def _used(nodes: dict[str, Node]) -> dict[str, tuple[str, list[str], list[str], str]]:
    """Topic -> type, nodes that publish, nodes that subscribe, quality of service."""
    sources, sinks, kinds = defaultdict(list), defaultdict(list), {}
    for name, node in nodes.items():
        place = (node.get_name(), node.get_namespace())
        for ends, found in (
            (sources, node.get_publisher_names_and_types_by_node(*place)),
            (sinks, node.get_subscriber_names_and_types_by_node(*place)),
        ):
            for topic, types in found:
                ends[topic].append(name)
                kinds[topic] = types[0].replace("/msg/", "/")
    shown = [topic for topic in kinds if not topic.endswith(GENERAL) and not topic.startswith("/right/")]
    any_node = next(iter(nodes.values()))
    return {_general(topic): (kinds[topic], sources[topic], sinks[topic], _qos(any_node, topic)) for topic in shown}


def _general(topic: str) -> str:
    return topic.replace(f"/{SIDE}/", "/S/").replace(f"/{CAMERA}/", "/NAME/")


def _qos(node: Node, topic: str) -> str:
    """What is published; an end that keeps a message for late subscribers makes the topic `transient local`."""
    writers, readers = node.get_publishers_info_by_topic(topic), node.get_subscriptions_info_by_topic(topic)
    latched = any(end.qos_profile.durability is DurabilityPolicy.TRANSIENT_LOCAL for end in (*writers, *readers))
    reliable = all(end.qos_profile.reliability is ReliabilityPolicy.RELIABLE for end in writers or readers)
    return f"{'reliable' if reliable else 'best effort'}, {'transient local' if latched else 'volatile'}"
