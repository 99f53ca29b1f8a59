"""ROS parameters from a pydantic schema: declared, described and checked in one place.

A node states its parameters once, as a flat pydantic model (``str``, ``int``, ``float``, ``bool`` or lists of them).
"""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.node import Node

Model = TypeVar("Model", bound=BaseModel)


class Parameters(BaseModel):
    """Base of a node's parameter schema: nothing unknown, nothing infinite, nothing changed after the check."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)


class ParameterError(ValueError):
    """A parameter is missing, unknown or outside its schema; the text names node, parameter, found and expected."""


def declare(node: Node, model: type[Model]) -> Model:
    """Declare the fields of ``model`` on ``node`` (once) and return their checked values.

    Raises:
        ParameterError: naming the node and every parameter that is wrong.
    """
    announce(node, model)
    return read(node, model)


def announce(node: Node, model: type[BaseModel]) -> None:
    """Declare the fields of ``model`` on ``node`` without checking values yet; fields already declared are kept."""
    for name, field in model.model_fields.items():
        if not node.has_parameter(name):
            node.declare_parameter(name, _default(field), _descriptor(name, field))


def read(node: Node, model: type[Model]) -> Model:
    """Return the current values of the declared fields of ``model``, checked as a whole."""
    problems = [f"parameter '{name}': unknown, expected one of {_known(model)}" for name in _unknown(node)]
    values = {name: _value(node, name) for name in model.model_fields}
    try:
        checked = model.model_validate({name: value for name, value in values.items() if value is not None})
    except ValidationError as error:
        problems += [_describe(values, item) for item in error.errors(include_url=False)]
    if problems:
        raise ParameterError(f"node {node.get_fully_qualified_name()}: " + "; ".join(problems))
    return checked


def _default(field: FieldInfo) -> Any:
    default = field.get_default(call_default_factory=True) if not field.is_required() else None
    return list(default) if isinstance(default, tuple) else default


def _descriptor(name: str, field: FieldInfo) -> ParameterDescriptor:
    # Dynamic typing leaves the check, and its wording, to the schema: `rate_hz:=100` is as good as `rate_hz:=100.0`.
    bounds = ", ".join(str(bound) for bound in field.metadata)
    return ParameterDescriptor(
        name=name, description=field.description or "", additional_constraints=bounds, dynamic_typing=True
    )


def _value(node: Node, name: str) -> Any:
    value = node.get_parameter(name).value
    # Lists arrive as array.array, which a schema of lists does not know.
    return list(value) if value is not None and not isinstance(value, (str, bytes, int, float)) else value


def _unknown(node: Node) -> list[str]:
    """Names given to the node (command line, file) that nobody declared: typing errors that ROS passes in silence."""
    given = getattr(node, "_parameter_overrides", {})
    return sorted(name for name in given if not node.has_parameter(name) and not name.startswith("qos_overrides."))


def _known(model: type[BaseModel]) -> str:
    return ", ".join(model.model_fields)


def _describe(values: dict[str, Any], item: Any) -> str:
    name = ".".join(str(part) for part in item["loc"]) or "(all)"
    found = values.get(str(item["loc"][0])) if item["loc"] else None
    shown = "nothing" if found is None else repr(found)
    return f"parameter '{name}': found {shown}, expected: {item['msg']}"
