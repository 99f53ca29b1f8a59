"""One diagnostic status per node on `diagnostics` of its namespace, in every lifecycle state."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.node import Node

from node_kit import log
from node_kit.visibility import HIDDEN, Ports

OK, WARN, ERROR, STALE = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR, DiagnosticStatus.STALE
PERIOD_S = 1.0
Value = str | int | float
Report = tuple[bytes, str, Mapping[str, Value]]


class DiagnosticsPublisher:
    """Publishes what ``collect()`` returns as the status ``name``, at 1 Hz.

    A ``collect`` that raises is reported as an ERROR status: diagnostics never end the node. A node that new nodes do
    not discover (`visibility`) is a warning, with the reason as the value `hidden`.

    Args:
        node: The node that publishes.
        name: Name of the status.
        collect: Returns (level, message, values).
    """

    def __init__(self, node: Node, name: str, collect: Callable[[], Report]) -> None:
        self._node, self._name, self._collect = node, name, collect
        self._ports, self._hidden = Ports(), False
        self._publisher = node.create_publisher(DiagnosticArray, "diagnostics", 10)
        self._clock = Clock(clock_type=ClockType.STEADY_TIME)  # setting back the system clock must not stop the timer
        self._timer = node.create_timer(PERIOD_S, self.publish, clock=self._clock)

    def publish(self) -> None:
        """Publish once; the timer calls it every period."""
        level, message, values = self._report()
        status = DiagnosticStatus(level=level, name=self._name, message=message)
        status.hardware_id = self._node.get_fully_qualified_name()
        status.values = [KeyValue(key=key, value=_text(value)) for key, value in values.items()]
        array = DiagnosticArray(status=[status])
        array.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(array)

    def destroy(self) -> None:
        """Destroy the timer and the publisher."""
        self._node.destroy_timer(self._timer)
        self._node.destroy_publisher(self._publisher)

    def _report(self) -> Report:
        level, message, values = self._collected()
        if not self._ports.lost():
            return level, message, values
        if not self._hidden:
            self._hidden = True
            log.warning(self._node, HIDDEN)
        return max(level, WARN), message, {**values, "hidden": HIDDEN}

    def _collected(self) -> Report:
        try:
            return self._collect()
        except Exception as error:  # raised in a timer, it would end the node
            return ERROR, f"{type(error).__name__}: {error}", {}


def _text(value: Value) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
