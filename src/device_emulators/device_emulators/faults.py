"""Faults of an emulated device, set by a test or from the terminal."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

MOST = {"late_s": 60.0, "late_once_s": 60.0, "pushed": 1.0, "code": 0xFFFF}  # largest values; the others are 0 or 1


@dataclass
class Faults:
    """Faults of a device, which may be changed while the emulator runs. Each emulator documents those it supports.

    Attributes:
        silent: No responses.
        refuse: No new connections, and existing ones are closed.
        cut: Each response ends after half its bytes.
        late_s: Transport delay of responses, s; commands are executed at once.
        late_once_s: Transport delay of the next response only, s; those behind it wait for it.
        corrupt: One bit of each response is flipped.
        frozen: Joints do not move, and their measured positions are constant.
        code: The device's error code.
        manual: An arm is in manual mode, and acknowledges other modes without entering them.
        safeguard: A safeguard of the cell has stopped an arm, which is not in servo mode while it lasts.
        pushed: Angle by which somebody turns the last joint of an arm that is not in servo mode, once, rad.
        timed_out: The motors stopped because commands were missing, and report it.
    """

    silent: bool = False
    refuse: bool = False
    cut: bool = False
    late_s: float = 0.0
    late_once_s: float = 0.0
    corrupt: bool = False
    frozen: bool = False
    code: int = 0
    manual: bool = False
    safeguard: bool = False
    pushed: float = 0.0
    timed_out: bool = False

    @property
    def any(self) -> bool:
        """Whether any fault is on."""
        return any(bool(getattr(self, field.name)) for field in fields(self))

    def delay_s(self) -> float:
        """The transport delay of the next response, s."""
        once, self.late_once_s = self.late_once_s, 0.0
        return once or self.late_s

    def applied(self, answer: bytes) -> bytes:
        """The bytes that are sent for a response."""
        if self.silent or not answer:
            return b""
        if self.corrupt:
            middle = len(answer) // 2
            answer = answer[:middle] + bytes([answer[middle] ^ 0x10]) + answer[middle + 1 :]
        return answer[: len(answer) // 2] if self.cut else answer

    def set(self, text: str) -> str:
        """Set a fault from a text.

        Args:
            text: "NAME VALUE", such as "silent 1" or "late_s 0.2".

        Returns:
            The error in the text, "" if there is none.
        """
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
