"""The one error of this package: it always says which file, which field, what was found and what was expected."""

from __future__ import annotations


class EmbodimentError(ValueError):
    """A robot description that cannot be used. The message is one line a user can act on.

    Attributes:
        file: the file (or the name of the text) that is wrong.
        field: dotted path of the field, joint or link inside that file.
    """

    def __init__(self, file: str, field: str, found: object, expected: str) -> None:
        self.file = file
        self.field = field
        self.found = found
        self.expected = expected
        super().__init__(f"{file}: {field}: found {_short(found)}, expected {expected}")


def _short(value: object, limit: int = 120) -> str:
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."
