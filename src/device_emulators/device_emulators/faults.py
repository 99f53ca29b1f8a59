"""What can go wrong with an emulated device; set by a test or typed by hand."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

MOST = {"late_s": 60.0, "code": 0xFFFF}  # that may be typed; what is not here is on or off


@dataclass
class Faults:
    """Each is off at first and may be changed while the emulator runs.

    silent: answers nothing. refuse: takes no new connection, and drops the ones it has. cut: ends each answer in the
    middle. late_s: does what it is told at once, and answers so much later. corrupt: flips a bit of each answer.
    frozen: joints stay where they are and say so. code: the device's own error. timed_out: motors have stopped for want
    of commands, and say so. An emulator's own words say which of them it knows.
    """

    silent: bool = False
    refuse: bool = False
    cut: bool = False
    late_s: float = 0.0
    corrupt: bool = False
    frozen: bool = False
    code: int = 0
    timed_out: bool = False

    @property
    def any(self) -> bool:
        """Whether any of them is on."""
        return any(bool(getattr(self, field.name)) for field in fields(self))

    def applied(self, answer: bytes) -> bytes:
        """What of `answer` goes out, `late_s` from now."""
        if self.silent or not answer:
            return b""
        if self.corrupt:
            middle = len(answer) // 2
            answer = answer[:middle] + bytes([answer[middle] ^ 0x10]) + answer[middle + 1 :]
        return answer[: len(answer) // 2] if self.cut else answer

    def set(self, text: str) -> str:
        """Take "NAME VALUE" as typed, e.g. "silent 1", "late_s 0.2"; returns what is wrong with it, "" if nothing."""
        name, _, value = text.strip().partition(" ")
        kinds = {field.name: type(getattr(self, field.name)) for field in fields(self)}
        if name not in kinds:
            return f"found {name!r}, expected one of {', '.join(kinds)}"
        most = MOST.get(name, 1)
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not 0 <= number <= most:
            return f"{name}: found {value!r}, expected a number of 0 to {most:g}"
        setattr(self, name, kinds[name](number))
        return ""
