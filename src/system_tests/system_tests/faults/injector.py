"""Injects faults into a running graph: forged messages, device faults, the emergency stop; and resets the drivers.

Images, latent actions and commands go through it: it forwards them from the topics of the graph to those that their
subscribers are remapped to. A topic has one publisher, so a forged message, which is a real one with one change, could
not come from a second one.
"""

from __future__ import annotations

import copy
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import rclpy
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.serialization import deserialize_message
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image
from std_msgs.msg import Bool, String
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from bringup.executables import process_command
from bringup.graph import DRIVERS, POLICY, NodeDescription
from bringup.release import NOT_STOPPED
from contracts.station import Station
from node_kit import messages, qos, udp_sockets
from node_kit.ros_thread import RosThread

SIDES, PARTS = ("left", "right"), ("arm", "hand")
ANSWER_S, RESET_S = 1.0, 8.0
KEPT_IMAGES = 10
FORWARDED = "/forwarded"  # prefix of the topics that subscribers receive from the injector
Command = Callable[[Sequence[NodeDescription]], list[str]]


def behind_injector(station: Station, parameters: Path) -> Command:
    """The command of a process of the graph whose subscriptions are remapped to what the injector forwards."""

    def command(nodes: Sequence[NodeDescription]) -> list[str]:
        rules = [(node.name, topic) for node in nodes for topic in subscribed(station, node)]
        remapped = [word for name, topic in rules for word in ("-r", f"{name}:{topic}:={FORWARDED}{topic}")]
        return [*process_command(nodes, parameters), *remapped]

    return command


def subscribed(station: Station, node: NodeDescription) -> list[str]:
    """The forwarded topics that a node subscribes to."""
    if node.stage == DRIVERS:
        return [f"/{node.parameters['side']}/{node.parameters['part']}/command"]
    if node.executable == "codec_node":
        return [f"/{node.parameters['side']}/latent_action"]
    return [image_topic(station)] if node.stage == POLICY else []


def image_topic(station: Station) -> str:
    """The topic of the policy's camera."""
    return f"/camera/{next(iter(station.cameras))}/image_raw"


class Injector:
    """A node that spins in its own thread from construction to `close`."""

    def __init__(self, station: Station) -> None:
        self._context = Context()
        rclpy.init(args=[], context=self._context, signal_handler_options=SignalHandlerOptions.NO)
        with udp_sockets.created() as self._sockets:
            self._node = Node("injector", context=self._context, start_parameter_services=False, enable_rosout=False)
        self._camera = image_topic(station)
        self._images: deque[bytes] = deque(maxlen=KEPT_IMAGES)
        self._forwarded = threading.Event()  # an image was, since it was cleared
        self.chunks: dict[str, JointTrajectory] = {}  # topic -> newest that the graph published
        self._listeners: dict[str, Callable[[str, JointTrajectory], None]] = {}
        self._publishers: dict[str, Any] = {}
        self._open()
        self._stream: threading.Thread | None = None
        self._intruder: RosThread | None = None
        self._quiet = threading.Event()
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._thread = threading.Thread(target=self._spin, name="injector", daemon=True)
        self._thread.start()

    @property
    def latent_topics(self) -> list[str]:
        """Topics of the policy's chunks."""
        return [f"/{side}/latent_action" for side in SIDES]

    @property
    def command_topics(self) -> list[str]:
        """Topics of the codecs' chunks."""
        return [f"/{side}/{part}/command" for side in SIDES for part in PARTS]

    @property
    def images(self) -> list[Image]:
        """The newest images."""
        return [deserialize_message(data, Image) for data in list(self._images)]

    def wait_for_image(self) -> None:
        """Wait until the next image is forwarded, at most ANSWER_S."""
        self._forwarded.clear()
        self._forwarded.wait(ANSWER_S)

    def publish(self, topic: str, message: Any) -> None:
        """Publish one message to the subscribers of a topic."""
        self._publishers[topic].publish(message)

    def device_fault(self, part: str, setting: str) -> None:
        """Set a fault of an emulated device: "left/hand", "silent 1"."""
        self.publish("/emulators/fault", String(data=f"{part} {setting}"))

    def estop(self, asserted: bool) -> None:
        """Assert or release the emergency stop."""
        self.publish("/estop", Bool(data=asserted))

    def stream(self, period_s: float, step: Callable[[int], None]) -> None:
        """Call `step(i)` every `period_s` from another thread, until `quiet`."""
        self._quiet.clear()

        def run() -> None:
            count = 0
            while not self._quiet.wait(period_s):
                step(count)
                count += 1

        self._stream = threading.Thread(target=run, name="stream", daemon=True)
        self._stream.start()

    def on_chunk(self, topic: str, react: Callable[[str, JointTrajectory], None]) -> None:
        """Call `react(topic, message)` for each new chunk of the graph on `topic`, until `quiet`."""
        self._listeners[topic] = react

    def quiet(self) -> None:
        """Stop forging messages."""
        self._listeners.clear()
        self._quiet.set()
        if self._stream is not None:
            self._stream.join(2.0)
        self._stream = None
        if self._intruder is not None:
            self._intruder.end()
        self._intruder = None
        self.chunks.clear()  # last, as the stream uses them

    def wait_for_chunks(self, topics: Iterable[str]) -> None:
        """Wait until a message of each topic was received since `quiet`.

        Raises:
            TimeoutError: If one is missing.
        """
        deadline = time.monotonic() + ANSWER_S
        while missing := [topic for topic in topics if topic not in self.chunks]:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{missing[0]}: no message for {ANSWER_S:g} s")
            time.sleep(0.005)

    def intrude(self, topic: str) -> None:
        """Publish the chunks of a topic from a second node, too, until `quiet`."""
        self._intruder = intruder = RosThread("intruder")
        second = intruder.node.create_publisher(JointTrajectory, FORWARDED + topic, qos.COMMAND)
        self.on_chunk(topic, lambda _, message: second.publish(message))
        intruder.start()

    def forge(self, topics: Iterable[str], change: Callable[[JointTrajectory], None]) -> None:
        """Publish the newest chunk of each topic with the present time as its stamp, and changed by `change`."""
        for topic in topics:
            message = copy.deepcopy(self.chunks[topic])
            message.header.stamp = messages.to_stamp(time.time_ns())
            change(message)
            self.publish(topic, message)

    def call(self, service: str) -> tuple[bool, str]:
        """Call a Trigger service; returns (success, message)."""
        client = self._node.create_client(Trigger, service)
        try:
            if not client.wait_for_service(ANSWER_S):
                return False, "no such service"
            call, deadline = client.call_async(Trigger.Request()), time.monotonic() + ANSWER_S
            while not call.done() and time.monotonic() < deadline:
                time.sleep(0.005)
            response = call.result() if call.done() else None
            return (False, "no response") if response is None else (response.success, response.message)
        finally:
            self._node.destroy_client(client)

    def release(self, drivers: Iterable[str]) -> Mapping[str, str]:
        """Release the emergency stop and reset all drivers; returns the refusals by driver."""
        self.estop(False)
        deadline, refusals = time.monotonic() + RESET_S, dict.fromkeys(drivers, "not requested")
        while refusals and time.monotonic() < deadline:
            for driver in list(refusals):
                done, refusals[driver] = self.call(f"/{driver}/reset")
                if done or refusals[driver] == NOT_STOPPED:
                    del refusals[driver]
            time.sleep(0.05 if refusals else 0.0)
        return refusals

    def close(self) -> None:
        """Destroy the node."""
        self.quiet()
        self._executor.shutdown(timeout_sec=1.0)
        self._thread.join(1.0)
        udp_sockets.stop_receiving(self._sockets)
        self._node.destroy_node()
        rclpy.try_shutdown(context=self._context)

    def _open(self) -> None:
        node, kept = self._node, qos.LATCHED
        for topic in (*self.latent_topics, *self.command_topics):
            self._publishers[topic] = node.create_publisher(JointTrajectory, FORWARDED + topic, qos.COMMAND)
            node.create_subscription(JointTrajectory, topic, partial(self._receive, topic), qos.COMMAND)
        self._publishers[self._camera] = node.create_publisher(Image, FORWARDED + self._camera, qos.IMAGE)
        self._publishers["/emulators/fault"] = node.create_publisher(String, "/emulators/fault", 10)
        self._publishers["/estop"] = node.create_publisher(Bool, "/estop", kept)
        node.create_subscription(Image, self._camera, self._receive_image, qos.IMAGE, raw=True)

    def publish_image(self, image: Image, stamp_ns: int) -> None:
        """Publish an image with another stamp, ns."""
        message = Image(height=image.height, width=image.width, encoding=image.encoding, step=image.step)
        message.header.frame_id, message.header.stamp = image.header.frame_id, messages.to_stamp(stamp_ns)
        message.data = image.data
        self.publish(self._camera, message)

    def _receive_image(self, data: bytes) -> None:
        self.publish(self._camera, data)
        self._images.append(data)
        self._forwarded.set()

    def _receive(self, topic: str, message: JointTrajectory) -> None:
        """Forward and keep a chunk of the graph."""
        self.publish(topic, message)
        self.chunks[topic] = message
        react = self._listeners.get(topic)
        if react is not None:
            react(topic, message)

    def _spin(self) -> None:
        try:
            self._executor.spin()
        except ExternalShutdownException:
            return
