"""States of a Unitree G1 and its hands: CDR that DDS turns into objects, and what the plug-ins make of those."""

from __future__ import annotations

import struct
from collections.abc import Callable
from importlib.util import find_spec
from random import Random
from types import SimpleNamespace
from typing import Any

import numpy as np

import embodiments
from bringup.bench.fuzz.outcome import ACCEPTED, Wrong
from bringup.bench.fuzz.parsing import Connection, Target
from hand_drivers.device import DeviceError
from hand_drivers.devices import dex3, g1_arms, g1_dds, g1_wire

REFUSED, UNREAD = "refused", "no message"


def targets() -> list[Target]:
    """Both; none where DDS or Unitree's messages are not installed."""
    if not all(find_spec(name) for name in ("cyclonedds", "unitree_sdk2py")):
        return []
    return [
        Target("g1 states", state, states, sealed, stream=False, share=1 / 100),
        Target("dex3 states", hand_state, hand_states, stream=False, share=1 / 200),
    ]


def state(rng: Random) -> bytes:
    from unitree_sdk2py.idl import default

    return _told(default.unitree_hg_msg_dds__LowState_(), rng)


def hand_state(rng: Random) -> bytes:
    from unitree_sdk2py.idl import default

    return _told(default.unitree_hg_msg_dds__HandState_(), rng)


def _told(message: Any, rng: Random) -> bytes:
    """Somewhere within reach; now and then somewhere else."""
    for motor in message.motor_state:
        motor.q, motor.dq = rng.uniform(-1, 1), rng.uniform(-1, 1)
    if rng.random() < 0.2:
        motor = rng.choice(message.motor_state)
        name = rng.choice(("q", "dq", "tau_est"))
        setattr(motor, name, struct.unpack("<f", rng.randbytes(4))[0])
    if rng.random() < 0.1:
        rng.choice(message.motor_state).motorstate = rng.randrange(2**32)
    return bytes(message.serialize())


def sealed(data: bytes) -> bytes:
    """With Unitree's checksum, if it can be read at all."""
    from unitree_sdk2py.idl.unitree_hg.msg.dds_ import LowState_
    from unitree_sdk2py.utils.crc import CRC

    try:
        message = LowState_.deserialize(data)
        message.crc = CRC().Crc(message)
        return bytes(message.serialize())
    except Exception:  # of the libraries: there is nothing to seal
        return data


def states() -> Connection:
    from unitree_sdk2py.idl.unitree_hg.msg.dds_ import LowState_
    from unitree_sdk2py.utils.crc import CRC

    crc = CRC()
    motors = g1_dds.find_motors(embodiments.load("g1_arm", "left"), g1_arms.ORDER, g1_arms.FIRST["left"])

    def feed(data: bytes) -> str:
        message = _read(LowState_.deserialize, data)
        if message is None:
            return UNREAD
        try:
            g1_wire.check(message, crc.Crc)
        except DeviceError:
            return REFUSED
        rows = np.stack(motors.state(message.motor_state))
        if not np.isfinite(rows).all() or np.abs(rows[0]).max() > g1_wire.TURN:
            raise Wrong(f"measured {rows.tolist()}")
        _check_fault(motors.fault(message.motor_state))
        return ACCEPTED

    return Connection(feed)


def hand_states() -> Connection:
    from unitree_sdk2py.idl.unitree_hg.msg.dds_ import HandState_

    robot = embodiments.load("dex3", "left")
    wire = dex3.Dex3Wire(None, "left", dex3.Dex3Options(answer_s=0.01), g1_dds.find_motors(robot, dex3.ORDER))

    def feed(data: bytes) -> str:
        message = _read(HandState_.deserialize, data)
        if message is None:
            return UNREAD
        wire._reader = SimpleNamespace(take=lambda count: [_Sample(message)])  # what a subscription would give
        try:
            answer = wire.exchange(None)
        except DeviceError:
            return REFUSED
        if answer.position.shape != (len(robot.joints),) or not np.isfinite(answer.position).all():
            raise Wrong(f"measured {answer.position.tolist()}")
        _check_fault(answer.fault)
        return ACCEPTED

    return Connection(feed)


class _Sample:
    """What DDS delivers: the message itself, and that it is one."""

    def __init__(self, message: Any) -> None:
        self._message, self.sample_info = message, SimpleNamespace(valid_data=True, source_timestamp=0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._message, name)


def _read(deserialize: Callable[[bytes], Any], data: bytes) -> Any:
    """The message, None where DDS would drop it."""
    try:
        return deserialize(data)
    except Exception:  # of the library, whatever it is
        return None


def _check_fault(fault: str | None) -> None:
    if fault is not None and not fault:
        raise Wrong("a fault without words")
