"""Markdown tables of pydantic schemas: parameters of nodes, options of plug-ins, files."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from bringup.robot_state_publisher import RobotStateParameters
from camera_node.node import CameraParameters
from camera_node.source import GROUP as CAMERAS
from contracts import plugins
from contracts.manifest import CodecManifest, PolicyManifest
from contracts.servo import ByPart
from contracts.station import Station
from device_emulators.world.emulators_node import EmulatorsParameters
from episodes.dataset import Dataset
from episodes.metadata import EpisodeMetadata
from episodes.recorder_node import RecorderParameters
from hand_drivers.device import GROUP as DEVICES
from hand_drivers.node import DriverParameters
from latent_codec.node import CodecParameters
from latent_policy_node.node import PolicyParameters
from simulation.node import SimulationParameters

NODES: dict[str, type[BaseModel]] = {
    "driver": DriverParameters,
    "codec": CodecParameters,
    "policy": PolicyParameters,
    "camera": CameraParameters,
    "recorder": RecorderParameters,
    "robot_state": RobotStateParameters,
    "simulation": SimulationParameters,
    "emulators": EmulatorsParameters,
}
FILES: dict[str, type[BaseModel]] = {
    "station": Station,
    "codec": CodecManifest,
    "policy": PolicyManifest,
    "dataset": Dataset,
    "episode": EpisodeMetadata,
}
GROUPS = {"device": DEVICES, "camera": CAMERAS}  # kind -> entry points
WORDS = {str: "text", bool: "true or false", int: "integer", float: "number", dict: "mapping", Any: "any value"}
BOUNDS = {"gt": "above", "ge": "from", "lt": "below", "le": "to"}
UNITS = {"deg": "°", "hz": "Hz", "m": "m", "ms": "ms", "s": "s", "us": "µs"}  # by how a name ends


class SchemaError(ValueError):
    """A plug-in's module has no single schema of options."""


def table(title: str, schema: type[BaseModel] | None) -> str:
    """One row a field, those of the base classes last; `title` heads the column of names."""
    if schema is None:
        return "It has no options.\n"
    bases = {name for base in schema.__bases__ for name in getattr(base, "model_fields", {})}
    fields = sorted(schema.model_fields.items(), key=lambda field: field[0] in bases)
    return _rows(title, fields, getattr(schema, "at_run_time", frozenset()))


def plugin_table(group: str, name: str) -> str:
    """The options of an installed plug-in."""
    return table("option", plugin_schema(group, name))


def nested(schema: type[BaseModel]) -> str:
    """One row a field of a file, the fields of its parts by dotted names."""
    return _rows("field", list(_leaves(schema)))


def plugin_schema(group: str, name: str) -> type[BaseModel] | None:
    """The schema named `...Options` in a plug-in's module from which no other there is derived, None if it has none."""
    module = sys.modules[plugins.load(group, name).__module__]
    models = [kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, BaseModel)]
    found = [kind for kind in models if kind.__name__.endswith("Options") and kind.model_fields]
    found = [kind for kind in found if not any(other is not kind and issubclass(other, kind) for other in found)]
    if len(found) > 1:
        raise SchemaError(f"{module.__name__}: found {', '.join(kind.__name__ for kind in found)}, expected one schema")
    return found[0] if found else None


def _leaves(schema: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    for name, field in schema.model_fields.items():
        suffix, parts = _parts(field.annotation)
        if not parts:
            yield prefix + name, field
        for part in parts:
            yield from _leaves(part, f"{prefix}{name}{suffix}.")


def _parts(kind: Any) -> tuple[str, list[type[BaseModel]]]:
    """The schemas inside an annotation, and how a path goes on to them: `[]` in lists, `.<key>` in mappings."""
    origin, inside = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _parts(inside[0])
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return "", [kind]
    if origin in (list, tuple, dict) and inside:
        suffix, parts = _parts(inside[1] if origin is dict else inside[0])
        return (".*" if origin is dict else "[]") + suffix, parts
    if origin in (Union, UnionType):
        found = [_parts(option) for option in inside]
        return next((suffix for suffix, parts in found if parts), ""), [part for _, parts in found for part in parts]
    return "", []


def _rows(title: str, fields: list[tuple[str, FieldInfo]], at_run_time: Collection[str] = ()) -> str:
    """The rows; the name of a field that may change at run time has a star."""
    rows = [f"| {title} | value | default | meaning |", "|---|---|---|---|"]
    for name, field in fields:
        star = "\\*" if name in at_run_time else ""
        rows.append(f"| `{name}`{star} | {_value(name, field)} | {_default(field)} | {_meaning(field)} |")
    return "\n".join(rows) + "\n"


def _value(name: str, field: FieldInfo) -> str:
    return ", ".join(filter(None, (_words(field.annotation), UNITS.get(name.rpartition("_")[2]), _range(field))))


def _words(kind: Any) -> str:
    inner = [part for part in get_args(kind) if part is not NoneType]
    origin = get_origin(kind)
    if origin is Annotated:
        return _words(inner[0])
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in inner)
    if origin in (list, tuple):
        open_ended = origin is list or Ellipsis in inner
        return f"{'list' if open_ended else len(inner)} of {_words(inner[0])}"
    if origin is dict:
        return f"{_words(inner[0])} -> {_words(inner[1])}"
    return _words(inner[0]) if inner else WORDS.get(kind, "any value")


def _range(field: FieldInfo) -> str:
    found = {name: getattr(item, name) for item in field.metadata for name in BOUNDS if hasattr(item, name)}
    return " ".join(f"{word} {found[name]}" for name, word in BOUNDS.items() if name in found)


def _default(field: FieldInfo) -> str:
    by_part: Any = field.default_factory
    if isinstance(by_part, ByPart):
        return f"`{by_part.arm}` for arms, `{by_part.hand}` for hands"
    value = None if field.is_required() else field.get_default(call_default_factory=True)
    if value is None:
        return "required" if field.is_required() else "none"
    return f"`{value if isinstance(value, str) else json.dumps(value)}`" if value != "" else "empty"


def _meaning(field: FieldInfo) -> str:
    return (field.description or "").replace("|", "\\|").replace("<", "&lt;")
