"""`ros2 run bringup release [namespace:=NAME]`: releases the emergency stop, resets every driver, reports refusals.

To be run by an operator who has checked the robots: no node of the graph does it. Robots then hold their positions and
follow the next chunk. Drivers in other namespaces are those of other stations: they stay as they are.
Exit status: 0 all may move, 1 one refuses, 2 there is no driver.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence

import rclpy
from rclpy.client import Client
from rclpy.node import Node
from std_msgs.msg import Bool
from std_srvs.srv import Trigger

from bringup import station
from node_kit import udp_sockets
from node_kit.qos import LATCHED

RESET, KIND = "/reset", "std_srvs/srv/Trigger"
SETTLED_S = 3.5  # lost discovery messages are repeated after 3 s
DISCOVERY_S, ANSWER_S = 10.0, SETTLED_S + 1.0
NOT_STOPPED = "not stopped"


def main() -> int:
    """Run the command line; returns the exit status."""
    return run("release", release)


def run(name: str, act: Callable[[Node], int]) -> int:
    """Run a command of an operator in the namespace of the command line.

    Args:
        name: Name of its node.
        act: Takes the node, and returns the exit status.
    """
    try:
        namespace = station.parse_namespace(sys.argv[1:])
    except station.ArgumentError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    rclpy.init(args=[])
    node = Node(name, namespace=namespace)
    try:
        return act(node)
    finally:
        udp_sockets.stop_receiving()
        node.destroy_node()
        rclpy.try_shutdown()


def release(node: Node) -> int:
    """Release and reset all drivers; returns the exit status. The node must not be spun elsewhere."""
    services, reason = of_station(node)
    if not services:
        print(f"error: {reason}", file=sys.stderr)
        return 2
    publisher = node.create_publisher(Bool, "estop", LATCHED)
    # Of each driver, two; and of other nodes that repeat a stop.
    wanted = lambda: max(2 * len(services), len(node.get_subscriptions_info_by_topic("estop")))  # noqa: E731
    wait(node, lambda: publisher.get_subscription_count() >= wanted(), SETTLED_S)
    publisher.publish(Bool(data=False))
    refusals = [service for service in services if not reset(node, service)]
    node.destroy_publisher(publisher)
    return 1 if refusals else 0


def of_station(node: Node) -> tuple[list[str], str]:
    """The reset services of the drivers in the node's namespace; and why there is none, else empty."""
    found = find(node)
    services = [service for service in found if namespace_of(service) == node.get_namespace().rstrip("/")]
    return services, "" if services else _none(found)


def find(node: Node) -> list[str]:
    """The reset services of all drivers, when no more appear for SETTLED_S."""
    found, since, deadline = [], time.monotonic(), time.monotonic() + DISCOVERY_S
    while time.monotonic() < deadline and (not found or time.monotonic() - since < SETTLED_S):
        services = node.get_service_names_and_types()
        now = sorted(name for name, kinds in services if name.endswith(RESET) and KIND in kinds)
        if now != found:
            found, since = now, time.monotonic()
        rclpy.spin_once(node, timeout_sec=0.05)
    return found


def namespace_of(service: str) -> str:
    """The namespace of the node of a reset service, such as "/robot1"; empty for the root."""
    return service.removesuffix(RESET).rpartition("/")[0]


def _none(found: Sequence[str]) -> str:
    others = sorted({f"namespace:={namespace_of(service).lstrip('/')}" for service in found})
    if not others:
        return "found no driver on this ROS domain, expected at least one"
    return f"found no driver of this namespace, expected one of the arguments {', '.join(others)}"


def reset(node: Node, service: str) -> bool:
    """Reset a driver, with retries until it has received the release; returns whether its robot may move."""
    name, client = service.removesuffix(RESET).lstrip("/"), node.create_client(Trigger, service)
    done, answer = _request(node, client)
    node.destroy_client(client)
    print(f"{name}: {answer}" if done else f"{name}: stays stopped: {answer}", flush=True)
    return done


def _request(node: Node, client: Client) -> tuple[bool, str]:
    deadline, answer = time.monotonic() + ANSWER_S, "no response"
    while time.monotonic() < deadline:
        future = client.call_async(Trigger.Request())
        rclpy.spin_until_future_complete(node, future, timeout_sec=max(0.0, deadline - time.monotonic()))
        response = future.result() if future.done() else None
        if response is None:
            break
        answer = response.message
        if response.success or answer == NOT_STOPPED:
            return True, answer
        time.sleep(0.1)
    return False, answer


def wait(node: Node, condition: Callable[[], bool], seconds: float) -> bool:
    """Spin the node until a condition is true; returns whether it became true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        rclpy.spin_once(node, timeout_sec=0.02)
    return True


if __name__ == "__main__":
    raise SystemExit(main())
