"""The lifecycle manager among nodes of another graph that have the names of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from rclpy.lifecycle import TransitionCallbackReturn

from bringup.lifecycle import BringUpError, LifecycleManager
from node_kit.lifecycle import Lifecycle
from node_kit.testing import BackgroundPeer, until

pytestmark = pytest.mark.graph


class Noting(Lifecycle):
    """Notes that it was configured."""

    configured = False

    def configure(self, parameters: object) -> None:
        self.configured = True


@pytest.fixture
def peer() -> Iterator[BackgroundPeer]:
    peer = BackgroundPeer("manager")
    peer.start()
    yield peer
    peer.close()


@pytest.fixture
def start(peer: BackgroundPeer) -> Iterator[Callable[[str], Noting]]:
    nodes: list[Noting] = []

    def run(name: str) -> Noting:
        nodes.append(Noting(name, context=peer.node.context))
        assert peer.node.executor is not None
        peer.node.executor.add_node(nodes[-1])
        return nodes[-1]

    yield run
    for node in nodes:
        node.destroy_node()


def test_a_foreign_node_that_is_active_ends_the_bring_up(peer: BackgroundPeer, start: Callable[[str], Noting]) -> None:
    foreign = start("working")
    assert foreign.trigger_configure() == foreign.trigger_activate() == TransitionCallbackReturn.SUCCESS
    with pytest.raises(BringUpError, match=r"^working: found it active, expected unconfigured; another graph runs"):
        LifecycleManager(peer.node, [["working"]]).bring_up()


def test_two_nodes_of_one_name_end_the_bring_up_unconfigured(
    peer: BackgroundPeer, start: Callable[[str], Noting]
) -> None:
    both = [start("twin"), start("twin")]
    assert until(lambda: peer.node.count_services("/twin/change_state") == 2)
    with pytest.raises(BringUpError, match=r"^twin: found 2 nodes of this name, expected one; another graph runs"):
        LifecycleManager(peer.node, [["twin"]]).bring_up()
    assert not any(node.configured for node in both)
