"""The emergency stop of one node: it subscribes to estop, and repeats a stop until it is released.

A publisher may be volatile and short-lived, as that of `ros2 topic pub --once`, and then reaches only those nodes that
have discovered it by then. So each node that receives a stop repeats it, latched, with a publisher that all others have
discovered before. It withdraws the message when it receives the release, by replacing that publisher. A release is not
repeated: a node that has missed it keeps the stop, and keeps the others from being reset.

For a second a node repeats the stop on a topic of its own, which is not received for a moment after a release: what
others repeated before they received the release would overrule it. A new stop comes on the first topic, and is
repeated for longer than that moment.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable

from rclpy._rclpy_pybind11 import InvalidHandle, RCLError
from rclpy.event_handler import PublisherEventCallbacks, SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from std_msgs.msg import Bool

from node_kit import qos
from node_kit.polled_subscription import take

TOPIC, REPEATED = "estop", "estop_repeated"  # below the namespace of the node
_HELD = qos.brief(0.2)  # of publishers that never publish; their lifespan tells them from all others
REPEATS, REPEAT_S = 10, 0.1
RELEASED_S = 0.3  # after a release, in which it reaches the others, too; less than what REPEATS take


class EmergencyStop:
    """Asserted by a message `true` or by `assert_stop`, and then repeated; released by a message `false`.

    Args:
        node: The node; it keeps this object, and so destroys it.
        on_change: Called with the new value at each change, before it is repeated.
    """

    def __init__(self, node: Node, on_change: Callable[[bool], None] = lambda asserted: None) -> None:
        self._node, self._on_change = node, on_change
        self._lock = threading.RLock()  # a fault is reported in another thread than that of the executor
        self._held: Publisher | None = None  # exists while the stop is asserted, so that all nodes can see who holds it
        self._disagreed = False
        self._released_s = -RELEASED_S  # time of the last release, monotonic
        self._publisher, self._repeater = self._create(qos.LATCHED), self._create(qos.EVENT, REPEATED)
        # Twice: the latched one receives what was published before, the other one also volatile publishers, which the
        # first would warn about.
        quiet = SubscriptionEventCallbacks(use_default_callbacks=False)
        self._live = node.create_subscription(Bool, TOPIC, self._receive, qos.EVENT, event_callbacks=quiet)
        self._latched = node.create_subscription(Bool, TOPIC, self._receive_latched, qos.LATCHED, event_callbacks=quiet)
        self._repeated = node.create_subscription(Bool, REPEATED, self._receive_repeated, qos.EVENT)

    @property
    def asserted(self) -> bool:
        """Whether the stop is asserted, as far as this node knows."""
        return self._held is not None

    def assert_stop(self) -> None:
        """Assert the stop, here and in all other nodes; any thread may call this.

        It is published even if it is asserted here: this node may have missed the release.
        """
        with self._lock:
            changed = self._held is None
            if changed:
                self._on_change(True)
            self._publisher.publish(Bool(data=True))
            if changed:
                self._held = self._create(_HELD)
                threading.Thread(target=self._repeat, name="emergency stop", daemon=True).start()

    def _repeat(self) -> None:
        """Publish again for a second: Fast DDS repeats what was lost, as by a process that stalls, only every 3 s."""
        held = self._held
        for _ in range(REPEATS):
            time.sleep(REPEAT_S)
            with self._lock:
                if held is None or self._held is not held:
                    return
                with contextlib.suppress(InvalidHandle, RCLError):  # the node has been destroyed
                    self._repeater.publish(Bool(data=True))

    def held_by_others(self) -> list[str]:
        """Names of the other drivers in which the stop is asserted; a driver is a node with `~/reset`."""
        holders = {
            f"{end.node_namespace.rstrip('/')}/{end.node_name}"
            for end in self._node.get_publishers_info_by_topic(TOPIC)
            if end.qos_profile.lifespan == _HELD.lifespan
        } - {self._node.get_fully_qualified_name()}
        services = {name for name, _ in self._node.get_service_names_and_types()} if holders else set()
        return sorted(name.lstrip("/") for name in holders if f"{name}/reset" in services)

    def check(self) -> None:
        """Assert the stop if another driver has held it at two calls, and this node has not; to be called every second.

        Then it has missed a stop, or the other one has missed the release.
        """
        disagrees = not self.asserted and bool(self.held_by_others())
        if disagrees and self._disagreed:
            self.assert_stop()
        self._disagreed = disagrees

    def connected(self) -> set[str]:
        """Names of the nodes that a stop reaches at once; none before all subscriptions are discovered."""
        ends = self._node.get_subscriptions_info_by_topic(TOPIC)
        reached = self._publisher.get_subscription_count() >= len(ends)
        return {end.node_name for end in ends} if reached else set()

    def destroy(self) -> None:
        """Destroy the subscriptions and publishers."""
        with self._lock:
            self._let_go()
            self._node.destroy_publisher(self._publisher)
            self._node.destroy_publisher(self._repeater)
            for subscription in (self._live, self._latched, self._repeated):
                self._node.destroy_subscription(subscription)

    def _receive_latched(self, message: Bool) -> None:
        """Take a message of the latched subscription: a release after what waits in the other one.

        A repeated stop that waits there is older than the release, and would stop this node again.
        """
        waiting: list[Bool] = []
        while not message.data and len(waiting) < qos.EVENT.depth and (found := take(self._live)) is not None:
            waiting.append(found[0])
        for each in waiting:
            self._receive(each)
        if all(each.data for each in waiting):  # else the release was among them, and what followed it counts
            self._receive(message)

    def _receive_repeated(self, message: Bool) -> None:
        if time.monotonic() - self._released_s > RELEASED_S:
            self._receive(message)

    def _receive(self, message: Bool) -> None:
        with self._lock:
            if not message.data:
                self._released_s = time.monotonic()
            if message.data and self._held is None:
                self.assert_stop()
            elif not message.data and self._held is not None:
                self._let_go()
                self._node.destroy_publisher(self._publisher)
                self._publisher = self._create(qos.LATCHED)
                self._on_change(False)

    def _let_go(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            self._node.destroy_publisher(held)

    def _create(self, profile: QoSProfile, topic: str = TOPIC) -> Publisher:
        quiet = PublisherEventCallbacks(use_default_callbacks=False)
        return self._node.create_publisher(Bool, topic, profile, event_callbacks=quiet)
