"""The state machine of a driver.

Chunks switch between HOLDING and TRACKING. STOPPED and LOST are latched: only a reset leaves them, and only once the
cause is gone. Disconnecting and connecting the device does not.
"""

from __future__ import annotations

import threading

from hand_drivers.status import State

_MOVABLE = (State.HOLDING, State.TRACKING)
_LATCHED = (State.STOPPED, State.LOST)
_RETIRED = "deactivated"
STILL_ASSERTED = "the emergency stop is still asserted"


class Mode:
    """State, the reason for it, and the value of the emergency stop. Any thread may call any method."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.state = State.INACTIVE
        self.reason = ""
        self._loss = ""
        self._asked = ""  # reason to be stopped after the next start
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
        """Enter HOLDING after the device was connected, or STOPPED if a stop came before."""
        with self.lock:
            asked, self._asked = "emergency stop" if self.estop_asserted else self._asked, ""
            self._enter(State.HOLDING, "no command yet")
            if asked:
                self._enter(State.STOPPED, asked)

    def retire(self) -> None:
        """Brake before the device is disconnected. This is no latch; a stop before or meanwhile remains one."""
        with self.lock:
            if self.movable:
                self._enter(State.STOPPED, _RETIRED)

    def end(self) -> None:
        """Enter INACTIVE. A latched reason is kept for the next start."""
        with self.lock:
            if self.state in _LATCHED and self.reason != _RETIRED:
                self._asked = self.reason
            self._enter(State.INACTIVE, "")

    def track(self) -> None:
        """Enter TRACKING: a chunk was accepted."""
        self._enter(State.TRACKING, "")

    def hold(self, reason: str) -> None:
        """Enter HOLDING: there is no chunk to follow."""
        self._enter(State.HOLDING, reason)

    def latch(self, reason: str) -> None:
        """Enter STOPPED until reset.

        The first reason stays; a lost device stays lost; an inactive one will start stopped.
        """
        with self.lock:
            if self.movable:
                self._enter(State.STOPPED, reason)
            elif self.state is State.INACTIVE or self.reason == _RETIRED:
                self._asked = self._asked or reason

    def estop(self, asserted: bool) -> None:
        """Set the emergency stop: asserted, it latches; released, it only permits a reset."""
        with self.lock:
            self.estop_asserted = asserted
            if asserted:
                self.latch("emergency stop")

    def lose(self, reason: str) -> bool:
        """Enter LOST: the device does not respond. Returns whether it was connected before."""
        with self.lock:
            news = self.connected
            if news:
                self._loss = reason
                self._enter(State.LOST, reason)
            return news

    def stay_lost(self, reason: str) -> None:
        """Note why a reconnection failed: `reason` follows that of the loss, if it is another."""
        with self.lock:
            if self.state is State.LOST:
                self.reason = self._loss if reason == self._loss else f"{self._loss}; not back: {reason}"

    def regain(self) -> None:
        """Enter STOPPED: the device is reconnected, and needs a reset."""
        with self.lock:
            if self.state is State.LOST:
                self._enter(State.STOPPED, "the device was lost and is back")

    def reset(self, at_rest: bool) -> str:
        """Leave the latch if its cause is gone; returns why not, else an empty text."""
        with self.lock:
            refusal = self.reset_refusal(at_rest)
            if not refusal:
                self._enter(State.HOLDING, "reset")
            return refusal

    def reset_refusal(self, at_rest: bool) -> str:
        """Return why a reset would be refused now, else an empty text."""
        with self.lock:
            if self.movable or self.reason == _RETIRED:
                return "not stopped"
            if not self.connected:
                return f"the device is {self.state}: {self.reason}"
            if self.estop_asserted:
                return STILL_ASSERTED
            return "" if at_rest else "still braking"

    def _enter(self, state: State, reason: str) -> None:
        with self.lock:
            self.state, self.reason = state, reason
