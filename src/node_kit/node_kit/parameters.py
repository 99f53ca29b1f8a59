"""ROS parameters from a pydantic schema: declared, described and checked in one place.

The schema is a flat pydantic model with fields of ``str``, ``int``, ``float``, ``bool`` or lists of them. It may name
the fields that take effect in a configured node in a class attribute ``at_run_time``; the others are read when the node
is configured, and read-only from then on.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo
from rcl_interfaces.msg import ParameterDescriptor, SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter

from contracts.errors import expected_field, problems
from node_kit.parameter_descriptors import descriptor, real

Model = TypeVar("Model", bound=BaseModel)

SIMULATED_TIME = "use_sim_time"


class Parameters(BaseModel):
    """Base of a node's parameter schema: no unknown fields, finite values, immutable."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)


class ParameterError(ValueError):
    """A parameter is missing, unknown or outside its schema; the text names node, parameter, found and expected."""


def declare(node: Node, model: type[Model]) -> Model:
    """Declare the fields of ``model`` on ``node`` and return their checked values.

    Raises:
        ParameterError: naming the node and every parameter that is wrong.
    """
    announce(node, model)
    return read(node, model)


def announce(node: Node, model: type[BaseModel]) -> None:
    """Declare the fields of ``model`` on ``node`` without checking values; declared fields are kept."""
    describe_simulated_time(node)
    for name, field in model.model_fields.items():
        if not node.has_parameter(name):
            # Declared without type and range, which would refuse a wrong value here: `read` reports all of them.
            node.declare_parameter(name, _default(field), ParameterDescriptor(dynamic_typing=True))
            _descriptors(node)[name] = descriptor(name, field)


def read(node: Node, model: type[Model]) -> Model:
    """Return the current values of the declared fields of ``model``, checked as a whole.

    Raises:
        ParameterError: naming the node and every parameter that is wrong.
    """
    wrong = [reason for name in _unknown(node) if (reason := unknown_reason(node, model, [name]))]
    wrong += [refusal for refusal in [_simulated_time(_stored(node)[SIMULATED_TIME])] if refusal]
    checked = None
    try:
        checked = model.model_validate(_values(node, model))
    except ValidationError as error:
        wrong += [f"parameter '{p.field}': found {p.found}, expected {p.expected}" for p in problems(error, model)]
    if checked is None or wrong:
        raise ParameterError(f"node {node.get_fully_qualified_name()}: " + "; ".join(wrong))
    return checked


def unknown_reason(node: Node, model: type[BaseModel], names: Sequence[str]) -> str:
    """Return what to set instead of the first of the parameters that is not declared; empty if all are."""
    unknown = next((name for name in names if not node.has_parameter(name)), None)
    return f"parameter '{unknown}': unknown, expected {expected_field(model, unknown)}" if unknown is not None else ""


def check_change(node: Node, model: type[Model], changes: Sequence[Parameter]) -> Model | None:
    """Check new values of declared parameters.

    Args:
        node: The node, which has the other values.
        model: Its schema.
        changes: The new values.

    Returns:
        The values of ``model`` with the changes; None while parameters that are not changed are wrong or missing.

    Raises:
        ParameterError: naming the first new value that is wrong.
    """
    for change in changes:
        if refusal := _simulated_time(change):
            raise ParameterError(refusal)
    values = _values(node, model, {change.name: change for change in changes if change.name in model.model_fields})
    try:
        return model.model_validate(values)
    except ValidationError as error:
        names = {change.name for change in changes}
        wrong = [problem for problem in problems(error, model) if problem.field.split(".")[0] in names]
    if wrong:
        raise ParameterError(f"parameter '{wrong[0].field}': found {wrong[0].found}, expected {wrong[0].expected}")
    return None


def set_read_only(node: Node, names: Collection[str], read_only: bool) -> None:
    """Mark parameters as read-only, or as writable again."""
    for name in names:
        _descriptors(node)[name].read_only = read_only


def as_declared(node: Node, changes: Sequence[Parameter]) -> list[Parameter]:
    """Return the changes with integers as real numbers where those are declared."""
    known = _descriptors(node)
    return [real(change, known[change.name]) if change.name in known else change for change in changes]


def resolve(node: Node, found: BaseModel) -> list[Parameter]:
    """Store the values in use: defaults that depend on other parameters, and integers as the real numbers they are.

    Args:
        node: The node.
        found: Its checked parameters.

    Returns:
        The stored parameters whose defaults were resolved, as they were before.
    """
    unset = []
    for name in type(found).model_fields:
        described, parameter, value = _descriptors(node)[name], _stored(node)[name], getattr(found, name)
        if parameter.value is None and value is not None:
            unset.append(parameter)
            parameter = Parameter(name, Parameter.Type(described.type), value)
        store(node, real(parameter, described))
    return unset


def store(node: Node, parameter: Parameter) -> None:
    """Store the value of a declared parameter, whatever its descriptor says."""
    _stored(node)[parameter.name] = parameter


def refuse_simulated_time(node: Node) -> None:
    """Refuse simulated time in a node without a schema, at the start and later.

    Raises:
        ParameterError: the node was started with it.
    """
    describe_simulated_time(node)

    def check(changes: Sequence[Parameter]) -> SetParametersResult:
        reason = next(filter(None, map(_simulated_time, changes)), "")
        return SetParametersResult(successful=not reason, reason=reason)

    node.add_on_set_parameters_callback(check)
    if reason := _simulated_time(_stored(node)[SIMULATED_TIME]):
        raise ParameterError(f"node {node.get_fully_qualified_name()}: {reason}")


def describe_simulated_time(node: Node) -> None:
    """Say in the descriptor of `use_sim_time` that it has to be false."""
    _descriptors(node)[SIMULATED_TIME] = ParameterDescriptor(
        name=SIMULATED_TIME,
        type=Parameter.Type.BOOL.value,
        description="false: all stamps are system time, in simulation too",
    )


def _simulated_time(parameter: Parameter) -> str:
    """Why the value of `use_sim_time` is refused; empty for another parameter."""
    if parameter.name != SIMULATED_TIME or parameter.value in (False, None):
        return ""
    return f"parameter '{SIMULATED_TIME}': found {parameter.value!r}, expected false: all stamps are system time"


def _default(field: FieldInfo) -> Any:
    if field.is_required() or field.default_factory_takes_validated_data:  # the latter depends on other parameters
        return None
    default = field.get_default(call_default_factory=True)
    return list(default) if isinstance(default, tuple) else default


def _values(node: Node, model: type[BaseModel], changes: dict[str, Parameter] | None = None) -> dict[str, Any]:
    """The values of the fields that are set, with the changes."""
    found = {name: (changes or {}).get(name) or _stored(node)[name] for name in model.model_fields}
    return {name: _value(parameter) for name, parameter in found.items() if parameter.value is not None}


def _value(parameter: Parameter) -> Any:
    value: Any = parameter.value
    # Lists arrive as array.array, which pydantic does not accept for a list.
    return value if isinstance(value, (str, bytes, int, float)) else list(value)


def _stored(node: Node) -> dict[str, Parameter]:
    return getattr(node, "_parameters")  # noqa: B009 - the public getter raises for a value that is not set


def _descriptors(node: Node) -> dict[str, ParameterDescriptor]:
    return getattr(node, "_descriptors")  # noqa: B009 - the public setter also checks the value


def _unknown(node: Node) -> list[str]:
    """Overrides (command line, file) of parameters that are not declared, such as misspelt ones: ROS ignores them."""
    given = getattr(node, "_parameter_overrides", {})
    return sorted(name for name in given if not node.has_parameter(name) and not name.startswith("qos_overrides."))
