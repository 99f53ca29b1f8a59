"""Where the devices of an emulated station are found: written once for who serves them and who connects."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

ARMS = {"xarm7": "xarm7"}  # embodiment -> device plug-in
BEHIND_ARM = {"xarm_gripper": "xarm_gripper"}
SERIAL = {"ability": "ability", "inspire": "inspire", "robotiq_2f85": "robotiq"}


def emulated_part(port: int, side: str, part: str, embodiment: str) -> dict[str, Any]:
    """Device, address and options of a part of the emulated station whose world answers at `port`.

    Raises ValueError, with what is expected, for a robot that nobody emulates.
    """
    if part == "arm" and embodiment in ARMS:
        return {"device": ARMS[embodiment], "address": box_host(port, side), "options": {"port": port}}
    if part == "hand" and embodiment in BEHIND_ARM:
        return {"device": BEHIND_ARM[embodiment], "address": box_host(port, side), "options": {"port": port}}
    if part == "hand" and embodiment in SERIAL:
        return {"device": SERIAL[embodiment], "address": str(terminal(port, side)), "options": {}}
    known = sorted(ARMS) if part == "arm" else sorted({**BEHIND_ARM, **SERIAL})
    raise ValueError(f"one that is emulated: {', '.join(known)}; or backend:=sim")


def box_host(port: int, side: str) -> str:
    """An address of this machine for each control box: its report port is fixed, so hosts have to differ."""
    return f"127.{port >> 8}.{port & 0xFF}.{2 if side == 'left' else 3}"


def terminal(port: int, side: str) -> Path:
    """The link to the pseudo terminal of a side's hand, in a folder of this user's own."""
    return Path(tempfile.gettempdir()) / f"crosshand-{os.getuid()}-{port}" / f"{side}_hand"
