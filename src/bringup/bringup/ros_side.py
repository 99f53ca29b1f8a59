"""The supervisor's ROS node: emergency stop, diagnostics, lifecycle clients."""

from __future__ import annotations

import faulthandler
import threading

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from bringup.monitor import Monitor
from node_kit import udp_sockets
from node_kit.emergency_stop import EmergencyStop

HANGS_S = 10.0


class RosSide:
    """A node that spins in its own thread from construction to `close`, in the namespace of the station."""

    def __init__(self, monitor: Monitor, namespace: str = "") -> None:
        self._context = Context()
        rclpy.init(args=[], context=self._context, signal_handler_options=SignalHandlerOptions.NO)
        with udp_sockets.created() as self._sockets:
            self.node = Node(
                "supervisor",
                namespace=namespace,
                context=self._context,
                start_parameter_services=False,
                enable_rosout=False,
            )
        self._estop = EmergencyStop(self.node)
        self.node.create_subscription(DiagnosticArray, "diagnostics", monitor.receive, 50)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._spin, name="ros", daemon=True)
        self._thread.start()

    def _spin(self) -> None:
        try:
            self._executor.spin()
        except ExternalShutdownException:
            return

    def emergency_stop(self) -> None:
        """Assert the emergency stop; may be called in any thread."""
        self._estop.assert_stop()

    def connected(self) -> set[str]:
        """Names of the nodes that the emergency stop reaches at once."""
        return self._estop.connected()

    def close(self) -> None:
        """Stop spinning and destroy the node."""
        self._executor.shutdown(timeout_sec=1.0)
        self._thread.join(timeout=1.0)
        udp_sockets.stop_receiving(self._sockets)  # all nodes have just ended
        faulthandler.dump_traceback_later(HANGS_S, exit=True)  # it would wait with the interpreter lock held
        self.node.destroy_node()
        rclpy.try_shutdown(context=self._context)
        faulthandler.cancel_dump_traceback_later()
