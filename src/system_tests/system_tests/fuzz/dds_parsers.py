"""Parsers of the states of a Unitree G1 and its hands, in CDR."""

from __future__ import annotations

import struct
from importlib.util import find_spec
from random import Random
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np

import embodiments
from hand_drivers.device import DeviceError
from hand_drivers.devices import dex3, g1_arms, g1_dds, g1_wire
from system_tests.fuzz.outcome import ACCEPTED, Wrong
from system_tests.fuzz.parsing import Connection, Target

if TYPE_CHECKING:  # at run time imported late, as it needs Unitree's library
    from hand_drivers.devices.g1_messages import LowState

REFUSED, UNREAD = "refused", "no message"


def targets() -> list[Target]:
    """Both targets; none if DDS or Unitree's messages are not installed."""
    if not all(find_spec(name) for name in ("cyclonedds", "unitree_sdk2py")):
        return []
    return [
        Target("g1 states", state, states, sealed, stream=False),
        Target("dex3 states", hand_state, hand_states, stream=False),
    ]


def state(rng: Random) -> bytes:
    """A frame with positions mostly within the range of the joints."""
    from hand_drivers.devices.g1_messages import MOTORS, LowState

    message = LowState()
    message.mode_machine = rng.randrange(256)
    message.numbers[:, message.Q] = [rng.uniform(-1, 1) for _ in range(MOTORS)]
    message.numbers[:, message.DQ] = [rng.uniform(-1, 1) for _ in range(MOTORS)]
    if rng.random() < 0.2:
        place = rng.choice((message.Q, message.DQ, message.TAU))
        message.motors[rng.randrange(MOTORS), place] = rng.randrange(2**32)
    if rng.random() < 0.1:
        message.motors[rng.randrange(MOTORS), message.ERRORS] = rng.randrange(2**32)
    message.seal()
    return message.serialize()


def hand_state(rng: Random) -> bytes:
    """The same for a hand."""
    from unitree_sdk2py.idl import default

    message = default.unitree_hg_msg_dds__HandState_()
    for motor in message.motor_state:
        motor.q, motor.dq = rng.uniform(-1, 1), rng.uniform(-1, 1)
    if rng.random() < 0.2:
        motor = rng.choice(message.motor_state)
        setattr(motor, rng.choice(("q", "dq", "tau_est")), struct.unpack("<f", rng.randbytes(4))[0])
    if rng.random() < 0.1:
        rng.choice(message.motor_state).motorstate = rng.randrange(2**32)
    return bytes(message.serialize())


def sealed(data: bytes) -> bytes:
    """Set the checksum, if the frame can be read."""
    from hand_drivers.devices.g1_messages import LowState

    try:
        message = LowState(LowState.deserialize(data).words.copy())
    except DeviceError:
        return data
    message.seal()
    return message.serialize()


def states() -> Connection:
    """A connection to the parser of G1 states."""
    from hand_drivers.devices.g1_messages import LowState

    motors = g1_dds.find_motors(embodiments.load("g1_arm", "left"), g1_arms.ORDER, g1_arms.FIRST["left"])
    unseen = [True]

    def feed(data: bytes) -> str:
        try:
            message = LowState.deserialize(data)
        except DeviceError:
            return UNREAD
        if unseen:  # once per connection: Unitree's library takes a hundred times as long
            unseen.clear()
            _compare(message, data)
        try:
            g1_wire.check(message)
        except DeviceError:
            return REFUSED
        found = message.motor_states
        rows = np.stack(motors.state(found))
        if not np.isfinite(rows).all() or np.abs(rows[0]).max() > g1_wire.TURN:
            raise Wrong(f"measured {rows.tolist()}")
        _check_fault(motors.fault(found))
        return ACCEPTED

    return Connection(feed)


def _compare(message: LowState, data: bytes) -> None:
    """Check that Unitree's library reads the same values."""
    from unitree_sdk2py.idl.unitree_hg.msg.dds_ import LowState_
    from unitree_sdk2py.utils.crc import CRC

    theirs = LowState_.deserialize(data)
    ours, expected = message.motor_states, g1_dds.MotorStates.of(theirs.motor_state)
    for name in ("moves", "errors", "temperature"):
        if not np.array_equal(getattr(ours, name), getattr(expected, name), equal_nan=True):
            raise Wrong(f"reads other {name} than Unitree's library")
    if (message.mode_machine, message.crc) != (theirs.mode_machine, theirs.crc):
        raise Wrong("reads another robot or checksum than Unitree's library")
    if not np.isnan(message.words.view("<f4")).any() and message.checksum() != CRC().Crc(theirs):
        raise Wrong("finds another checksum than Unitree's library")  # which changes NaNs


def hand_states() -> Connection:
    """A connection to the parser of Dex3-1 states."""
    from unitree_sdk2py.idl.unitree_hg.msg.dds_ import HandState_

    robot = embodiments.load("dex3", "left")
    wire = dex3.Dex3Wire(None, "left", dex3.Dex3Options(), g1_dds.find_motors(robot, dex3.ORDER))

    def feed(data: bytes) -> str:
        try:
            message = HandState_.deserialize(data)
        except Exception:  # of any type, of the library: not a message
            return UNREAD
        message.sample_info = SimpleNamespace(source_timestamp=0)  # set by DDS
        try:
            answer = wire.answer(message)
        except DeviceError:
            return REFUSED
        if answer.position.shape != (len(robot.joints),) or not np.isfinite(answer.position).all():
            raise Wrong(f"measured {answer.position.tolist()}")
        _check_fault(answer.fault)
        return ACCEPTED

    return Connection(feed)


def _check_fault(fault: str | None) -> None:
    if fault is not None and not fault:
        raise Wrong("a fault without words")
