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
from node_kit.parameter_descriptors import fixed

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
    """Base of all nodes. Subclasses set ``Parameters`` and override the hooks, which may raise.

    - ``configure(parameters)``: load and check everything; a raised error leaves the node unconfigured.
    - ``activate()``: start threads; a raised error leaves it inactive.
    - ``deactivate()``: stop what activate started. ``cleanup()``: release what configure made.

    - ``reconfigure(parameters)``: apply a change of the parameters that ``Parameters.at_run_time`` names.

    ``deactivate`` and ``cleanup`` are also called after a failed ``activate`` or ``configure``: they must accept
    a half-configured node. A failure is logged in one line (`node_kit.log.error`).
    """

    Parameters: ClassVar[type[BaseModel]] = parameters.Parameters

    def __init__(self, name: str, **options: Any) -> None:
        super().__init__(name, **options)
        self.declare_parameter("autostart", False, fixed("configure and activate at the start of the process"))
        parameters.announce(self, self.Parameters)
        self.add_pre_set_parameters_callback(lambda changes: parameters.as_declared(self, changes))
        self.add_on_set_parameters_callback(self._on_change)
        self.failure: str = ""
        self._active = False
        self._configured = False
        self._unset: list[Parameter] = []  # parameters as they were before their defaults were resolved
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

    def reconfigure(self, parameters: Any) -> None:
        """Apply changed parameters at once (hook); an exception refuses the change.

        Args:
            parameters: The checked parameters, an instance of ``Parameters``.
        """

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

    def destroy_node(self) -> None:
        """Destroy the node and with it, if it is the last of its process, the participant in the middleware.

        rclpy leaves the state machine behind, which holds the node: the participant would live until the C++ library is
        unloaded at the end of the process, and Fast DDS often waits there for its own callbacks, without end.
        """
        super().destroy_node()
        self._state_machine.destroy_when_not_in_use()

    def stop(self) -> None:
        """Deactivate and clean up as needed, without state transitions; for the end of the process."""
        if self._active:
            self._attempt(self.deactivate)
            self._active = False
        if self._configured:
            self._release()

    def on_configure(self, state: LifecycleState) -> Result:
        """Run the hook ``configure``; undo it when it fails."""
        if not self._attempt(self._configure):
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

    def set_parameters_atomically(self, parameter_list: list[Parameter]) -> SetParametersResult:
        """Set parameters, all or none; of one that is unknown or read-only ROS would not say why it is refused."""
        names = [parameter.name for parameter in parameter_list]
        reason = parameters.unknown_reason(self, self.Parameters, names) or self._read_only_reason(names)
        if reason:
            return SetParametersResult(successful=False, reason=reason)
        return super().set_parameters_atomically(parameter_list)

    def _read_only_reason(self, names: Sequence[str]) -> str:
        """Why the parameters cannot be changed now; empty if they can."""
        if "autostart" in names:
            return "parameter 'autostart': found a change, expected it at the start of the process"
        fixed = [name for name in names if name in self._fixed()]
        if not (fixed and self._configured):
            return ""
        others = ", ".join(sorted(self._changeable())) or "no other"
        return (
            f"parameter '{fixed[0]}': found a change of a configured node, expected one before it is configured; "
            f"at run time: {others}"
        )

    def _changeable(self) -> frozenset[str]:
        return getattr(self.Parameters, "at_run_time", frozenset())

    def _fixed(self) -> set[str]:
        return set(self.Parameters.model_fields) - self._changeable()

    def _on_change(self, changes: Sequence[Parameter]) -> SetParametersResult:
        """Check changes against the schema; in a configured node, apply them."""
        try:
            found = parameters.check_change(self, self.Parameters, changes)
            if found is not None and self._configured and any(each.name in self._changeable() for each in changes):
                self.reconfigure(found)
            self._unset = [unset for unset in self._unset if unset.name not in {each.name for each in changes}]
        except Exception as error:  # of the hook, too: what is refused has to say why
            return SetParametersResult(successful=False, reason=" ".join(str(error).split()))
        return SetParametersResult(successful=True)

    def _configure(self) -> None:
        found = parameters.declare(self, self.Parameters)
        self.configure(found)
        self._unset = parameters.resolve(self, found)
        parameters.set_read_only(self, self._fixed(), True)

    def _release(self) -> None:
        self._configured = False
        parameters.set_read_only(self, self._fixed(), False)
        while self._unset:
            parameters.store(self, self._unset.pop())
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
