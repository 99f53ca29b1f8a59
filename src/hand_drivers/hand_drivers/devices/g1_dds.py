"""Common parts of the plug-ins of a Unitree G1: DDS, index and sign of its motors, and their faults."""

from __future__ import annotations

import functools
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import Field

from embodiments import urdf
from embodiments.registry import Embodiment
from hand_drivers.device import DeviceError

DOMAIN = Field(default=0, ge=0, le=232, description="DDS domain of the robot")
ERRORS = {  # bits of a motor's state, as in Unitree's list
    0: "overcurrent",
    1: "transient overvoltage",
    2: "overvoltage",
    3: "transient undervoltage",
    4: "chip too hot",
    5: "MOSFETs too hot or too cold",
    6: "MOSFET temperature sensor",
    7: "case too hot or too cold",
    8: "case temperature sensor",
    9: "winding too hot",
    10: "rotor encoder 1",
    11: "rotor encoder 2",
    12: "output encoder",
    13: "calibration data",
    14: "unexpected restart",
    15: "locked",
    16: "chip check",
    17: "calibration mode",
    18: "damaged messages",
    19: "firmware too old",
    30: "receives no commands",
    31: "lost",
}
_CONFIGURATION = (
    "<CycloneDDS><Domain Id='any'><General><Interfaces><NetworkInterface name='{}'/></Interfaces></General></Domain>"
    "</CycloneDDS>"
)


def open_participant(interface: str, domain: int) -> Any:
    """A new participant of a DDS domain on a network interface.

    Raises:
        DeviceError: If the interface does not exist, DDS is not installed, or the domain cannot be opened.
    """
    known = [name for _, name in socket.if_nameindex()]
    if interface not in known:
        raise DeviceError(f"address: found {interface!r}, expected a network interface, one of {', '.join(known)}")
    try:
        import unitree_sdk2py.idl  # noqa: F401 - checks that it is installed
        from cyclonedds.core import DDSException
        from cyclonedds.domain import DomainParticipant
    except ImportError as error:
        raise DeviceError(f"cyclonedds and unitree-sdk2py-dimos are needed, and one is missing: {error}") from None
    try:
        _open_domain(interface, domain)
        return DomainParticipant(domain)
    except DDSException as error:  # also if the domain is open on another interface
        raise DeviceError(f"DDS domain {domain} on {interface} cannot be opened: {error}") from None


@functools.cache
def participant(interface: str, domain: int) -> Any:
    """The participant that the plug-ins of this process share, as long as the process runs.

    Raises:
        DeviceError: As `open_participant`.
    """
    return open_participant(interface, domain)


@functools.cache
def _open_domain(interface: str, domain: int) -> Any:
    from cyclonedds.domain import Domain

    return Domain(domain, _CONFIGURATION.format(interface))  # possible once in a process


def reader(participant: Any, topic: str, kind: type, *, depth: int = 1, others_only: bool = False) -> Any:
    """A reader that queues messages of a topic until they are taken.

    Args:
        participant: The DDS participant.
        topic: Name of the topic.
        kind: Type of the messages.
        depth: Number of messages that are queued, the newest ones.
        others_only: Whether messages of the participant itself are ignored.
    """
    from cyclonedds.core import Policy, Qos
    from cyclonedds.sub import DataReader
    from cyclonedds.topic import Topic

    policies = [Policy.History.KeepLast(depth), *[Policy.IgnoreLocal.Participant] * others_only]
    return DataReader(participant, Topic(participant, topic, kind), Qos(*policies))


def writer(participant: Any, topic: str, kind: type) -> Any:
    """A writer of messages of a topic."""
    from cyclonedds.pub import DataWriter
    from cyclonedds.topic import Topic

    return DataWriter(participant, Topic(participant, topic, kind))


def newest(reader: Any) -> Any:
    """The newest message since the last call, None if there is none; does not wait."""
    found = [sample for sample in reader.take(1) if sample.sample_info.valid_data]  # invalid: a writer was deleted
    return found[-1] if found else None


@dataclass(frozen=True)
class MotorStates:
    """State of the m motors of a message.

    Attributes:
        moves: Position, velocity and torque (m, 3), rad, rad/s and Nm.
        errors: Error bits (m,).
        temperature: (m, 2), °C.
    """

    moves: np.ndarray
    errors: np.ndarray
    temperature: np.ndarray

    @classmethod
    def of(cls, motors: Sequence[Any]) -> MotorStates:
        """From Unitree's objects."""
        moves = np.array([[motor.q, motor.dq, motor.tau_est] for motor in motors], dtype=float).reshape(-1, 3)
        errors = np.array([motor.motorstate for motor in motors], dtype=np.uint32)
        return cls(moves, errors, np.array([motor.temperature for motor in motors]))


@dataclass(frozen=True)
class Motors:
    """Motors of the n joints of a part.

    Attributes:
        joints: Names of the joints.
        number: Index of each joint's motor in a message.
        sign: (n,), motor value = sign * joint value.
    """

    joints: tuple[str, ...]
    number: tuple[int, ...]
    sign: np.ndarray

    def state(self, states: MotorStates) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Position, velocity and effort (n,) of the joints."""
        position, velocity, effort = self.sign * states.moves[list(self.number)].T
        return position, velocity, effort

    def fault(self, states: MotorStates) -> str | None:
        """Faults of the motors in words; None without a fault."""
        if not states.errors[list(self.number)].any():
            return None
        found = zip(self.joints, self.number, strict=True)
        return "; ".join(in_words(joint, states, number) for joint, number in found if states.errors[number])


def find_motors(robot: Embodiment, order: Sequence[str], first: int = 0) -> Motors:
    """Find the motors of a robot's joints.

    Unitree's motors rotate about the positive axes of Unitree's models, on both sides. A joint that rotates about a
    negative axis is the mirror image of one, and has the opposite sign.

    Args:
        robot: The robot.
        order: For each motor, the part of a joint's name that identifies it.
        first: Index of the first motor in a message.

    Raises:
        DeviceError: Unless each word identifies one joint about x, y or z.
    """
    axes = {joint.name: joint.axis for joint in urdf.parse(robot.urdf, robot.name).joints}
    places = [next((i for i, word in enumerate(order) if word in joint), -1) for joint in robot.joints]
    signs = np.array([np.rint(axes[joint].sum()) for joint in robot.joints])
    if sorted(places) != list(range(len(order))) or not np.isin(signs, (-1, 1)).all():
        raise DeviceError(f"found joints {list(robot.joints)}, expected one about x, y or z for each of {list(order)}")
    return Motors(robot.joints, tuple(first + place for place in places), signs)


def in_words(joint: str, states: MotorStates, number: int) -> str:
    """A text for a motor's error bits and temperatures."""
    bits = [ERRORS.get(bit, f"error bit {bit}") for bit in range(32) if int(states.errors[number]) >> bit & 1]
    one, other = states.temperature[number]
    return f"{joint}: {', '.join(bits)} ({one} and {other} °C)"
