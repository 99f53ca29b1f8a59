"""The lifecycle every node shares: configure checks all, activate starts, deactivate stops, cleanup lets go."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel
from rclpy._rclpy_pybind11 import RCLError
from rclpy.client import Client
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.publisher import Publisher
from rclpy.service import Service
from rclpy.subscription import Subscription
from rclpy.timer import Timer

from node_kit import parameters

Result = TransitionCallbackReturn
Entity = TypeVar("Entity")
# What a node has to forget as well as destroy.
_KINDS = (
    (Publisher, "publisher"),
    (Subscription, "subscription"),
    (Service, "service"),
    (Client, "client"),
    (Timer, "timer"),
)


class Lifecycle(LifecycleNode):
    """Base of all nodes. Subclasses set ``Parameters`` and override the four hooks, which may raise.

    - ``configure(parameters)``: load and check everything; a raised error leaves the node unconfigured.
    - ``activate()``: start threads, open taps; a raised error leaves it inactive.
    - ``deactivate()``: stop what activate started, in a defined state. ``cleanup()``: release what configure made.

    ``deactivate`` and ``cleanup`` are also called after a failed ``activate`` or ``configure``: they must accept
    half-made work. A failure prints one line on stderr beginning "error: "; CROSSHAND_DEBUG=1 adds the traceback.
    """

    Parameters: ClassVar[type[BaseModel]] = parameters.Parameters

    def __init__(self, name: str, **options: Any) -> None:
        super().__init__(name, **options)
        self.declare_parameter("autostart", False)
        parameters.announce(self, self.Parameters)
        self.failure: str = ""
        self._active = False
        self._configured = False
        self._entities: list[tuple[Callable[[Any], Any], Any]] = []

    @property
    def active(self) -> bool:
        """Whether the node is in the active state."""
        return self._active

    def configure(self, parameters: Any) -> None:
        """Load and check everything (hook)."""

    def activate(self) -> None:
        """Start (hook)."""

    def deactivate(self) -> None:
        """Stop (hook)."""

    def cleanup(self) -> None:
        """Release (hook)."""

    def keep(self, entity: Entity) -> Entity:
        """Remember what configure made, anything with ``destroy``: destroyed at cleanup, newest first."""
        kinds = (name for kind, name in _KINDS if isinstance(entity, kind))
        name = next(kinds, None)
        destroy = getattr(self, f"destroy_{name}") if name else type(entity).destroy
        self._entities.append((destroy, entity))
        return entity

    def stop(self) -> None:
        """Leave every state in order, without the state machine: for the end of the process."""
        if self._active:
            self._attempt(self.deactivate)
            self._active = False
        if self._configured:
            self._release()

    def on_configure(self, state: LifecycleState) -> Result:
        if not self._attempt(lambda: self.configure(parameters.declare(self, self.Parameters))):
            failure = self.failure
            self._release()
            self.failure = failure
            return Result.FAILURE
        self._configured = True
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> Result:
        if not self._attempt(self.activate):
            failure = self.failure
            self._attempt(self.deactivate)
            self.failure = failure
            return Result.FAILURE
        self._active = True
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> Result:
        self._active = False
        stopped = self._attempt(self.deactivate)
        super().on_deactivate(state)
        return Result.SUCCESS if stopped else Result.ERROR

    def on_cleanup(self, state: LifecycleState) -> Result:
        self._release()
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> Result:
        self.stop()
        return super().on_shutdown(state)

    def on_error(self, state: LifecycleState) -> Result:
        self.stop()
        return Result.SUCCESS  # back to unconfigured: may be configured anew

    def _LifecycleNodeMixin__on_change_state(self, request: Any, response: Any) -> Any:  # noqa: N802
        """Answer the change_state service. rclpy's own handler lets a transition that the present state does not
        allow escape as an exception, which would end the process: here it is refused."""
        try:
            return super()._LifecycleNodeMixin__on_change_state(request, response)
        except RCLError:
            response.success = False
            return response

    def _release(self) -> None:
        self._configured = False
        self._attempt(self.cleanup)
        while self._entities:
            destroy, entity = self._entities.pop()
            self._attempt(lambda destroy=destroy, entity=entity: destroy(entity))

    def _attempt(self, step: Callable[[], Any]) -> bool:
        """Run ``step``; an exception becomes ``self.failure`` and one line on stderr."""
        self.failure = ""
        try:
            step()
            return True
        except Exception as error:  # the boundary: whatever a hook raises becomes a refused transition
            if os.environ.get("CROSSHAND_DEBUG"):
                traceback.print_exc()
            self.failure = describe(self.get_fully_qualified_name(), error)
            print(f"error: {self.failure}", file=sys.stderr, flush=True)
            return False


def describe(name: str, error: BaseException) -> str:
    """One line: the node, and what went wrong; the type too where the text alone would not tell."""
    text = " ".join(str(error).split())
    ours = isinstance(error, (ValueError, OSError, RuntimeError, LookupError)) and not isinstance(error, KeyError)
    text = text if ours and text else f"{type(error).__name__}: {text}"
    return text if name in text else f"node {name}: {text}"
