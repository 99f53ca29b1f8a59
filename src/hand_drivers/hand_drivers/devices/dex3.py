"""Unitree Dex3-1 hands over DDS, topics `rt/dex3/{left,right}/{cmd,state}`; see docs/reference/devices/dex3.md."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from pydantic import Field

from hand_drivers.device import DeviceError, DeviceSettings, read_options
from hand_drivers.devices import g1_dds
from hand_drivers.devices.g1_wire import TURN
from hand_drivers.devices.lateness import Lateness
from hand_drivers.polled_device import Answer, BusDevice, BusOptions

ORDER = ("thumb_0", "thumb_1", "thumb_2", "middle_0", "middle_1", "index_0", "index_1")
ENABLED = 1 << 4  # of a motor's mode: bits 0-3 its number, 4-6 its state, 7 whether to stop without commands
TIMED_OUT = 1 << 7
OTHERS_S = 0.3
PERIOD_S = 0.004  # the shortest time between two exchanges


class Dex3Options(BusOptions):
    """Options of a Dex3-1."""

    domain: int = g1_dds.DOMAIN
    kp: float = Field(default=1.5, gt=0, le=3, description="stiffness, Nm/rad, as in Unitree's teleoperation")
    kd: float = Field(default=0.2, gt=0, le=1, description="damping, Nm s/rad, as in Unitree's teleoperation")


def make(settings: DeviceSettings) -> BusDevice:
    """Make the device (plug-in).

    Raises:
        DeviceError: For wrong options or joints.
    """
    options = read_options(Dex3Options, settings)
    try:
        motors = g1_dds.find_motors(settings.embodiment, ORDER)
    except DeviceError as error:
        raise DeviceError(f"dex3: {error}") from None
    domain = f", domain {options.domain}" if options.domain else ""
    name, lateness = f"dex3 {settings.address} {settings.side}{domain}", Lateness()  # kept over reconnections

    def open_wire() -> Dex3Wire:
        """Use the process's participant: loading DDS may take seconds, longer than a response may."""
        try:
            participant = g1_dds.participant(settings.address, options.domain)
        except DeviceError as error:
            raise DeviceError(f"{name}: {error}") from error
        return Dex3Wire(participant, settings.side, options, motors, lateness)

    return BusDevice(name, motors.joints, open_wire, options)


class Dex3Wire:
    """One connection. Nothing is sent before the first target, so connecting does not move the hand."""

    def __init__(
        self,
        participant: Any,
        side: str,
        options: Dex3Options,
        motors: g1_dds.Motors,
        lateness: Lateness | None = None,
    ) -> None:
        self._participant, self._topic = participant, f"rt/dex3/{side}"
        self._options, self._motors, self._lateness = options, motors, lateness or Lateness()
        self._reader: Any = None
        self._others: Any = None
        self._others_until = 0.0
        self._writer: Any = None

    def open(self) -> None:
        """Subscribe to the hand's state, and to the commands of other programs."""
        from unitree_sdk2py.idl.unitree_hg.msg.dds_ import HandCmd_, HandState_

        self._reader = g1_dds.reader(self._participant, f"{self._topic}/state", HandState_)
        self._others = g1_dds.reader(self._participant, f"{self._topic}/cmd", HandCmd_, others_only=True)
        self._writer = g1_dds.writer(self._participant, f"{self._topic}/cmd", HandCmd_)

    def exchange(self, target: np.ndarray | None) -> Answer:
        """Send the target, and wait for the next state."""
        if target is not None:
            self._send(target)
        return self.answer(self._next_state())

    def answer(self, state: Any) -> Answer:
        """Convert a state message.

        Raises:
            DeviceError: For a late message, or an impossible state.
        """
        stamp_ns = time.time_ns() - round(1e9 * self._late_s(state))
        if len(state.motor_state) != len(ORDER):
            raise DeviceError(f"{self._topic}/state: found {len(state.motor_state)} motors, expected {len(ORDER)}")
        motors = g1_dds.MotorStates.of(state.motor_state)
        position, velocity, _ = self._motors.state(motors)
        if not (np.abs(position) <= TURN).all():  # False for NaN; messages have no checksum
            found = ", ".join(f"{value:.4g}" for value in position)
            raise DeviceError(f"{self._topic}/state: found positions {found}, expected at most one turn")
        return Answer(stamp_ns, position, velocity, self._fault(state, motors))

    def clear(self) -> None:
        """Do nothing: faults cannot be cleared over DDS; some clear when their cause is gone."""

    def close(self) -> None:
        """Unsubscribe; the hand keeps its last target."""
        self._reader = self._others = self._writer = None

    def _send(self, target: np.ndarray) -> None:
        from unitree_sdk2py.idl.unitree_hg.msg.dds_ import HandCmd_, MotorCmd_

        position = np.empty(len(ORDER))
        position[list(self._motors.number)] = self._motors.sign * target
        kp, kd = self._options.kp, self._options.kd
        motors = [MotorCmd_(ENABLED | i, float(q), 0.0, 0.0, kp, kd, 0) for i, q in enumerate(position)]
        self._writer.write(HandCmd_(motors, [0] * 4))  # pyright: ignore - cyclonedds' types take any sequence

    def _other_program(self) -> str:
        """Another program that commands the hand, as text; it is reported for OTHERS_S after its last command."""
        if self._others is not None and g1_dds.newest(self._others) is not None:
            self._others_until = time.monotonic() + OTHERS_S
        return f"another program sends {self._topic}/cmd" if time.monotonic() < self._others_until else ""

    def _next_state(self) -> Any:
        deadline = time.monotonic() + self._options.answer_s
        while True:
            time.sleep(PERIOD_S)
            state = g1_dds.newest(self._reader)
            if state is not None:
                return state
            if time.monotonic() > deadline:
                raise DeviceError(f"{self._topic}/state: no message")

    def _late_s(self, state: Any) -> float:
        late_s = self._lateness.of(state.sample_info.source_timestamp, time.monotonic_ns())
        if late_s > self._options.max_age_s:
            raise DeviceError(f"{self._topic}/state: {late_s:.2f} s late")
        return late_s

    def _fault(self, state: Any, motors: g1_dds.MotorStates) -> str | None:
        found = [self._other_program(), self._motors.fault(motors) or ""]
        if any(state.error):
            found.append(f"error {state.error[0]:#x} {state.error[1]:#x}")
        timed_out = [motor for motor in state.motor_state if motor.mode & TIMED_OUT]
        if timed_out:
            found.append("motors stopped, commands were missing")
        return "; ".join(filter(None, found)) or None
