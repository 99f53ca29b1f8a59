"""ROS descriptors of the fields of a pydantic schema: type, range and description, for `ros2 param describe`."""

from __future__ import annotations

import sys
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.parameter import Parameter

Type = Parameter.Type

_TYPES = {bool: Type.BOOL, int: Type.INTEGER, float: Type.DOUBLE, str: Type.STRING}
_ARRAYS = {
    Type.BOOL: Type.BOOL_ARRAY,
    Type.INTEGER: Type.INTEGER_ARRAY,
    Type.DOUBLE: Type.DOUBLE_ARRAY,
    Type.STRING: Type.STRING_ARRAY,
}
_REALS = {(Type.INTEGER, Type.DOUBLE), (Type.INTEGER_ARRAY, Type.DOUBLE_ARRAY)}  # found and expected: `1` for `1.0`
_LARGEST_INTEGER = 2**63 - 1


def fixed(description: str) -> ParameterDescriptor:
    """Return the descriptor of a parameter that is read at the start of the process only."""
    return ParameterDescriptor(read_only=True, description=description)


def real(parameter: Parameter, described: ParameterDescriptor) -> Parameter:
    """Return the parameter, integers as real numbers where those are expected: `1` is accepted for `1.0`."""
    kind = Type(described.type)
    if (parameter.type_, kind) not in _REALS:
        return parameter
    value: Any = parameter.value
    return Parameter(parameter.name, kind, float(value) if kind is Type.DOUBLE else [float(each) for each in value])


def descriptor(name: str, field: FieldInfo) -> ParameterDescriptor:
    """Return type, range and description of a field for ROS; a bound that is excluded is refused by the schema."""
    kind = _type(field.annotation)
    bounds = {
        key: getattr(item, key) for item in field.metadata for key in ("gt", "ge", "lt", "le") if hasattr(item, key)
    }
    lowest, highest = bounds.get("ge", bounds.get("gt")), bounds.get("le", bounds.get("lt"))
    found = ParameterDescriptor(
        name=name,
        type=kind.value,
        description=field.description or "",
        additional_constraints=", ".join(str(bound) for bound in field.metadata),
    )
    if bounds and kind is Type.DOUBLE:
        most = sys.float_info.max
        limits = -most if lowest is None else float(lowest), most if highest is None else float(highest)
        found.floating_point_range = [FloatingPointRange(from_value=limits[0], to_value=limits[1])]
    if bounds and kind is Type.INTEGER:
        limits = -_LARGEST_INTEGER if lowest is None else lowest, _LARGEST_INTEGER if highest is None else highest
        found.integer_range = [IntegerRange(from_value=limits[0], to_value=limits[1])]
    return found


def _type(kind: Any) -> Parameter.Type:
    """The ROS type of an annotation; of an optional value the type of the value."""
    origin, inner = get_origin(kind), [part for part in get_args(kind) if part not in (NoneType, Ellipsis)]
    if origin is Literal:
        return _type(type(inner[0]))
    if origin in (list, tuple):
        return _ARRAYS[_type(inner[0])]
    if origin is Annotated or inner:
        return _type(inner[0])
    return _TYPES[kind]
