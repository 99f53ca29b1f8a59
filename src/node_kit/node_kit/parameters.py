"""ROS parameters from a pydantic schema: declared, described and checked in one place.

The schema is a flat pydantic model with fields of ``str``, ``int``, ``float``, ``bool`` or lists of them.
"""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.node import Node

from contracts.errors import expected_field, problems

Model = TypeVar("Model", bound=BaseModel)


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
    for name, field in model.model_fields.items():
        if not node.has_parameter(name):
            node.declare_parameter(name, _default(field), _descriptor(name, field))


def read(node: Node, model: type[Model]) -> Model:
    """Return the current values of the declared fields of ``model``, checked as a whole.

    Raises:
        ParameterError: naming the node and every parameter that is wrong.
    """
    wrong = [f"parameter '{name}': unknown, expected {expected_field(model, name)}" for name in _unknown(node)]
    values = {name: _value(node, name) for name in model.model_fields}
    checked = None
    try:
        checked = model.model_validate({name: value for name, value in values.items() if value is not None})
    except ValidationError as error:
        wrong += [f"parameter '{p.field}': found {p.found}, expected {p.expected}" for p in problems(error, model)]
    if checked is None or wrong:
        raise ParameterError(f"node {node.get_fully_qualified_name()}: " + "; ".join(wrong))
    return checked


def _default(field: FieldInfo) -> Any:
    if field.is_required() or field.default_factory_takes_validated_data:  # the latter depends on other parameters
        return None
    default = field.get_default(call_default_factory=True)
    return list(default) if isinstance(default, tuple) else default


def _descriptor(name: str, field: FieldInfo) -> ParameterDescriptor:
    # Dynamic typing leaves the type check to the schema, which accepts `rate_hz:=100` for `rate_hz:=100.0`.
    bounds = ", ".join(str(bound) for bound in field.metadata)
    return ParameterDescriptor(
        name=name, description=field.description or "", additional_constraints=bounds, dynamic_typing=True
    )


def _value(node: Node, name: str) -> Any:
    value = node.get_parameter(name).value
    # Lists arrive as array.array, which pydantic does not accept for a list.
    return list(value) if value is not None and not isinstance(value, (str, bytes, int, float)) else value


def _unknown(node: Node) -> list[str]:
    """Overrides (command line, file) of parameters that are not declared, such as misspelt ones: ROS ignores them."""
    given = getattr(node, "_parameter_overrides", {})
    return sorted(name for name in given if not node.has_parameter(name) and not name.startswith("qos_overrides."))
