"""Raw subscriptions read by polling: message bytes with their time of reception, at a fraction of a callback's cost.

The middleware keeps what arrives between two polls and remembers when it came, so that polling costs no accuracy.
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
class _Tap:
    """One subscription. Sequence numbers count per publisher, so they tell losses only while there is one."""

    topic: str
    msgtype: str
    subscription: Subscription
    qos: list[Qos]
    publishers: int = 1
    sequence: int = 0


class Taps:
    """Taps on topics by name; those that do not exist yet are looked for again at every `discover`.

    All methods belong to one thread. `lost` counts, by topic, messages that were published and never arrived.
    """

    def __init__(self, topics: Sequence[str], context: Context | None = None) -> None:
        # a node of its own that no executor knows: nobody else takes its messages; the underscore hides it
        self._node: Node = rclpy.create_node(
            "_recorder_taps",
            context=context,
            enable_rosout=False,
            start_parameter_services=False,
            use_global_arguments=False,
        )
        self._taps: dict[str, _Tap] = {}
        self._missing = list(dict.fromkeys(topics))
        self.unreadable: dict[str, str] = {}
        self.lost: Counter[str] = Counter()

    @property
    def missing(self) -> list[str]:
        """Topics nobody publishes yet."""
        return list(self._missing)

    def discover(self) -> None:
        """Subscribe to wanted topics that have appeared and count the publishers of the others."""
        for topic in self._missing[:]:
            offers = self._node.get_publishers_info_by_topic(topic)
            if offers:
                self._open(topic, offers)
        for topic, tap in self._taps.items():
            tap.publishers = self._node.count_publishers(topic)

    def poll(self) -> Iterator[tuple[str, str, int, bytes, Sequence[Qos]]]:
        """Everything that arrived since the last poll: topic, type, time of reception in ns, bytes, offered QoS."""
        for tap in self._taps.values():
            while (taken := take(tap.subscription)) is not None:
                raw, info = taken
                self._count_lost(tap, info["publication_sequence_number"])
                yield tap.topic, tap.msgtype, info["received_timestamp"], raw, tap.qos

    def close(self) -> None:
        """Drop all subscriptions."""
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
        self._taps[topic] = _Tap(topic, msgtype, subscription, [_recorded(profile)], len(offers))

    def _count_lost(self, tap: _Tap, sequence: int | None) -> None:
        if sequence is None:
            return
        if tap.publishers == 1 and 0 < tap.sequence < sequence - 1:
            self.lost[tap.topic] += sequence - 1 - tap.sequence
        tap.sequence = sequence if tap.publishers == 1 else 0  # of several, the next may be of another one


def message_type(name: str) -> Any:
    """The message class of a type name such as `sensor_msgs/msg/Image`. Raises ValueError if bags do not know it."""
    package, kind, message = name.split("/")
    if name not in messages.typestore().fielddefs:
        raise ValueError("not one of the standard types")
    return getattr(importlib.import_module(f"{package}.{kind}"), message)


def _ignore(_: object) -> None:
    """Never called: no executor spins the node."""


def _matching(offers: Sequence[Any], depth: int) -> QoSProfile:
    """A profile compatible with every publisher, as strong as they allow."""
    reliable = all(offer.qos_profile.reliability == ReliabilityPolicy.RELIABLE for offer in offers)
    latched = all(offer.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL for offer in offers)
    return QoSProfile(
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )


def _recorded(profile: QoSProfile) -> Qos:
    """The profile as a bag remembers it, so that playing it offers the same."""
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
