"""Converts the node descriptions of a graph to a launch description.

Imported by launch files alone: `launch` and `launch_ros` are part of a ROS 2 installation.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
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
from bringup.environment import environment, notes
from bringup.processes import Exit
from bringup.session import Session, prepare
from bringup.station import ALIASES, description
from bringup.supervisor import BRAKING_S
from contracts.station import Station, full_name, station_names
from node_kit import parent, shared_memory
from node_kit.qos import LATCHED

UNCHANGED, NAMESPACE = "(as in the station)", "namespace"
# Settings of launch itself, which are configurations like arguments.
PUSHED = "ros_namespace"  # the namespace that a launch file around this one has pushed
OF_LAUNCH = (
    PUSHED,
    *("launch-prefix", "launch-prefix-filter", "emulate_tty", "sigterm_timeout", "sigkill_timeout"),
    *("global_params", "ros_remaps"),
)


def launch_description(name: str) -> LaunchDescription:
    """Launch description of a station; all arguments of a station are accepted, also fields by their dotted paths.

    Args:
        name: The default of the argument `station`.
    """
    files = f"YAML file, or one of {', '.join(station_names())}"
    declared = [DeclareLaunchArgument("station", default_value=name, description=files)]
    for argument in ALIASES:
        declared.append(DeclareLaunchArgument(argument, default_value=UNCHANGED, description=description(argument)))
    return LaunchDescription([*declared, OpaqueFunction(function=_bring_up)])


def _bring_up(context: LaunchContext) -> list[Any]:
    """Refuses, as `./ws demo`, what is no argument; a launch file that includes this one scopes its own (see docs)."""
    for note in notes():
        print(note, file=sys.stderr)
    os.environ.update(environment())  # of this process, too, before it joins the graph
    configured = context.launch_configurations.items()
    given = [f"{name}:={value}" for name, value in configured if value != UNCHANGED and name not in OF_LAUNCH]
    return actions(context, prepare(within(context.launch_configurations.get(PUSHED, ""), given)))


def within(pushed: str, given: Sequence[str]) -> list[str]:
    """The arguments, with the station's namespace below the one that an including launch file has pushed."""
    if not pushed:
        return list(given)
    own = [value for name, _, value in (each.partition(":=") for each in given) if name == NAMESPACE]
    joined = "/".join(part.strip("/") for part in (pushed, *own))
    return [*(each for each in given if each.partition(":=")[0] != NAMESPACE), f"{NAMESPACE}:={joined}"]


def actions(context: LaunchContext, session: Session) -> list[Any]:
    """Actions that launch a session: its nodes, the lifecycle manager, and the reaction to the end of a process."""
    shared_memory.remove_dead()
    manager, processes = _manager(session), graph.processes(session.nodes)
    started = {name: _process(session, nodes) for name, nodes in processes.items()}
    optional = {name for name, nodes in processes.items() if not graph.required(nodes)}
    on_exit = _on_exit(context, manager, started, optional, session.station)
    named = SetEnvironmentVariable(parent.VARIABLE, str(os.getpid()))
    return [named, RegisterEventHandler(OnProcessExit(on_exit=on_exit)), *started.values(), manager]


def _process(session: Session, nodes: Sequence[graph.NodeDescription]) -> Node:
    """The action that starts a process; the names of several nodes are arguments, as ROS would rename all alike."""
    names = [node.name for node in nodes]
    naming = {"name": names[0]} if len(names) == 1 else {"arguments": names}
    files, first = [str(session.run.parameters)], nodes[0]
    naming["namespace"] = full_name(first.namespace, "")  # a whole one: launch would put it below what is pushed
    own = environment(images=first.images)
    return Node(
        package=first.package,
        executable=first.executable,
        parameters=files,
        output="screen",
        additional_env=own,
        **naming,
    )


def _manager(session: Session) -> Node:
    nodes = graph.required(session.nodes)
    order = {"nodes": [node.name for node in nodes], "stages": [node.stage for node in nodes]}
    name = "lifecycle_manager"
    namespace = full_name(session.station.namespace, "")
    return Node(package="bringup", executable=name, name=name, namespace=namespace, parameters=[order], output="screen")


def _on_exit(
    context: LaunchContext, manager: Node, processes: Mapping[str, Node], optional: Collection[str], station: Station
) -> Callable[[ProcessExited, LaunchContext], list[Any] | None]:
    """The handler of the end of a process: emergency stop, unless the launch is ending or the graph is active.

    The manager ends once the graph is active: then the run's seconds begin, as those of `./ws demo`.
    """
    # Created in advance: a publisher reaches only subscribers that have discovered it.
    stop = get_ros_node(context).create_publisher(Bool, full_name(station.namespace, "estop"), LATCHED)
    seconds = station.seconds

    def on_exit(event: ProcessExited, context: LaunchContext) -> list[Any] | None:
        if context.is_shutdown:
            return None
        if event.action is manager and event.returncode == 0:
            over = f"{seconds:g} s are over"
            end = [LogInfo(msg=over), EmitEvent(event=Shutdown(reason=over))]
            return [TimerAction(period=seconds, actions=end)] if seconds else None
        name = next((name for name, started in processes.items() if started is event.action), "lifecycle_manager")
        reason = str(Exit(name, event.returncode))
        if name in optional:
            return [LogInfo(msg=f"warning: {reason}; the robots go on without it")]
        stop.publish(Bool(data=True))
        end = EmitEvent(event=Shutdown(reason=reason))
        return [LogInfo(msg=f"emergency stop: {reason}"), TimerAction(period=BRAKING_S, actions=[end])]

    return on_exit
