"""The state of a driver and the only ways from one to another.

HOLDING and TRACKING come and go with chunks. STOPPED and LOST are a latch: nothing but a reset leads out of it, and
only once its cause is gone. Letting go of the device and taking it over again does not either.
"""

from __future__ import annotations

import threading

from hand_drivers.status import State

_MOVABLE = (State.HOLDING, State.TRACKING)
_LATCHED = (State.STOPPED, State.LOST)
_RETIRED = "deactivated"


class Mode:
    """State, the reason for it, and the value of the emergency stop. Any thread may call any method."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.state = State.INACTIVE
        self.reason = ""
        self._loss = ""
        self._asked = ""  # why it is to be stopped once it starts
        self.estop_asserted = False

    @property
    def movable(self) -> bool:
        """Whether a chunk may move the robot."""
        return self.state in _MOVABLE

    @property
    def connected(self) -> bool:
        """Whether the device is to be read and written."""
        return self.state not in (State.INACTIVE, State.LOST)

    def start(self) -> None:
        """The device was taken over; it holds, or is stopped if a stop came before."""
        with self.lock:
            asked, self._asked = "emergency stop" if self.estop_asserted else self._asked, ""
            self._enter(State.HOLDING, "no command yet")
            if asked:
                self._enter(State.STOPPED, asked)

    def retire(self) -> None:
        """Brake, to be let go. That is no latch: a stop that was there before, or comes meanwhile, stays one."""
        with self.lock:
            if self.movable:
                self._enter(State.STOPPED, _RETIRED)

    def end(self) -> None:
        """The device is let go. What it was stopped or lost for, it starts stopped for."""
        with self.lock:
            if self.state in _LATCHED and self.reason != _RETIRED:
                self._asked = self.reason
            self._enter(State.INACTIVE, "")

    def track(self) -> None:
        """A chunk was accepted."""
        self._enter(State.TRACKING, "")

    def hold(self, reason: str) -> None:
        """There is nothing left to follow."""
        self._enter(State.HOLDING, reason)

    def latch(self, reason: str) -> None:
        """Stop until reset; the first reason stays, a lost device stays lost, an inactive one starts stopped."""
        with self.lock:
            if self.movable:
                self._enter(State.STOPPED, reason)
            elif self.state is State.INACTIVE or self.reason == _RETIRED:
                self._asked = self._asked or reason

    def estop(self, asserted: bool) -> None:
        """Take the value of the emergency stop: asserted it latches, released it only permits a reset."""
        with self.lock:
            self.estop_asserted = asserted
            if asserted:
                self.latch("emergency stop")

    def lose(self, reason: str) -> bool:
        """The device does not answer. Returns whether that is news."""
        with self.lock:
            news = self.connected
            if news:
                self._loss = reason
                self._enter(State.LOST, reason)
            return news

    def stay_lost(self, reason: str) -> None:
        """It could not be reconnected: `reason` follows the one it was lost for, if it is another."""
        with self.lock:
            if self.state is State.LOST:
                self.reason = self._loss if reason == self._loss else f"{self._loss}; not back: {reason}"

    def regain(self) -> None:
        """The device is back; it waits for a reset all the same."""
        with self.lock:
            if self.state is State.LOST:
                self._enter(State.STOPPED, "the device was lost and is back")

    def reset(self, standing: bool) -> str:
        """Leave the latch if its cause is gone; returns why not, "" when done."""
        with self.lock:
            refusal = self.reset_refusal(standing)
            if not refusal:
                self._enter(State.HOLDING, "reset")
            return refusal

    def reset_refusal(self, standing: bool) -> str:
        """Why a reset would be refused now, "" if it would not."""
        with self.lock:
            if self.movable or self.reason == _RETIRED:
                return "not stopped"
            if not self.connected:
                return f"the device is {self.state}: {self.reason}"
            if self.estop_asserted:
                return "the emergency stop is still asserted"
            return "" if standing else "still braking"

    def _enter(self, state: State, reason: str) -> None:
        with self.lock:
            self.state, self.reason = state, reason
