"""The lifecycle of all nodes: configure loads and checks, activate starts, deactivate stops, cleanup releases."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel
from rcl_interfaces.msg import SetParametersResult
from rclpy._rclpy_pybind11 import RCLError
from rclpy._rclpy_pybind11 import TransitionCallbackReturnType as Result
from rclpy.client import Client
from rclpy.lifecycle import LifecycleNode, LifecycleState
from rclpy.parameter import Parameter
from rclpy.publisher import Publisher
from rclpy.service import Service
from rclpy.subscription import Subscription
from rclpy.timer import Timer

from node_kit import log, parameters

Entity = TypeVar("Entity")
# Entities that have to be destroyed through their node, which keeps a reference to them.
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
    - ``activate()``: start threads; a raised error leaves it inactive.
    - ``deactivate()``: stop what activate started. ``cleanup()``: release what configure made.

    ``deactivate`` and ``cleanup`` are also called after a failed ``activate`` or ``configure``: they must accept
    a half-configured node. A failure is logged in one line (`node_kit.log.error`).
    """

    Parameters: ClassVar[type[BaseModel]] = parameters.Parameters

    def __init__(self, name: str, **options: Any) -> None:
        super().__init__(name, **options)
        self.declare_parameter("autostart", False)
        parameters.announce(self, self.Parameters)
        self.add_on_set_parameters_callback(self._check_change)
        self.failure: str = ""
        self._active = False
        self._configured = False
        self._entities: list[tuple[Callable[[Any], Any], Any]] = []

    @property
    def active(self) -> bool:
        """Whether the node is in the active state."""
        return self._active

    def configure(self, parameters: Any) -> None:
        """Load and check everything (hook).

        Args:
            parameters: The checked parameters, an instance of ``Parameters``.
        """

    def activate(self) -> None:
        """Start (hook)."""

    def deactivate(self) -> None:
        """Stop (hook)."""

    def cleanup(self) -> None:
        """Release (hook)."""

    def keep(self, entity: Entity) -> Entity:
        """Register an entity that configure made: it is destroyed at cleanup, the newest first.

        Args:
            entity: A ROS entity of this node, or an object with ``destroy()``.

        Returns:
            The entity.
        """
        kinds = (name for kind, name in _KINDS if isinstance(entity, kind))
        name = next(kinds, None)
        destroy = getattr(self, f"destroy_{name}") if name else type(entity).destroy  # pyright: ignore
        self._entities.append((destroy, entity))
        return entity

    def stop(self) -> None:
        """Deactivate and clean up as needed, without state transitions; for the end of the process."""
        if self._active:
            self._attempt(self.deactivate)
            self._active = False
        if self._configured:
            self._release()

    def on_configure(self, state: LifecycleState) -> Result:
        """Run the hook ``configure``; undo it when it fails."""
        if not self._attempt(lambda: self.configure(parameters.declare(self, self.Parameters))):
            failure = self.failure
            self._release()
            self.failure = failure
            return Result.FAILURE
        self._configured = True
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> Result:
        """Run the hook ``activate``; run ``deactivate`` when it fails."""
        if not self._attempt(self.activate):
            failure = self.failure
            self._attempt(self.deactivate)
            self.failure = failure
            return Result.FAILURE
        self._active = True
        gc.freeze()  # what is loaded by now stays: collections get short
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> Result:
        """Run the hook ``deactivate``."""
        self._active = False
        stopped = self._attempt(self.deactivate)
        super().on_deactivate(state)
        return Result.SUCCESS if stopped else Result.ERROR

    def on_cleanup(self, state: LifecycleState) -> Result:
        """Run the hook ``cleanup`` and destroy the registered entities."""
        self._release()
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> Result:
        """Stop the node."""
        self.stop()
        return super().on_shutdown(state)

    def on_error(self, state: LifecycleState) -> Result:
        """Stop the node and return it to unconfigured, from where it may be configured again."""
        self.stop()
        return Result.SUCCESS

    def _LifecycleNodeMixin__on_change_state(self, request: Any, response: Any) -> Any:  # noqa: N802
        """Respond to a change_state request, and refuse a transition that the present state does not allow.

        rclpy's own handler raises then, which would end the process.
        """
        try:
            return super()._LifecycleNodeMixin__on_change_state(request, response)  # pyright: ignore
        except RCLError:
            response.success = False
            return response

    def _check_change(self, changed: Sequence[Parameter]) -> SetParametersResult:
        """Refuse changes that would have no effect: parameters are read when the node is configured."""
        names = [parameter.name for parameter in changed if parameter.name in self.Parameters.model_fields]
        if not (names and self._configured):
            return SetParametersResult(successful=True)
        reason = f"parameter '{names[0]}': found a change of a configured node, expected one before it is configured"
        return SetParametersResult(successful=False, reason=reason)

    def _release(self) -> None:
        self._configured = False
        self._attempt(self.cleanup)
        while self._entities:
            destroy, entity = self._entities.pop()
            self._attempt(lambda destroy=destroy, entity=entity: destroy(entity))

    def _attempt(self, step: Callable[[], Any]) -> bool:
        """Run ``step``; an exception is logged and becomes ``self.failure``."""
        self.failure = ""
        try:
            step()
            return True
        except Exception as error:  # a hook that raises is a refused transition
            self.failure = log.error(self, error)
            return False
