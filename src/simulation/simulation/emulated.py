"""The robots of a simulated world behind emulators of their makers' wires, so that the real drivers move them."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

import numpy as np

from embodiments.registry import Embodiment
from hand_drivers.devices.ability import MOTORS as ABILITY_MOTORS
from hand_drivers.devices.inspire import OPEN, motor_places
from hand_drivers.devices.xarm_gripper import PULSES_PER_M
from hand_drivers.emulators import inspire, robotiq, xarm
from hand_drivers.emulators.ability import AbilityHand
from hand_drivers.emulators.faults import Faults
from hand_drivers.emulators.lag import JointsError
from hand_drivers.emulators.serve import Protocol, PtyServer
from node_kit.station import Station
from simulation.emulated_places import BEHIND_ARM, box_host, terminal
from simulation.scene import Mounted, mounted
from simulation.wire import Client, Op, WireError


class WorldJoints:
    """A part of the world as `hand_drivers.emulators.lag.Joints`: device value = scale * (joint - zero), in `order`.

    order (n,) are places among the embodiment's joints; zero and scale are (n,) or numbers, in the device's order.
    """

    def __init__(
        self,
        address: str,
        part: str,
        robot: Embodiment,
        order: list[int] | None = None,
        zero: np.ndarray | float = 0.0,
        scale: np.ndarray | float = 1.0,
    ) -> None:
        self._order = list(range(len(robot.joints))) if order is None else order
        self._part, self._zero, self._scale = part, zero, scale
        self._client, self._lock = Client(address), threading.Lock()
        self._frozen: np.ndarray | None = None
        self._ask(Op.HELLO, text=",".join(robot.joints))
        self.target = self.position

    @property
    def position(self) -> np.ndarray:
        """Where they are now."""
        return self._state()[0] if self._frozen is None else self._frozen.copy()

    @property
    def velocity(self) -> np.ndarray:
        """How fast they are now."""
        return self._state()[1] if self._frozen is None else np.zeros_like(self._frozen)

    @property
    def frozen(self) -> bool:
        """Whether they stay where they are."""
        return self._frozen is not None

    @frozen.setter
    def frozen(self, frozen: bool) -> None:
        if frozen and self._frozen is None:
            here = self.position
            self._write(here)
            self._frozen = here
        elif not frozen:
            self._frozen = None

    def move(self, target: np.ndarray) -> None:
        """Follow another target from now on."""
        self.target = np.array(target, dtype=float)
        if self._frozen is None:
            self._write(self.target)

    def close(self) -> None:
        """Let go of the world."""
        self._client.close()

    def _write(self, values: np.ndarray) -> None:
        joints = np.empty(len(self._order))
        joints[self._order] = values / self._scale + self._zero
        self._ask(Op.WRITE, joints)

    def _state(self) -> tuple[np.ndarray, np.ndarray]:
        position, velocity, _ = self._ask(Op.READ).reshape(3, -1)[:, self._order]
        return (position - self._zero) * self._scale, velocity * self._scale

    def _ask(self, op: Op, values: np.ndarray | None = None, text: str = "") -> np.ndarray:
        with self._lock:
            try:
                return self._client.ask(op, self._part, values, text)[1]
            except WireError as error:
                raise JointsError(str(error)) from error


class Emulators:
    """All devices of a station on their wires; `faults` are theirs by part. Closes as a context manager.

    Raises JointsError when the world does not answer, OSError when an address is taken.
    """

    def __init__(self, station: Station) -> None:
        self._port = station.simulation.port
        self.faults: dict[str, Faults] = {}
        with contextlib.ExitStack() as stack:
            for side, robots in mounted(station).items():
                self._serve(side, robots, stack)
            self._stack = stack.pop_all()

    def close(self) -> None:
        """Take all devices off their wires."""
        self._stack.close()

    def __enter__(self) -> Emulators:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _serve(self, side: str, robots: Mounted, stack: contextlib.ExitStack) -> None:
        hand, behind_arm = robots.hand, robots.hand.name in BEHIND_ARM
        gripper = self._joints(f"{side}/hand", hand, stack, scale=PULSES_PER_M) if behind_arm else None
        box = xarm.ControlBox(self._faults(side, "arm"), self._joints(f"{side}/arm", robots.arm, stack), gripper)
        stack.enter_context(xarm.XArmEmulator(box, box_host(self._port, side), self._port))
        if not behind_arm:
            faults = self._faults(side, "hand")
            server = stack.enter_context(PtyServer(self._hand(f"{side}/hand", hand, faults, stack), faults))
            stack.callback(link(terminal(self._port, side), server.port).unlink, missing_ok=True)

    def _hand(self, part: str, hand: Embodiment, faults: Faults, stack: contextlib.ExitStack) -> Protocol:
        if hand.name == "inspire":
            order = motor_places(hand.joints)
            zero, scale = hand.upper[order], -OPEN / (hand.upper - hand.lower)[order]
            fingers = self._joints(part, hand, stack, order, zero, scale)
            return inspire.SerialProtocol(inspire.InspireHand(faults, fingers))
        if hand.name == "ability":
            order = [hand.joints.index(name) for name in ABILITY_MOTORS]
            return AbilityHand(faults, self._joints(part, hand, stack, order))
        counts = robotiq.CLOSED - robotiq.OPENED
        scale = -counts / (hand.upper - hand.lower)
        finger = self._joints(part, hand, stack, zero=hand.upper - robotiq.OPENED / scale, scale=scale)
        return robotiq.RtuProtocol(robotiq.RobotiqGripper(faults, finger=finger))

    def _joints(
        self,
        part: str,
        robot: Embodiment,
        stack: contextlib.ExitStack,
        order: list[int] | None = None,
        zero: np.ndarray | float = 0.0,
        scale: np.ndarray | float = 1.0,
    ) -> WorldJoints:
        joints = WorldJoints(f"127.0.0.1:{self._port}", part, robot, order, zero, scale)
        stack.callback(joints.close)
        return joints

    def _faults(self, side: str, part: str) -> Faults:
        return self.faults.setdefault(f"{side}/{part}", Faults())


def link(path: Path, target: str) -> Path:
    """Make `path` a link to `target`, in a folder that only this user may write to; returns it."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    if path.parent.stat().st_uid != os.getuid():
        raise PermissionError(f"{path.parent} belongs to another user")
    path.unlink(missing_ok=True)
    path.symlink_to(target)
    return path
