"""Brings nodes up in order through their lifecycle services: subscribers before their publishers.

All nodes are configured before the first is activated. Starting processes and loading models take all of a small
computer: nothing runs in real time meanwhile. What is wrong with a file is found before a robot is connected.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.node import Node
from rclpy.task import Future

POLL_S = 0.005
ANSWER_S = 0.5
FOREIGN = "another graph runs in this ROS domain: end it, or set another ROS_DOMAIN_ID or namespace"
CONFIGURE, ACTIVATE, DEACTIVATE = (
    Transition.TRANSITION_CONFIGURE,
    Transition.TRANSITION_ACTIVATE,
    Transition.TRANSITION_DEACTIVATE,
)
VERBS = {CONFIGURE: "configure", ACTIVATE: "activate", DEACTIVATE: "deactivate"}
LONGEST_S = {CONFIGURE: 60.0, ACTIVATE: 20.0, DEACTIVATE: 3.0}  # waits for the response to a transition
APPEAR_S = 60.0  # longest wait for a node's services


class BringUpError(RuntimeError):
    """A node did not appear, refused a transition or did not respond; the text is one line that names it."""


class LifecycleManager:
    """Configures all nodes at the same time, then activates them stage by stage.

    Args:
        node: The node whose clients are used, in the namespace of the nodes; its executor must spin in another thread.
        stages: Names of the nodes by stage.
        check: Called while waiting; may raise to end the bring-up.
        reason: The error that a node has logged, by its name; "" if unknown.
    """

    def __init__(
        self,
        node: Node,
        stages: Sequence[Sequence[str]],
        check: Callable[[], None] = lambda: None,
        reason: Callable[[str], str] = lambda name: "",
    ) -> None:
        self._stages, self._check, self._reason = stages, check, reason
        names = [name for stage in stages for name in stage]
        # In this order: see _wait_until_present.
        self._clients = {name: node.create_client(ChangeState, f"{name}/change_state") for name in names}
        self._states = {name: node.create_client(GetState, f"{name}/get_state") for name in names}
        self._count_services = node.count_services

    def bring_up(
        self, progress: Callable[[str], None] = lambda text: None, before_last: Callable[[], None] = lambda: None
    ) -> None:
        """Configure all nodes, and activate them in order.

        Args:
            progress: Called with a text at each transition.
            before_last: Called before the last stage, which starts the motion; may raise.

        Raises:
            BringUpError: If a node fails; the others keep their states. Exceptions of the callbacks pass through.
        """
        for stage in self._stages:
            self._wait_until_present(stage)
            self._expect_alone(stage)
        progress(f"configure: {', '.join(self._clients)}")
        self.change(self._clients, CONFIGURE)
        for stage in self._stages:
            if stage is self._stages[-1]:
                before_last()
            progress(f"activate: {', '.join(stage)}")
            self.change(stage, ACTIVATE)

    def _wait_until_present(self, names: Sequence[str]) -> None:
        """Wait until each node has responded to a request for its state.

        The first response of a ready service may be lost if the server has not discovered this client. Discovery is in
        order, so after one response here, those of `change` are not lost.
        """
        deadline = time.monotonic() + APPEAR_S
        missing = list(names)
        while missing := [name for name in missing if not self._answers(name)]:
            if time.monotonic() > deadline:
                raise BringUpError(f"{missing[0]}: did not appear within {APPEAR_S:g} s")
            self._pause()

    def _answers(self, name: str) -> bool:
        """Whether a node that is not configured has responded.

        Raises:
            BringUpError: If one is further: it is not of this graph, whose nodes this class alone configures.
        """
        client = self._states[name]
        if not client.service_is_ready():
            return False
        call, patience = client.call_async(GetState.Request()), time.monotonic() + ANSWER_S
        while not call.done() and time.monotonic() < patience:
            self._pause()
        if not call.done():
            client.remove_pending_request(call)
            return False
        state = getattr(call.result(), "current_state", State(id=State.PRIMARY_STATE_UNKNOWN))
        if state.id not in (State.PRIMARY_STATE_UNCONFIGURED, State.PRIMARY_STATE_UNKNOWN):
            raise BringUpError(f"{name}: found it {state.label}, expected unconfigured; {FOREIGN}")
        return True

    def _expect_alone(self, names: Sequence[str]) -> None:
        """Check that each name has one node.

        Raises:
            BringUpError: If one has more.
        """
        for name in names:
            count = self._count_services(f"{name}/change_state")
            if count > 1:
                raise BringUpError(f"{name}: found {count} nodes of this name, expected one; {FOREIGN}")

    def change(self, names: Iterable[str], transition: int) -> None:
        """Request one transition of several nodes at the same time.

        Raises:
            BringUpError: Naming the first node that refused.
        """
        request = ChangeState.Request(transition=Transition(id=transition))
        calls = {name: self._clients[name].call_async(request) for name in names}
        deadline = time.monotonic() + LONGEST_S[transition]
        for name, call in calls.items():
            self._wait_for(name, call, transition, deadline)
        refused = [name for name, call in calls.items() if (response := call.result()) is None or not response.success]
        if refused:
            raise BringUpError(self._refusal(refused[0], transition))

    def _wait_for(self, name: str, call: Future, transition: int, deadline: float) -> None:
        while not call.done():
            if time.monotonic() > deadline:
                raise BringUpError(f"{name}: no response to {VERBS[transition]} within {LONGEST_S[transition]:g} s")
            self._pause()

    def _refusal(self, name: str, transition: int) -> str:
        reason = self._reason(name)
        return f"{name}: did not {VERBS[transition]}" + (f": {reason}" if reason else "; see its output")

    def _pause(self) -> None:
        self._check()
        time.sleep(POLL_S)
