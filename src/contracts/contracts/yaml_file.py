"""YAML files read whole and checked against a pydantic schema, with errors of one line.

Every error names the file, the field in it, what was found there and what was expected.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

MAX_BYTES = 1 << 20
Model = TypeVar("Model", bound=BaseModel)


class FileError(ValueError):
    """`file: field: found ..., expected ...` on one line."""

    def __init__(self, file: str | Path, field: str, found: str, expected: str) -> None:
        self.file, self.field, self.found, self.expected = str(file), field, found, expected
        where = f"{file}: {field}" if field else str(file)
        super().__init__(f"{where}: found {found}, expected {expected}")


class _Loader(yaml.SafeLoader):
    """A safe loader that refuses a key written twice instead of keeping the last one."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, (str, int, float, bool)) or key in seen:
            raise yaml.MarkedYAMLError(
                problem=f"{key!r} is not a key or is given twice", problem_mark=key_node.start_mark
            )
        seen.add(key)
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def read_mapping(path: str | Path) -> dict[str, Any]:
    """The mapping in the YAML file at `path`; FileError when it is missing, too large or not YAML."""
    path = Path(path)
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise FileError(path, "", (error.strerror or "an error").lower(), "a readable YAML file") from None
    if len(raw) > MAX_BYTES:
        raise FileError(path, "", f"more than {MAX_BYTES} bytes", "a smaller YAML file")
    return _parse(path, raw)


def _parse(path: Path, raw: bytes) -> dict[str, Any]:
    try:
        # A subclass of SafeLoader: plain values only, no objects are built.
        content = yaml.load(raw.decode("utf-8"), Loader=_Loader)  # noqa: S506
    except UnicodeDecodeError:
        raise FileError(path, "", "bytes that are not UTF-8", "YAML text") from None
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "broken text"
        raise FileError(path, line, f"text that is not YAML ({problem})", "valid YAML") from None
    if not isinstance(content, dict):
        raise FileError(path, "", type(content).__name__, "a mapping of fields")
    return content


def validate(model: type[Model], content: dict[str, Any], path: str | Path) -> Model:
    """`content` as a `model`; FileError that names the first wrong field (and says how many more)."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        details = error.errors(include_url=False)
        # A typo gives two errors, an unknown field and a missing one; the unknown one is what to correct.
        first = next((item for item in details if item["type"] == "extra_forbidden"), details[0])
        raise _file_error(model, content, path, first, len(details) - 1) from None


def _file_error(model: type, content: Any, path: str | Path, detail: dict[str, Any], others: int) -> FileError:
    loc = tuple(part for part in detail["loc"] if part != "[key]")
    field = ".".join(str(part) for part in loc)
    kind = detail["type"]
    if kind == "extra_forbidden":
        found, expected = "an unknown field", _known_fields(model, loc)
    elif kind == "missing":
        found, expected = "nothing", "a value"
    else:
        found = repr(loc[-1]) if "[key]" in detail["loc"] else _shown(content, loc)
        expected = _lower_first(detail["msg"].removeprefix("Value error, "))
    more = f" ({others} more wrong)" if others else ""
    return FileError(path, field, found, expected + more)


def _known_fields(model: type, loc: tuple[Any, ...]) -> str:
    """The fields that exist beside the unknown one at `loc`, the likely meant one first."""
    for part in loc[:-1]:
        model = _inner(model, part)
    fields = sorted(getattr(model, "model_fields", {}))
    close = difflib.get_close_matches(str(loc[-1]), fields, n=1)
    return f"{close[0]!r}" if close else "one of " + ", ".join(fields)


def _inner(model: type, part: Any) -> type:
    """The type of field or key `part` inside `model`."""
    fields = getattr(model, "model_fields", None)
    if fields is not None and part in fields:
        return fields[part].annotation
    arguments = get_args(model)
    return arguments[-1] if arguments else model


def _shown(content: Any, loc: tuple[Any, ...]) -> str:
    for part in loc:
        try:
            content = content[part]
        except (KeyError, IndexError, TypeError):
            return "nothing"
    text = repr(content)
    return text if len(text) <= 80 else text[:77] + "..."


def _lower_first(text: str) -> str:
    text = text.removeprefix("Input should be ").removeprefix("Input should ")
    return text[:1].lower() + text[1:]
