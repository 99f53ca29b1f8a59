"""Emulated devices with a transport that damages their responses."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from random import Random

import embodiments
from device_emulators import inspire as emulated_inspire
from device_emulators import robotiq as emulated_robotiq
from device_emulators import xarm
from device_emulators.ability import AbilityHand
from device_emulators.faults import Faults
from device_emulators.lag import Lag
from device_emulators.serve import Protocol, PtyServer, TcpServer
from hand_drivers.device import Device, DeviceSettings
from hand_drivers.devices import ability, inspire, robotiq, xarm7, xarm_gripper
from system_tests.fuzz import arm_parsers, hand_parsers
from system_tests.fuzz.frames import Frames, Seal

SOUND = 0.5  # share of unchanged responses: a period of some devices takes three
QUICK = {"answer_s": 0.02, "max_age_s": 0.2, "connect_s": 10.0}


@dataclass
class Wire:
    """Damages the responses of `protocol` while `on`; counts the responses."""

    rng: Random
    seal: Seal | None
    on: bool = False
    answers: int = 0
    last: list[bytes] = field(default_factory=lambda: [b""])

    def around(self, protocol: Protocol) -> Protocol:
        """The same device with this transport."""
        return _Behind(self, protocol)

    def carry(self, answer: bytes) -> bytes:
        """The bytes that arrive."""
        if not self.on or not answer:
            return answer
        self.answers += 1
        if self.rng.random() >= SOUND:
            answer = Frames(self.rng, (answer,), self.seal).damaged(answer)
        self.last = [*self.last[-3:], answer]
        return answer


@dataclass
class _Behind:
    wire: Wire
    protocol: Protocol

    def receive(self, data: bytes) -> bytes:
        return self.wire.carry(self.protocol.receive(data))


@dataclass(frozen=True)
class Plug:
    """A plug-in: the library it needs, how to seal its answers, and how to set up a device of it behind a wire.

    within: measured positions cannot be outside the robot's limits, for the device counts from one to the other.
    """

    name: str
    library: str
    robot: str
    seal: Seal | None
    set_up: Callable[[ExitStack, Wire], Device]
    within: bool = True


def plugs() -> list[Plug]:
    """All plug-ins."""
    return [
        Plug("ability plug-in", "serial", "ability", hand_parsers.ability_sealed, ability_hand, within=False),
        Plug("inspire plug-in, serial", "rh56_sdk", "inspire", hand_parsers.inspire_sealed, inspire_serial),
        Plug("inspire plug-in, Modbus TCP", "socket", "inspire", hand_parsers.modbus_sealed, inspire_modbus),
        Plug("robotiq plug-in, serial", "pymodbus", "robotiq_2f85", arm_parsers.rtu_sealed, robotiq_serial),
        Plug("robotiq plug-in, TCP", "pymodbus", "robotiq_2f85", arm_parsers.rtu_sealed, robotiq_tcp),
        Plug("xarm_gripper plug-in", "xarm", "xarm_gripper", arm_parsers.box_sealed, gripper, within=False),
        Plug("xarm7 plug-in", "xarm", "xarm7", arm_parsers.box_sealed, arm, within=False),
    ]


def ability_hand(stack: ExitStack, wire: Wire) -> Device:
    """An Ability hand."""
    return ability.make(_settings("ability", _terminal(stack, wire, AbilityHand(Faults()))))


def inspire_serial(stack: ExitStack, wire: Wire) -> Device:
    """An Inspire hand, serial."""
    protocol = emulated_inspire.SerialProtocol(emulated_inspire.InspireHand(Faults()))
    return inspire.make(_settings("inspire", _terminal(stack, wire, protocol)))


def inspire_modbus(stack: ExitStack, wire: Wire) -> Device:
    """An Inspire hand, Modbus TCP."""
    hand = emulated_inspire.InspireHand(Faults())
    return inspire.make(_settings("inspire", _port(stack, wire, lambda: emulated_inspire.ModbusProtocol(hand))))


def robotiq_serial(stack: ExitStack, wire: Wire) -> Device:
    """A Robotiq gripper on a serial line."""
    protocol = emulated_robotiq.RtuProtocol(emulated_robotiq.RobotiqGripper(Faults()))
    return robotiq.make(_settings("robotiq_2f85", _terminal(stack, wire, protocol)))


def robotiq_tcp(stack: ExitStack, wire: Wire) -> Device:
    """A Robotiq gripper on a TCP port."""
    gripper = emulated_robotiq.RobotiqGripper(Faults())
    return robotiq.make(_settings("robotiq_2f85", _port(stack, wire, lambda: emulated_robotiq.RtuProtocol(gripper))))


def gripper(stack: ExitStack, wire: Wire) -> Device:
    """An xArm gripper."""
    host, port = _box(stack, wire)
    return xarm_gripper.make(_settings("xarm_gripper", host, port=port))


def arm(stack: ExitStack, wire: Wire) -> Device:
    """An xArm7."""
    host, port = _box(stack, wire)
    options = {"answer_s": QUICK["answer_s"], "connect_s": QUICK["connect_s"], "port": port}
    return xarm7.XArm7Device(DeviceSettings(embodiments.load("xarm7"), "left", "arm", host, options))


def _settings(name: str, address: str, **options: float) -> DeviceSettings:
    return DeviceSettings(embodiments.load(name, "left"), "left", "hand", address, QUICK | options)


def _terminal(stack: ExitStack, wire: Wire, protocol: Protocol) -> str:
    return stack.enter_context(PtyServer(wire.around(protocol), Faults())).port


def _port(stack: ExitStack, wire: Wire, make: Callable[[], Protocol]) -> str:
    server = stack.enter_context(TcpServer(lambda: wire.around(make()), Faults()))
    return f"{server.host}:{server.port}"


def _box(stack: ExitStack, wire: Wire) -> tuple[str, int]:
    """A control box with its own address, because its report port is fixed."""
    box, number = xarm.ControlBox(Faults(), Lag(embodiments.load("xarm7").postures["home"], 0.02)), os.getpid()
    host = f"127.9.{number // 250 % 250}.{1 + number % 250}"
    with socket.create_server((host, 0)) as probe:
        port = probe.getsockname()[1]
    stack.enter_context(TcpServer(lambda: wire.around(xarm.ControlProtocol(box)), Faults(), host, port))
    stack.callback(xarm.Reporter(box, host).close)
    return host, port
