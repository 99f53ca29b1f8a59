"""Polled raw subscriptions: serialized messages with their time of reception, at a fraction of a callback's cost.

The middleware queues messages with their time of reception, so that polling does not reduce the accuracy.
"""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import rclpy
from rclpy.context import Context
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime

from episodes import messages
from node_kit.polled_subscription import take

DEPTH = 200  # messages kept by the middleware between two polls, per topic
IMAGE_DEPTH = 30
_FOREVER = QosTime(9223372036, 854775807)


@dataclass
class _Entry:
    """One subscription. Sequence numbers count per publisher, so they indicate losses only of a single one."""

    topic: str
    msgtype: str
    subscription: Subscription
    qos: list[Qos]
    publishers: int = 1
    sequence: int = 0


class RawSubscriptions:
    """Raw subscriptions to topics of any standard type; all methods are called by one thread.

    `lost` counts messages lost in transport, by topic; `unreadable` why a topic cannot be recorded.

    Args:
        topics: Full names; a topic without publisher is searched for again at every `discover`.
        context: The ROS context.
    """

    def __init__(self, topics: Sequence[str], context: Context | None = None) -> None:
        # a separate node without executor, so that no other code takes its messages; the underscore hides it
        self._node: Node = rclpy.create_node(
            "_recorder_subscriptions",
            context=context,
            enable_rosout=False,
            start_parameter_services=False,
            use_global_arguments=False,
        )
        self._entries: dict[str, _Entry] = {}
        self._missing = list(dict.fromkeys(topics))
        self._received: set[str] = set()
        self.unreadable: dict[str, str] = {}
        self.lost: Counter[str] = Counter()

    @property
    def missing(self) -> list[str]:
        """Topics without a publisher."""
        return list(self._missing)

    @property
    def connected(self) -> bool:
        """Whether each topic has a publisher that the middleware has connected."""
        return not self._missing and all(e.subscription.get_publisher_count() for e in self._entries.values())

    @property
    def topics_received(self) -> int:
        """From how many topics a message has come."""
        return len(self._received)

    def discover(self) -> None:
        """Subscribe to topics that have a publisher now, and count the publishers of the others."""
        for topic in self._missing[:]:
            offers = self._node.get_publishers_info_by_topic(topic)
            if offers:
                self._open(topic, offers)
        for topic, entry in self._entries.items():
            entry.publishers = self._node.count_publishers(topic)

    def poll(self) -> Iterator[tuple[str, str, int, bytes, Sequence[Qos]]]:
        """Take all messages since the last poll: topic, type, time of reception in ns, bytes, offered QoS."""
        for entry in self._entries.values():
            while (taken := take(entry.subscription)) is not None:
                raw, info = taken
                self._received.add(entry.topic)
                self._count_lost(entry, info["publication_sequence_number"])
                yield entry.topic, entry.msgtype, info["received_timestamp"], raw, entry.qos

    def close(self) -> None:
        """Destroy all subscriptions."""
        self._node.destroy_node()

    def _open(self, topic: str, offers: Sequence[Any]) -> None:
        self._missing.remove(topic)
        msgtype = offers[0].topic_type
        try:
            message_class = message_type(msgtype)
        except (ImportError, AttributeError, ValueError) as error:
            self.unreadable[topic] = f"{msgtype}: {error}"
            return
        profile = _matching(offers, IMAGE_DEPTH if msgtype.endswith("/Image") else DEPTH)
        subscription = self._node.create_subscription(message_class, topic, _ignore, profile, raw=True)
        self._entries[topic] = _Entry(topic, msgtype, subscription, [_recorded(profile)], len(offers))

    def _count_lost(self, entry: _Entry, sequence: int | None) -> None:
        if sequence is None:
            return
        if entry.publishers == 1 and 0 < entry.sequence < sequence - 1:
            self.lost[entry.topic] += sequence - 1 - entry.sequence
        entry.sequence = sequence if entry.publishers == 1 else 0  # with several, the next may be another's


def message_type(name: str) -> Any:
    """The message class of a type name such as `sensor_msgs/msg/Image`.

    Raises:
        ValueError: If it is not a standard type.
    """
    package, kind, message = name.split("/")
    if name not in messages.typestore().fielddefs:
        raise ValueError("not one of the standard types")
    return getattr(importlib.import_module(f"{package}.{kind}"), message)


def _ignore(_: object) -> None:
    """The callback, which is not called: no executor spins the node."""


def _matching(offers: Sequence[Any], depth: int) -> QoSProfile:
    """The strongest profile that is compatible with every publisher."""
    reliable = all(offer.qos_profile.reliability == ReliabilityPolicy.RELIABLE for offer in offers)
    latched = all(offer.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL for offer in offers)
    return QoSProfile(
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )


def _recorded(profile: QoSProfile) -> Qos:
    """The profile as stored in a bag, so that `ros2 bag play` offers the same."""
    reliable = profile.reliability == ReliabilityPolicy.RELIABLE
    latched = profile.durability == DurabilityPolicy.TRANSIENT_LOCAL
    return Qos(
        QosHistory.KEEP_LAST,
        profile.depth,
        QosReliability.RELIABLE if reliable else QosReliability.BEST_EFFORT,
        QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE,
        _FOREVER,
        _FOREVER,
        QosLiveliness.AUTOMATIC,
        _FOREVER,
        False,
    )
