"""Addresses of the devices of an emulated station, for the emulators and for the drivers that connect to them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ARMS = {"xarm7": "xarm7"}  # embodiment -> device plug-in
BEHIND_ARM = {"xarm_gripper": "xarm_gripper"}
SERIAL = {"ability": "ability", "inspire": "inspire", "robotiq_2f85": "robotiq"}
UNITREE_ARMS, UNITREE_HANDS = {"g1_arm": "g1_arms"}, {"dex3": "dex3"}
UNITREE_MODULES = ("cyclonedds", "unitree_sdk2py")  # implement the protocol of both
INTERFACE = "lo"  # network interface of the emulated Unitree robot
EMULATED = {"arm": ARMS | UNITREE_ARMS, "hand": BEHIND_ARM | SERIAL | UNITREE_HANDS}


def emulated_part(port: int, side: str, part: str, embodiment: str) -> dict[str, Any]:
    """Device, address and options of a part of an emulated station.

    Args:
        port: Port of the simulated world.
        side: "left" or "right".
        part: "arm" or "hand".
        embodiment: The robot.

    Raises:
        ValueError: If there is no emulator of the robot, or if it cannot run on this machine. The text is what is
            expected.
    """
    known = EMULATED[part]
    if embodiment not in known:
        raise ValueError(f"one with an emulator: {', '.join(sorted(known))}; or backend:=sim")
    address, options = str(terminal(port, side)), {}
    if embodiment in ARMS | BEHIND_ARM:
        address, options = box_host(port, side), {"port": port}
    elif embodiment in UNITREE_ARMS | UNITREE_HANDS:
        _expect_installed(UNITREE_MODULES)
        address, options = INTERFACE, {"domain": domain(port)}
    return {"device": known[embodiment], "address": address, "options": options}


def absent(modules: Iterable[str]) -> list[str]:
    """Those of the modules that are not installed."""
    return [module for module in modules if find_spec(module) is None]


def _expect_installed(modules: Iterable[str]) -> None:
    missing = absent(modules)
    if missing:
        raise ValueError(f"{' and '.join(missing)} to be installed; or backend:=sim")


def box_host(port: int, side: str) -> str:
    """Loopback address of the control box of a side. Each has its own, because the report port is fixed."""
    return f"127.{port >> 8}.{port & 0xFF}.{2 if side == 'left' else 3}"


def domain(port: int) -> int:
    """DDS domain of the station's Unitree robot: above those that ROS 2 uses, at most DDS's 232."""
    return 102 + port % 130


def terminal(port: int, side: str) -> Path:
    """The link to the pseudo terminal of a side's hand, in a folder of this user."""
    return Path(tempfile.gettempdir()) / f"crosshand-{os.getuid()}-{port}" / f"{side}_hand"
