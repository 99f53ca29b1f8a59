"""Emulators of the robots of a simulated world, so that the drivers of real devices move them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from contracts.station import Station
from device_emulators import inspire, robotiq, xarm
from device_emulators.ability import AbilityHand
from device_emulators.addresses import (
    ARMS,
    BEHIND_ARM,
    INTERFACE,
    SERIAL,
    UNITREE_ARMS,
    UNITREE_HANDS,
    box_host,
    domain,
    terminal,
)
from device_emulators.faults import Faults
from device_emulators.g1 import G1Emulator
from device_emulators.serve import Protocol, PtyServer
from device_emulators.world.emulated_g1 import Body, motors
from device_emulators.world.emulated_joints import WorldJoints
from embodiments.registry import Embodiment
from hand_drivers.devices import dex3, g1_arms
from hand_drivers.devices.ability import MOTORS as ABILITY_MOTORS
from hand_drivers.devices.inspire import OPEN, motor_places
from hand_drivers.devices.xarm_gripper import PULSES_PER_M
from simulation.scene import Mounted, mounted


class Emulators:
    """The emulators of all devices of a station; a context manager that closes them.

    `faults` holds the faults of each device by part, such as "left/hand".

    Raises:
        JointsError: If the world does not respond.
        OSError: If an address is in use.
    """

    def __init__(self, station: Station) -> None:
        self._port = station.simulation.port
        self.faults: dict[str, Faults] = {}
        with contextlib.ExitStack() as stack:
            sides = mounted(station)
            for side, robots in sides.items():
                if robots.arm.name in ARMS:
                    self._serve_box(side, robots, stack)
                if robots.hand.name in SERIAL:
                    self._serve_terminal(side, robots.hand, stack)
            self._serve_unitree(sides, stack)
            self._stack = stack.pop_all()

    def close(self) -> None:
        """Stop all emulators."""
        self._stack.close()

    def __enter__(self) -> Emulators:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _serve_box(self, side: str, robots: Mounted, stack: contextlib.ExitStack) -> None:
        gripper = self._gripper(side, robots.hand) if robots.hand.name in BEHIND_ARM else None
        box = xarm.ControlBox(self._faults(side, "arm"), self._joints(f"{side}/arm", robots.arm), gripper)
        stack.enter_context(xarm.XArmEmulator(box, box_host(self._port, side), self._port))

    def _gripper(self, side: str, hand: Embodiment) -> xarm.Gripper:
        finger = self._joints(f"{side}/hand", hand, scale=PULSES_PER_M)
        return xarm.Gripper(self._faults(side, "hand"), finger)

    def _serve_terminal(self, side: str, hand: Embodiment, stack: contextlib.ExitStack) -> None:
        faults = self._faults(side, "hand")
        server = stack.enter_context(PtyServer(self._hand(f"{side}/hand", hand, faults), faults))
        stack.enter_context(linked(terminal(self._port, side), server.port))

    def _serve_unitree(self, sides: Mapping[str, Mounted], stack: contextlib.ExitStack) -> None:
        """Serve one robot with both arms, which share their faults, and both hands."""
        faults, arms, hands = Faults(), {}, {}
        for side, robots in sides.items():
            if robots.arm.name in UNITREE_ARMS:
                arms[side] = self._joints(f"{side}/arm", robots.arm, *motors(robots.arm, g1_arms.ORDER))
                self.faults[f"{side}/arm"] = faults
            if robots.hand.name in UNITREE_HANDS:
                fingers = self._joints(f"{side}/hand", robots.hand, *motors(robots.hand, dex3.ORDER))
                hands[side] = self._faults(side, "hand"), fingers
        if arms or hands:
            stack.enter_context(G1Emulator(faults, INTERFACE, domain(self._port), Body(arms), hands))

    def _hand(self, part: str, hand: Embodiment, faults: Faults) -> Protocol:
        if hand.name == "inspire":
            order = motor_places(hand.joints)
            zero, scale = hand.upper[order], -OPEN / (hand.upper - hand.lower)[order]
            fingers = self._joints(part, hand, order, scale, zero)
            return inspire.SerialProtocol(inspire.InspireHand(faults, fingers))
        if hand.name == "ability":
            order = [hand.joints.index(name) for name in ABILITY_MOTORS]
            return AbilityHand(faults, self._joints(part, hand, order))
        counts = robotiq.CLOSED - robotiq.OPENED
        scale = -counts / (hand.upper - hand.lower)
        finger = self._joints(part, hand, zero=hand.upper - robotiq.OPENED / scale, scale=scale)
        return robotiq.RtuProtocol(robotiq.RobotiqGripper(faults, finger=finger))

    def _joints(
        self,
        part: str,
        robot: Embodiment,
        order: list[int] | None = None,
        scale: np.ndarray | float = 1.0,
        zero: np.ndarray | float = 0.0,
    ) -> WorldJoints:
        return WorldJoints(self._port, part, robot, order, zero, scale)

    def _faults(self, side: str, part: str) -> Faults:
        return self.faults.setdefault(f"{side}/{part}", Faults())


@contextlib.contextmanager
def linked(path: Path, target: str) -> Iterator[None]:
    """While entered, `path` is a link to `target`, in a folder that only this user can write and that goes with it."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    if path.parent.stat().st_uid != os.getuid():
        raise PermissionError(f"{path.parent} belongs to another user")
    path.unlink(missing_ok=True)
    path.symlink_to(target)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # the other side's link is still in it
            path.parent.rmdir()
