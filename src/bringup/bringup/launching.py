"""Converts the node descriptions of a graph to a launch description.

Imported by launch files alone: `launch` and `launch_ros` are part of a ROS 2 installation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    LogInfo,
    OpaqueFunction,
    RegisterEventHandler,
    SetEnvironmentVariable,
    TimerAction,
)
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.events.process import ProcessExited
from launch.launch_context import LaunchContext
from launch.launch_description import LaunchDescription
from launch_ros.actions import Node
from launch_ros.ros_adapters import get_ros_node
from std_msgs.msg import Bool

from bringup import graph
from bringup.environment import environment
from bringup.processes import Exit
from bringup.session import Session, prepare
from bringup.station import ALIASES, closest
from bringup.supervisor import BRAKING_S
from node_kit.qos import LATCHED


def launch_description(name: str) -> LaunchDescription:
    """Launch description of a station; all arguments of a station are accepted, also fields by their dotted paths.

    Args:
        name: The default of the argument `station`.
    """
    declared = [DeclareLaunchArgument("station", default_value=name, description="YAML file or shipped station")]
    for argument, field in ALIASES.items():
        declared.append(DeclareLaunchArgument(argument, default_value="", description=f"{field} of the station"))
    return LaunchDescription([*declared, OpaqueFunction(function=_bring_up)])


def _bring_up(context: LaunchContext) -> list[Any]:
    known = ("station", *ALIASES)
    # Other arguments may belong to a launch file that includes this one; those with a dot are fields of a station.
    given = {name: value for name, value in context.launch_configurations.items() if name in known or "." in name}
    wrong = {name: near for name in context.launch_configurations.keys() - given.keys() if (near := closest(name))}
    hints = [
        LogInfo(msg=f"argument: found {name!r}, which is not an argument; {near!r}?") for name, near in wrong.items()
    ]
    return [*hints, *actions(context, prepare([f"{name}:={value}" for name, value in given.items() if value]))]


def actions(context: LaunchContext, session: Session) -> list[Any]:
    """Actions that launch a session: its nodes, the lifecycle manager, and the reaction to the end of a process."""
    variables = [SetEnvironmentVariable(name, value) for name, value in environment().items()]
    manager, processes = _manager(session), graph.processes(session.nodes)
    started = {name: _process(session, nodes) for name, nodes in processes.items()}
    watch = RegisterEventHandler(OnProcessExit(on_exit=_on_exit(context, manager, started)))
    launched = [*variables, watch, *started.values(), manager]
    if session.station.seconds:
        end = EmitEvent(event=Shutdown(reason=f"{session.station.seconds:g} s are over"))
        launched.append(TimerAction(period=session.station.seconds, actions=[end]))
    return launched


def _process(session: Session, nodes: Sequence[graph.NodeDescription]) -> Node:
    """The action that starts a process; the names of several nodes are arguments, as ROS would rename all alike."""
    names = [node.name for node in nodes]
    naming = {"name": names[0]} if len(names) == 1 else {"arguments": names}
    files, first = [str(session.run.parameters)], nodes[0]
    return Node(package=first.package, executable=first.executable, parameters=files, output="screen", **naming)


def _manager(session: Session) -> Node:
    order = {"nodes": [n.name for n in session.nodes], "stages": [n.stage for n in session.nodes]}
    name = "lifecycle_manager"
    return Node(package="bringup", executable=name, name=name, parameters=[order], output="screen")


def _on_exit(
    context: LaunchContext, manager: Node, processes: Mapping[str, Node]
) -> Callable[[ProcessExited, LaunchContext], list[Any] | None]:
    """The handler of the end of a process: emergency stop, unless the manager is done or the launch is ending."""
    # Created in advance: a publisher reaches only subscribers that have discovered it.
    stop = get_ros_node(context).create_publisher(Bool, "/estop", LATCHED)

    def on_exit(event: ProcessExited, context: LaunchContext) -> list[Any] | None:
        if context.is_shutdown or (event.action is manager and event.returncode == 0):
            return None
        stop.publish(Bool(data=True))
        name = next((name for name, started in processes.items() if started is event.action), "lifecycle_manager")
        reason = str(Exit(name, event.returncode))
        end = EmitEvent(event=Shutdown(reason=reason))
        return [LogInfo(msg=f"emergency stop: {reason}"), TimerAction(period=BRAKING_S, actions=[end])]

    return on_exit
