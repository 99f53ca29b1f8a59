"""The tables of parameters in the documentation, written from the schemas that check them.

A table stands between `<!-- parameters: KIND NAME -->` and `<!-- end -->`; KIND is node, device or camera. With
--check nothing is written, and the exit status is 1 where a page is not up to date or a plug-in has no table.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterable, Sequence
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from bringup import paths
from camera_node.node import CameraParameters
from camera_node.source import GROUP as CAMERAS
from contracts import plugins
from hand_drivers.device import GROUP as DEVICES
from hand_drivers.settings import DriverParameters
from latent_codec.node import CodecParameters
from latent_policy_node.node import PolicyParameters

NODES = {"driver": DriverParameters, "camera": CameraParameters, "codec": CodecParameters, "policy": PolicyParameters}
GROUPS = {"device": DEVICES, "camera": CAMERAS}  # kind -> entry points
MARKED = re.compile(r"(<!-- parameters: (\w+) (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
WORDS = {str: "text", bool: "true or false", int: "integer", float: "number"}
BOUNDS = {"gt": "above", "ge": "from", "lt": "below", "le": "to"}
UNITS = {"deg": "°", "hz": "Hz", "m": "m", "ms": "ms", "s": "s", "us": "µs"}  # by how a name ends


class TableError(ValueError):
    """A marker names nothing that has a schema; the text says what there is."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="parameter_tables", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    check, pages = parser.parse_args(arguments).check, sorted((paths.workspace() / "docs").rglob("*.md"))
    old = {page: page.read_text() for page in pages}
    stale = {page: text for page in pages if (text := rewritten(old[page])) != old[page]}
    for page, text in stale.items():
        print(f"{page.relative_to(paths.workspace())}: {'is not up to date' if check else 'written'}")
        if not check:
            page.write_text(text)
    missing = unmarked(old.values())
    for name in missing:
        print(f"docs: no page has the marker <!-- parameters: {name} -->")
    return int(bool(missing or (check and stale)))


def rewritten(text: str) -> str:
    """A page with its tables made anew. Raises TableError."""
    return MARKED.sub(lambda found: f"{found[1]}\n{table(found[2], schema(found[2], found[3]))}\n{found[4]}", text)


def unmarked(texts: Iterable[str]) -> list[str]:
    """Installed plug-ins, as `device xarm7`, that none of the pages has a table of."""
    marked = {f"{kind} {name}" for text in texts for _, kind, name, _ in MARKED.findall(text)}
    installed = {f"{kind} {name}" for kind, group in GROUPS.items() for name in plugins.names(group)}
    return sorted(installed - marked)


def schema(kind: str, name: str) -> type[BaseModel] | None:
    """The schema of a node's parameters or of a plug-in's options, None for one without. Raises TableError."""
    if kind in GROUPS and name in plugins.names(GROUPS[kind]):
        return _of_plugin(GROUPS[kind], name)
    if kind != "node" or name not in NODES:
        known = [f"node {node}" for node in NODES]
        known += [f"{kind} {name}" for kind, group in GROUPS.items() for name in plugins.names(group)]
        raise TableError(f"marker: found {kind} {name}, expected one of {', '.join(known)}")
    return NODES[name]


def _of_plugin(group: str, name: str) -> type[BaseModel] | None:
    """A plug-in's module has one schema named `...Options`, from which no other there is derived."""
    module = sys.modules[plugins.load(group, name).__module__]
    models = [kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, BaseModel)]
    found = [kind for kind in models if kind.__name__.endswith("Options") and kind.model_fields]
    found = [kind for kind in found if not any(other is not kind and issubclass(other, kind) for other in found)]
    if len(found) > 1:
        raise TableError(f"{module.__name__}: found {', '.join(kind.__name__ for kind in found)}, expected one schema")
    return found[0] if found else None


def table(kind: str, schema: type[BaseModel] | None) -> str:
    """A Markdown table of the fields, those of its bases last."""
    if schema is None:
        return "It has no options.\n"
    bases = {name for base in schema.__bases__ for name in getattr(base, "model_fields", {})}
    fields = sorted(schema.model_fields.items(), key=lambda field: field[0] in bases)
    rows = [f"| {'parameter' if kind == 'node' else 'option'} | value | default | meaning |", "|---|---|---|---|"]
    rows += [f"| `{name}` | {_value(name, field)} | {_default(field)} | {_meaning(field)} |" for name, field in fields]
    return "\n".join(rows) + "\n"


def _value(name: str, field: FieldInfo) -> str:
    return ", ".join(filter(None, (_words(field.annotation), UNITS.get(name.rpartition("_")[2]), _range(field))))


def _words(kind: Any) -> str:
    inner = [part for part in get_args(kind) if part is not NoneType]
    origin = get_origin(kind)
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in inner)
    if origin in (list, tuple):
        return f"{'list' if origin is list else len(inner)} of {_words(inner[0])}"
    if origin is dict:
        return f"{_words(inner[0])} -> {_words(inner[1])}"
    return _words(inner[0]) if inner else WORDS[kind]


def _range(field: FieldInfo) -> str:
    found = {name: getattr(item, name) for item in field.metadata for name in BOUNDS if hasattr(item, name)}
    return " ".join(f"{word} {found[name]}" for name, word in BOUNDS.items() if name in found)


def _default(field: FieldInfo) -> str:
    value = None if field.is_required() else field.get_default(call_default_factory=True)
    if value is None:
        return "required" if field.is_required() else "none"
    return f"`{value if isinstance(value, str) else json.dumps(value)}`" if value != "" else "empty"


def _meaning(field: FieldInfo) -> str:
    return (field.description or "").replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    raise SystemExit(main())
