"""A topic with a second publisher, over a real topic: neither is used, and both are named."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import rclpy
from rclpy.context import Context
from rclpy.node import Node
from std_msgs.msg import Int32

from node_kit import qos
from node_kit.polled_subscription import PolledSubscription
from node_kit.testing import until

pytestmark = pytest.mark.graph

TOPIC = "/sole_publisher_test/number"
Start = Callable[[str], "Sender"]


class Sender:
    """A node of its own participant that publishes numbers."""

    def __init__(self, name: str) -> None:
        self._context = Context()
        rclpy.init(context=self._context)
        self.node = rclpy.create_node(name, context=self._context)
        self._publisher = self.node.create_publisher(Int32, TOPIC, qos.COMMAND)
        self._left = False

    def send(self, number: int) -> None:
        assert until(self._publisher.get_subscription_count)
        self._publisher.publish(Int32(data=number))

    def leave(self) -> None:
        if not self._left:
            self._left = True
            self.node.destroy_node()
            rclpy.shutdown(context=self._context)


class Receiver:
    """A polled subscription: what it delivered, and why it refused."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.numbers: list[int] = []
        self.refusals: list[str] = []
        take = lambda message: self.numbers.append(message.data)  # noqa: E731
        self.inbox = PolledSubscription(node, Int32, TOPIC, take, qos.COMMAND, self.refusals.append)

    def receives(self, *numbers: int) -> bool:
        return until(lambda: self.inbox.deliver() or self.numbers[-len(numbers) :] == list(numbers))

    def refuses(self, *names: str) -> bool:
        text = f"two publishers of {TOPIC}: {' and '.join(names)}"
        return until(lambda: self.inbox.deliver() or self.refusals[-1:] == [text])

    def knows(self, count: int) -> bool:
        """Whether so many publishers are matched, and each has its node's name by now."""
        matched = lambda: self.inbox.subscription.handle.get_publisher_count() == count  # noqa: E731
        return until(
            lambda: matched() and len(self._names()) == count and not any("UNKNOWN" in n for n in self._names())
        )

    def _names(self) -> list[str]:
        return [end.node_name for end in self.node.get_publishers_info_by_topic(TOPIC)]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    context = Context()
    rclpy.init(context=context)
    node = rclpy.create_node("receiver", context=context)
    yield Receiver(node)
    node.destroy_node()
    rclpy.shutdown(context=context)


@pytest.fixture
def start() -> Iterator[Start]:
    senders: list[Sender] = []

    def run(name: str) -> Sender:
        senders.append(Sender(name))
        return senders[-1]

    yield run
    for sender in senders:
        sender.leave()


def test_neither_of_two_publishers_is_used_and_both_are_named(receiver: Receiver, start: Start) -> None:
    policy = start("policy")
    assert receiver.knows(1)
    policy.send(1)
    assert receiver.receives(1)
    other = start("other_policy")
    assert receiver.knows(2)
    policy.send(2)
    other.send(3)
    assert receiver.refuses("other_policy", "policy")
    assert until(lambda: receiver.inbox.deliver() or len(receiver.refusals) == 2) and receiver.numbers == [1]


def test_the_publisher_that_remains_is_used_again(receiver: Receiver, start: Start) -> None:
    first, second = start("first"), start("second")
    assert receiver.knows(2)
    first.send(1)
    assert receiver.refuses("first", "second")
    second.leave()
    assert receiver.knows(1)
    first.send(2)
    assert receiver.receives(2)


def test_a_publisher_that_left_is_replaced(receiver: Receiver, start: Start) -> None:
    for number in (1, 2):
        sender = start("policy")
        assert receiver.knows(1)
        sender.send(number)
        assert receiver.receives(number)
        sender.leave()
        assert receiver.knows(0)
    assert not receiver.refusals


def test_a_message_of_a_publisher_that_left_at_once_is_refused(receiver: Receiver, start: Start) -> None:
    policy, once = start("policy"), start("once")
    assert receiver.knows(2)
    once.leave()
    assert receiver.knows(1)
    for number in (1, 2, 3):
        policy.send(number)
    assert receiver.receives(3)
    once = start("once")
    assert receiver.knows(2)
    once.send(4)
    assert until(lambda: _waits(receiver))
    once.leave()
    assert receiver.knows(1) and receiver.refuses("one that left", "policy")
    policy.send(5)
    assert receiver.receives(3, 5)


def _waits(receiver: Receiver) -> bool:
    """Whether a message waits in the queue; it is not taken."""
    from rclpy.impl.implementation_singleton import rclpy_implementation as implementation

    node, subscription = receiver.node, receiver.inbox.subscription
    with subscription.handle, node.context.handle:
        waiting = implementation.WaitSet(1, 0, 0, 0, 0, 0, node.context.handle)
        waiting.clear_entities()
        waiting.add_subscription(subscription.handle)
        waiting.wait(0)
        return bool(waiting.get_ready_entities("subscription"))
