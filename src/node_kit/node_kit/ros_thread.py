"""A node beside that of the process, with a thread of its own."""

from __future__ import annotations

import threading

from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from node_kit import udp_sockets


class RosThread:
    """A node with its own context, executor and thread, independent of other uses of ROS in the process."""

    def __init__(self, name: str) -> None:
        self._context, self._end = Context(), threading.Event()
        self._context.init([], initialize_logging=False)
        with udp_sockets.created() as self._sockets:
            self.node = Node(name, context=self._context, enable_rosout=False, start_parameter_services=False)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._spin, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def end(self) -> None:
        """End the thread and destroy the node."""
        self._end.set()
        self._executor.wake()
        self._thread.join(1.0)
        self._executor.shutdown()
        udp_sockets.stop_receiving(self._sockets)
        self.node.destroy_node()
        self._context.try_shutdown()

    def _spin(self) -> None:
        while not self._end.is_set():
            self._executor.spin_once(timeout_sec=0.1)
