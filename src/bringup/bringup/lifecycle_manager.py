"""The lifecycle manager as a node, for `ros2 launch`: brings the named nodes up and ends.

Parameters: `nodes` (names) and `stages` (an integer each, same order). The exit status is 0 when all are active.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Sequence
from typing import Any

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from bringup.lifecycle import BringUpError, LifecycleManager
from node_kit import udp_sockets
from node_kit.main import StopFlag, ignore_signals, stop_signals
from node_kit.parameter_descriptors import fixed
from node_kit.parameters import ParameterError, refuse_simulated_time
from node_kit.parent import on_end_of_parent


class StoppedError(RuntimeError):
    """SIGINT, SIGTERM or SIGHUP was received, or the launch process has ended."""


def main(args: Sequence[str] | None = None) -> int:
    """Run the node; returns 0 when all are active (or interrupted), 1 with one line on stderr if a node failed."""
    stop = StopFlag()
    for number in stop_signals():
        signal.signal(number, lambda *_: stop.set())
    on_end_of_parent(stop.set)
    rclpy.init(args=None if args is None else list(args), signal_handler_options=SignalHandlerOptions.NO)
    node = Node("lifecycle_manager")
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    spinner = threading.Thread(target=_spin, args=(executor,), daemon=True)
    spinner.start()
    try:
        return _manage(node, stop)
    finally:
        executor.shutdown(timeout_sec=1.0)
        spinner.join(timeout=1.0)
        udp_sockets.stop_receiving()
        node.destroy_node()
        rclpy.try_shutdown()
        ignore_signals()


def _spin(executor: Any) -> None:
    try:
        executor.spin()
    except ExternalShutdownException:
        return


def _manage(node: Node, stop: StopFlag) -> int:
    def check() -> None:
        if stop.asked:
            raise StoppedError

    try:
        refuse_simulated_time(node)
        manager = LifecycleManager(node, _stages(node), check=check)
        manager.bring_up(lambda text: print(text, flush=True))
    except (BringUpError, ParameterError) as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return 1
    except StoppedError:
        return 0
    print("the graph is active", flush=True)
    return 0


def _stages(node: Node) -> list[list[str]]:
    names = list(node.declare_parameter("nodes", [""], fixed("names of the nodes")).value or ())
    numbers = list(node.declare_parameter("stages", [0], fixed("the stage of each node")).value or ())
    if len(names) != len(numbers):
        raise BringUpError(
            f"parameter stages: found {len(numbers)} values, expected one for each of {len(names)} nodes"
        )
    return [[name for name, at in zip(names, numbers, strict=True) if at == stage] for stage in sorted(set(numbers))]


if __name__ == "__main__":
    raise SystemExit(main())
