"""The emergency stop of several nodes: who receives it repeats it, and nobody repeats it after the release."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from std_msgs.msg import Bool
from std_srvs.srv import Trigger

from node_kit import qos
from node_kit.emergency_stop import RELEASED_S, TOPIC, EmergencyStop
from node_kit.testing import BackgroundPeer, Peer, until

pytestmark = pytest.mark.graph


class Robot(BackgroundPeer):
    """A node with an emergency stop and ~/reset, as a driver has, in a context of its own."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.changes: list[bool] = []
        self.stop = EmergencyStop(self.node, self.changes.append)
        self.node.create_service(Trigger, f"/{name}/reset", lambda request, response: response)
        self.start()

    def receives(self, *names: str) -> bool:
        return self.stop.connected() >= set(names)


@pytest.fixture
def robot() -> Iterator[Callable[[str], Robot]]:
    made: list[Robot] = []

    def make(name: str) -> Robot:
        made.append(Robot(name))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def pair(robot) -> tuple[Robot, Robot]:
    """Two robots that have discovered each other."""
    left, right = robot("left"), robot("right")
    assert until(lambda: left.receives("left", "right") and right.receives("left", "right"))
    return left, right


@pytest.fixture
def peer() -> Iterator[Peer]:
    made = Peer("operator")
    yield made
    made.close()


def publish(peer: Peer, robots: tuple[Robot, ...], asserted: bool) -> None:
    """Publish to connected robots, each of which subscribes with both durabilities."""
    peer.publisher(Bool, TOPIC, qos.LATCHED, 2 * len(robots)).publish(Bool(data=asserted))


def stopped(robots: tuple[Robot, ...]) -> bool:
    """Whether the stop is asserted in all robots, no longer repeated, and known to be held by the others."""
    return not repeating() and all(
        one.stop.asserted and len(one.stop.held_by_others()) == len(robots) - 1 for one in robots
    )


def repeating() -> bool:
    return any(thread.name == "emergency stop" for thread in threading.enumerate())


def released(robots: tuple[Robot, ...]) -> bool:
    return not any(one.stop.asserted or one.stop.held_by_others() for one in robots)


def test_a_stop_that_one_node_receives_reaches_the_other(pair):
    left, right = pair
    left.stop._receive(Bool(data=True))
    assert until(lambda: right.changes == [True])
    assert left.changes == [True]


def test_a_node_that_starts_later_is_stopped(pair, robot):
    pair[0].stop.assert_stop()
    late = robot("late")
    assert until(lambda: late.changes == [True])


def test_a_latched_monitor_receives_the_stop_of_a_volatile_publisher(pair, peer):
    monitor = peer.collect(Bool, TOPIC, qos.LATCHED)
    pair[0].stop._receive(Bool(data=True))
    peer.wait_for(lambda: Bool(data=True) in monitor, "the repeated stop")


def test_a_release_withdraws_what_was_repeated(pair, peer, robot):
    pair[0].stop.assert_stop()
    assert until(lambda: stopped(pair))
    publish(peer, pair, False)
    assert until(lambda: released(pair))
    late = robot("late")
    assert until(lambda: late.receives("left", "right") and pair[0].receives("late"))
    peer.listen(0.5)
    assert late.changes == [] and all(one.changes == [True, False] for one in pair)


def test_a_node_that_missed_the_release_is_named_and_stops_the_other_again(pair):
    left, right = pair
    left.stop.assert_stop()
    assert until(lambda: right.changes == [True])
    right.stop._receive(Bool(data=False))
    assert until(lambda: right.stop.held_by_others() == ["left"])
    right.stop.check()
    assert right.changes == [True, False]
    right.stop.check()
    assert right.changes == [True, False, True]


def test_a_release_is_not_overruled_by_what_others_still_repeat(pair, peer):
    pair[0].stop.assert_stop()
    assert until(lambda: all(one.stop.asserted for one in pair)) and repeating()
    publish(peer, pair, False)
    assert until(lambda: released(pair) and not repeating())
    assert all(one.changes == [True, False] for one in pair)


def test_a_repeated_stop_counts_but_for_a_moment_after_a_release(robot):
    one = robot("left")
    one.stop._receive(Bool(data=True))
    one.stop._receive(Bool(data=False))
    one.stop._receive_repeated(Bool(data=True))
    assert one.changes == [True, False]
    one.stop._released_s -= RELEASED_S  # that moment later
    one.stop._receive_repeated(Bool(data=True))
    assert one.changes == [True, False, True]


def test_a_new_stop_counts_at_once_after_a_release(pair):
    left, right = pair
    for asserted in (True, False):
        right.stop._receive(Bool(data=asserted))
    left.stop._receive(Bool(data=True))
    assert until(lambda: right.changes == [True, False, True])


def test_two_stops_at_once_are_released_together(pair, peer):
    for one in pair:
        one.stop.assert_stop()
    assert until(lambda: stopped(pair))
    publish(peer, pair, False)
    assert until(lambda: released(pair))
    assert all(one.changes == [True, False] for one in pair)


def test_a_stop_that_waits_behind_its_release_does_not_stop_again(peer):
    slow, changes = Peer("slow"), []
    stop = EmergencyStop(slow.node, changes.append)
    stop.assert_stop()
    assert until(lambda: not repeating())
    operator = peer.publisher(Bool, TOPIC, qos.LATCHED, 2)
    for asserted in (True, False):  # nobody spins the node meanwhile
        operator.publish(Bool(data=asserted))
    peer.listen(0.5)
    slow.wait_for(lambda: not stop.asserted, "the release")
    slow.listen(0.5)
    assert changes == [True, False]
    slow.close()


def test_a_stop_after_a_release_stops_again(pair, peer):
    for asserted, reached in ((True, stopped), (False, released), (True, stopped)):
        publish(peer, pair, asserted)
        assert until(lambda: reached(pair))  # noqa: B023
    assert all(one.changes == [True, False, True] for one in pair)


def test_a_button_that_was_overruled_by_a_release_holds_nothing(pair, peer):
    publish(peer, pair, True)
    assert until(lambda: stopped(pair))
    operator = Peer("release")
    publish(operator, pair, False)
    assert until(lambda: released(pair))
    operator.close()
