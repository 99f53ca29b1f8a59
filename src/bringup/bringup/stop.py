"""`ros2 run bringup stop [namespace:=NAME]`: asserts the emergency stop and reports which drivers confirm it.

The stop is published at once. It is latched, and lasts until `ros2 run bringup release`. Exit status: 0 all drivers
have stopped, 1 one did not confirm it, 2 there is no driver.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable

from rclpy.node import Node
from std_srvs.srv import Trigger

from bringup.release import ANSWER_S, RESET, of_station, run, wait
from contracts import claims
from contracts.servo import PARTS
from embodiments import SIDES
from node_kit.emergency_stop import EmergencyStop

REPEAT_S = 0.5


def main() -> int:
    """Run the command line; returns the exit status."""
    return run("stop", stop)


def stop(node: Node) -> int:
    """Stop all drivers; returns the exit status. The node must not be spun elsewhere."""
    EmergencyStop(node).assert_stop()
    services, reason = of_station(node)
    drivers = [service.removesuffix(RESET) for service in services]
    drivers += [name for name in _on_this_machine(node) if name not in drivers]
    if not drivers:
        print(f"error: {reason}", file=sys.stderr)
        return 2
    answers = _request(node, drivers)
    return 1 if [name for name in drivers if not _report(name.lstrip("/"), answers.get(name))] else 0


def _on_this_machine(node: Node) -> list[str]:
    """Drivers of the station's names that run on this machine: one whose process is frozen is not discovered."""
    space, domain = node.get_namespace().rstrip("/"), node.context.get_domain_id()
    names = [f"{space}/{side}_{part}_driver" for side in SIDES for part in PARTS]
    return [name for name in names if claims.owner(claims.name_of_node(name, domain))]


def _request(node: Node, drivers: Iterable[str]) -> dict[str, Trigger.Response]:
    """Call `~/stop` of all drivers, as a topic confirms nothing; returns the responses by driver."""
    clients = {name: node.create_client(Trigger, f"{name}/stop") for name in drivers}
    answers: dict[str, Trigger.Response] = {}
    deadline = time.monotonic() + ANSWER_S
    while clients.keys() - answers.keys() and time.monotonic() < deadline:
        # Again and again: the response to a client that the driver has not discovered is lost.
        calls = {name: clients[name].call_async(Trigger.Request()) for name in clients.keys() - answers.keys()}
        wait(node, lambda calls=calls: all(call.done() for call in calls.values()), REPEAT_S)
        answers |= {name: call.result() for name, call in calls.items() if call.done()}
    return answers


def _report(name: str, response: Trigger.Response | None) -> bool:
    """Print the response of a driver; returns whether it has stopped."""
    text = "no response" if response is None else response.message
    confirmed = response is not None and response.success
    print(f"{name}: {text}" if confirmed else f"{name}: not confirmed: {text}", flush=True)
    return confirmed


if __name__ == "__main__":
    raise SystemExit(main())
