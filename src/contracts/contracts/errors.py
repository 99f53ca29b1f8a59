"""The error for files, and for all else that is checked against a schema: `file: field: found ..., expected ...`.

A pydantic model's validator may raise a FileError with an empty file; `problems` puts the field it names below the
field that the validator belongs to.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, get_args

from pydantic import BaseModel, ValidationError

Model = TypeVar("Model", bound=BaseModel)
Kind = TypeVar("Kind", bound="FileError")
MOST_FIELD, MOST_FOUND, MOST_EXPECTED, MOST_FILE = 200, 160, 640, 1024  # characters of each part of a message


class FileError(ValueError):
    """A file that cannot be used. Its text is one line of bounded length: file, field, found, expected.

    Attributes:
        file: Path of the file, or the name of what was read instead of one.
        field: Dotted path of the field inside the file; empty for the file as a whole.
        found: What is there.
        expected: What should be there.
    """

    def __init__(self, file: Path | str, field: str, found: object, expected: object) -> None:
        """Shorten all parts to one line each.

        Args:
            file: Path of the file; empty where it is not known yet (see `within`).
            field: Dotted path of the field; empty for the file as a whole.
            found: Text is shown as it is, anything else by its `repr`, None as "nothing".
            expected: The same.
        """
        self.file, self.field = one_line(file, MOST_FILE), one_line(field, MOST_FIELD)
        self.found, self.expected = one_line(found, MOST_FOUND) or "''", one_line(expected, MOST_EXPECTED) or "''"
        super().__init__(self.file, self.field, self.found, self.expected)

    def __str__(self) -> str:
        where = "".join(f"{part}: " for part in (self.file, self.field) if part)
        return f"{where}found {self.found}, expected {self.expected}"

    def within(self: Kind, file: Path | str) -> Kind:
        """Return the same error with `file` as its file, unless it has one already."""
        return self if self.file else type(self)(file, self.field, self.found, self.expected)


class Problem(NamedTuple):
    """One thing that is wrong with a value: dotted path of the field (empty: the whole), found, expected."""

    field: str
    found: str
    expected: str


def one_line(value: object, most: int = MOST_EXPECTED) -> str:
    """Return `value` as one printable line of at most `most` characters.

    Args:
        value: Text and paths are shown as they are, None as "nothing", anything else by its `repr`.
        most: Characters of the result; a longer text ends in "...".
    """
    text = "nothing" if value is None else str(value) if isinstance(value, (str, Path)) else repr(value)
    text = "".join(letter if letter.isprintable() else " " for letter in text[: 4 * most])
    text = " ".join(text.split())
    return text if len(text) <= most else f"{text[: most - 3]}..."


def validate(
    model: type[Model], content: object, file: Path | str, error: type[FileError] = FileError, prefix: str = ""
) -> Model:
    """Return `content` as a `model`.

    Args:
        model: The schema.
        content: What was read, of any type.
        file: Where it was read from, for the message.
        error: Class of the error.
        prefix: Path of `content` inside the file, ending in a dot.

    Raises:
        FileError: Of class `error`, names the first wrong field and says how many more there are.
    """
    try:
        checked = model.model_validate(content)
    except ValidationError as invalid:
        raise from_validation(invalid, file, model, error, prefix) from None
    for field, value in booleans(content, checked):
        raise error(file, prefix + field, repr(value), "a number")
    return checked


def booleans(content: object, checked: object, field: str = "") -> Iterator[tuple[str, bool]]:
    """Fields in which true or false, which is what YAML makes of yes and no, was taken for 1 or 0."""
    if isinstance(content, bool) and isinstance(checked, (int, float)) and not isinstance(checked, bool):
        yield field, content
    pairs: list[tuple[object, object, object]] = []
    if isinstance(content, Mapping):
        inner = checked if isinstance(checked, Mapping) else getattr(checked, "__dict__", {})
        pairs = [(key, value, inner[key]) for key, value in content.items() if key in inner]
    elif isinstance(content, list) and isinstance(checked, (list, tuple)):
        pairs = [(index, *both) for index, both in enumerate(zip(content, checked, strict=False))]
    for key, value, found in pairs:
        yield from booleans(value, found, f"{field}.{key}" if field else str(key))


def from_validation(
    invalid: ValidationError,
    file: Path | str,
    model: type | None = None,
    error: type[FileError] = FileError,
    prefix: str = "",
) -> FileError:
    """Return the first problem of `invalid` as an error of class `error`; see `validate` for the arguments."""
    first, *others = problems(invalid, model)
    more = f" ({len(others)} more wrong)" if others else ""
    return error(file, prefix + first.field if first.field else prefix.rstrip("."), first.found, first.expected + more)


def problems(invalid: ValidationError, model: type | None = None) -> list[Problem]:
    """Return what is wrong, unknown fields first: a misspelt field is also a missing one, and it is the one to correct.

    Args:
        invalid: What pydantic raised.
        model: The schema that was validated, to name the fields that exist beside an unknown one.
    """
    # A default that depends on a wrong field is not wrong itself.
    details = [detail for detail in invalid.errors(include_url=False) if detail["type"] != "default_factory_not_called"]
    details.sort(key=lambda detail: detail["type"] != "extra_forbidden")
    return [_problem(detail, model) for detail in details]


def _problem(detail: Mapping[str, Any], model: type | None) -> Problem:
    loc = tuple(part for part in detail["loc"] if part != "[key]")
    field = ".".join(str(part) for part in loc)
    if detail["type"] == "extra_forbidden":
        for part in loc[:-1]:
            model = _inner(model, part)
        return Problem(field, "an unknown field", expected_field(model, str(loc[-1])))
    if detail["type"] == "missing":
        return Problem(field, "nothing", "a value")
    cause = detail.get("ctx", {}).get("error")
    if isinstance(cause, FileError):
        return Problem(".".join(part for part in (field, cause.field) if part), cause.found, cause.expected)
    expected = _expected(detail["msg"])
    return Problem(field, one_line(repr(detail["input"]), MOST_FOUND), expected)


def expected_field(model: type | None, name: str) -> str:
    """Return what to write instead of the unknown field `name` of a schema.

    Args:
        model: The schema. It may name the fields that were renamed, old -> new, in a class attribute `renamed`.
        name: The unknown field.

    Returns:
        The new name, the field that was probably meant, or all that exist.
    """
    renamed = getattr(model, "renamed", {})
    if name in renamed:
        return f"{renamed[name]!r}, its new name"
    fields = sorted(getattr(model, "model_fields", {}))
    close = difflib.get_close_matches(name, fields, n=1)
    return repr(close[0]) if close else f"one of {', '.join(fields)}" if fields else "no such field"


def _inner(model: Any, part: Any) -> Any:
    """The type of field, key or index `part` inside `model`."""
    fields = getattr(model, "model_fields", None)
    if fields is not None and part in fields:
        return fields[part].annotation
    arguments = [argument for argument in get_args(model) if argument not in (type(None), ...)]
    return arguments[-1] if arguments else model


def _expected(message: str) -> str:
    """What is expected, of pydantic's "Input should be a number" or a validator's "Value error, expected a number"."""
    text = re.sub(r"^Value error, (expected )?|^\w+ should (be |have )?", "", message)
    text = re.sub(r" after validation, not \d+$", "", text).replace("match pattern", "a match of", 1)
    return text[:1].lower() + text[1:]
