"""Files of unknown origin: bounded reading, YAML and JSON of plain values, and atomic writing."""

from __future__ import annotations

import errno
import json
import os
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

from contracts.errors import MOST_FOUND, FileError, one_line

MAX_YAML_BYTES = 1 << 20
MAX_JSON_BYTES = 1 << 20
MAX_DEPTH = 32
MAX_NUMBER = 100  # characters; Python takes minutes for what it reads as one number in base 60
_NUMBER = re.compile(r"[-+.:_0-9a-fA-FxXoO]*")
_OCTAL = re.compile(r"[-+]?0[0-9_]+")
_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_CHUNK = 1 << 20
# libyaml where it is there: an index of a thousand episodes takes seconds in pure Python
_SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_bytes(path: Path | str, max_bytes: int, error: type[FileError] = FileError) -> bytes:
    """Return the content of a regular file.

    Args:
        path: The file; anything but a regular file (a folder, a FIFO, a device) is refused without waiting for it.
        max_bytes: Most bytes that are read.
        error: Class of the error.

    Raises:
        FileError: Of class `error`: missing, not readable, not a regular file, too large, or changed while it was read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            return _read(descriptor, path, max_bytes, error)
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as problem:  # ValueError: a null byte in the path
        if isinstance(problem, FileError):
            raise
        raise error(path, "", _reason(problem), "a readable file") from None


def _read(descriptor: int, path: Path | str, max_bytes: int, error: type[FileError]) -> bytes:
    status = os.fstat(descriptor)
    size = status.st_size
    _check_status(status, path, max_bytes, error)
    with open(descriptor, "rb", closefd=False) as stream:
        content = stream.read(size + 1)
    if len(content) != size:
        found = f"{len(content)} bytes" if len(content) < size else "more bytes"
        raise error(path, "", f"{found} while reading", f"the {size} bytes that it had before")
    return content


def check_file(path: Path | str, max_bytes: int, error: type[FileError] = FileError) -> None:
    """Check a file that a library opens by its path: a regular file of at most `max_bytes`; links are followed.

    Raises:
        FileError: Of class `error`, as `read_bytes`.
    """
    try:
        status = os.stat(path)
    except (OSError, ValueError) as problem:  # ValueError: a null byte in the path
        raise error(path, "", _reason(problem), "a readable file") from None
    _check_status(status, path, max_bytes, error)


def _reason(problem: Exception) -> str:
    return (getattr(problem, "strerror", None) or type(problem).__name__).lower()


def _check_status(status: os.stat_result, path: Path | str, max_bytes: int, error: type[FileError]) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise error(path, "", "something that is not a regular file", "a regular file")
    if status.st_size > max_bytes:
        raise error(path, "", f"{status.st_size} bytes", f"at most {max_bytes} bytes")


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Give the path of a new file beside `path`, for a writer that wants one; put it in place of `path` at the end.

    A reader of `path` finds the old file or the new one, whole. When the body raises, the new file is removed and
    `path` stays as it was. Creates the folder. A symbolic link stays, the file behind it is replaced.

    Raises:
        OSError: The file cannot be written, or is not a regular file.
    """
    path = Path(path).resolve()
    if path.exists() and not path.is_file():
        raise OSError(errno.EEXIST, "exists and is not a regular file", str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    try:
        yield partial
        _to_disk(partial)
        os.replace(partial, path)
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise
    with suppress(OSError):  # some file systems cannot do this for folders; the file is in place
        _to_disk(path.parent)


def write_atomic(path: Path | str, content: bytes | str) -> None:
    """Write a file in one step (see `replacing`); text as UTF-8.

    Raises:
        OSError: The file cannot be written; what was there before still is.
    """
    with replacing(path) as partial:
        partial.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)


def read_mapping(
    path: Path | str, max_bytes: int = MAX_YAML_BYTES, error: type[FileError] = FileError
) -> dict[str, Any]:
    """Return the mapping in a YAML file of plain values.

    Args:
        path: The file.
        max_bytes: Most bytes that are read.
        error: Class of the error.

    Raises:
        FileError: Of class `error`: not a readable file of at most `max_bytes`, not YAML in UTF-8, not a mapping, a key
            twice, an anchor or an alias, or nested deeper than MAX_DEPTH.
    """
    content = parse_yaml(read_bytes(path, max_bytes, error), path, error)
    if not isinstance(content, dict):
        raise error(path, "", one_line(content, MOST_FOUND), "a mapping of fields")
    return content


def parse_yaml(raw: bytes | str, file: Path | str, error: type[FileError] = FileError) -> Any:
    """Return the one value in a YAML text; `file` is for the message. See `read_mapping` for what is refused."""
    try:
        text = raw.decode("utf-8") if isinstance(raw, bytes) else raw
        _check_events(text)
        # A subclass of a safe loader: plain values only, no objects are built.
        return yaml.load(text, Loader=_Loader)
    except UnicodeDecodeError:
        raise error(file, "", "bytes that are not UTF-8", "YAML text") from None
    except (yaml.YAMLError, ValueError, ArithmeticError) as problem:  # ValueError: a date such as 2024-13-01
        mark = getattr(problem, "problem_mark", None)
        line = f"line {mark.line + 1}" if mark else ""
        reason = getattr(problem, "problem", None) or str(problem)
        raise error(file, line, f"text that is not plain YAML ({reason})", "valid YAML") from None


def parse_json(raw: bytes | str, file: Path | str, error: type[FileError] = FileError) -> Any:
    """Return the value in a JSON text; `file` is for the message.

    Raises:
        FileError: Of class `error`: not JSON in UTF-8 of at most MAX_JSON_BYTES, a key twice, a number that is not
            finite, or nested deeper than MAX_DEPTH.
    """
    if len(raw) > MAX_JSON_BYTES:
        raise error(file, "", f"{len(raw)} bytes", f"at most {MAX_JSON_BYTES} bytes")
    try:
        text = raw.decode("utf-8") if isinstance(raw, bytes) else raw
        _check_depth(text)
        return json.loads(text, object_pairs_hook=_each_once, parse_constant=_not_finite)
    except ValueError as problem:
        raise error(file, "", f"text that is not plain JSON ({problem})", "valid JSON") from None


def parse_json_object(text: str, file: str) -> dict[str, Any]:
    """Return the object in a JSON text, such as a parameter's value; an empty text is an empty object.

    Raises:
        FileError: Not an object; see `parse_json`.
    """
    try:
        content = parse_json(text or "{}", file)
    except FileError as error:
        raise FileError(file, "", error.found, "a JSON object") from None
    if not isinstance(content, dict):
        raise FileError(file, "", repr(text), "a JSON object")
    return content


def read_json(path: Path | str, error: type[FileError] = FileError) -> Any:
    """Return the value in a JSON file; see `read_bytes` and `parse_json` for what is refused."""
    return parse_json(read_bytes(path, MAX_JSON_BYTES, error), path, error)


def _check_depth(text: str) -> None:
    depth = 0
    for bracket in re.findall(r"[][{}]", _TEXT.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        if depth > MAX_DEPTH:
            raise ValueError(f"nested deeper than {MAX_DEPTH} levels")


def _each_once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise ValueError(f"{key!r} is given twice")
        result[key] = value
    return result


def _not_finite(constant: str) -> float:
    raise ValueError(f"{constant} is not a finite number")


def dump_yaml(content: object) -> str:
    """Return plain values as YAML text that `read_mapping` accepts: in their order, without anchors."""
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, width=120)


def _check_events(text: str) -> None:
    """Refuse anchors, aliases, deep nesting and endless numbers before anything is built from the text."""
    depth = 0
    for event in yaml.parse(text, Loader=_SafeLoader):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise yaml.MarkedYAMLError(problem="an anchor or alias", problem_mark=event.start_mark)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        problem = ""
        if depth > MAX_DEPTH:
            problem = f"nested deeper than {MAX_DEPTH} levels"
        elif isinstance(event, yaml.ScalarEvent) and len(event.value) > MAX_NUMBER and _NUMBER.fullmatch(event.value):
            problem = f"a number of {len(event.value)} characters"
        if problem:
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)


class _Loader(_SafeLoader):
    """A safe loader that refuses a key written twice instead of keeping the last one."""


def _mapping(loader: Any, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, (str, int, float, bool)) or key in seen:
            raise yaml.MarkedYAMLError(
                problem=f"{key!r} is not a key or is given twice", problem_mark=key_node.start_mark
            )
        seen.add(key)
    return loader.construct_mapping(node, deep=True)


def _number(loader: Any, node: yaml.ScalarNode) -> Any:
    """The number, or the text where YAML 1.1 reads a number in base 60 or 8: 1:30 would be 90, 010 would be 8."""
    if ":" in node.value or _OCTAL.fullmatch(node.value):
        return node.value
    return loader.construct_yaml_int(node) if node.tag.endswith(":int") else loader.construct_yaml_float(node)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
for _kind in ("int", "float"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_kind}", _number)


class _Dumper(yaml.SafeDumper):
    """Writes a value that occurs twice twice, instead of an alias."""

    def ignore_aliases(self, data: object) -> bool:
        """Always."""
        return True


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
