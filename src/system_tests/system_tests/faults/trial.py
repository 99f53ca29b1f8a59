"""A running graph under test: brought up, observed from outside, with faults, and reset as by an operator."""

from __future__ import annotations

import mmap
import os
import signal
import struct
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from bringup.graph import EMULATORS
from bringup.monitor import Status
from bringup.session import Session, prepare
from bringup.supervisor import Supervisor
from hand_drivers.status import State
from system_tests.faults.apart import Apart
from system_tests.faults.injector import Injector, behind_injector
from system_tests.faults.truth import Truth

CLOCK = Path(__file__).parent / "clock"
MOVING = 6.0  # multiple of the rest threshold from which a joint counts as moving
MOVES_S = 40.0
RESETS = 3
NEWS_S = 2.5
POLL_S = 0.005


class TrialError(RuntimeError):
    """The graph under test did not reach the state in which a trial starts."""


class Trial:
    """One run of a graph; `apart` is the process that supervises all but the world, if that runs outside."""

    def __init__(
        self,
        session: Session,
        supervisor: Supervisor,
        truth: Truth,
        injector: Injector,
        clock: Clock,
        apart: Apart | None = None,
    ) -> None:
        self.session, self.supervisor, self.truth, self.injector = session, supervisor, truth, injector
        self.clock, self._apart = clock, apart
        self.drivers = [node.name for node in session.nodes if node.moves]

    def end_supervisor(self, number: int) -> None:
        """Send a signal to the process that supervises all but the world."""
        assert self._apart is not None, "the world must run outside"
        self._apart.signal(number)

    def ended(self) -> bool:
        """Whether the graph has ended: as the supervisor reports, or, if that was killed, all its nodes."""
        return bool(self.supervisor.died) if self._apart is None else not self._apart.left()

    def signal(self, node: str, number: int) -> None:
        """Send a signal to a node's process."""
        os.killpg(self.supervisor.running()[node], number)

    def statuses(self) -> Mapping[str, Status]:
        """The newest diagnostics, by name."""
        return self.supervisor.monitor.snapshot()

    def driver_states(self) -> dict[str, str]:
        """State and reason of each driver, as last reported."""
        return {
            name.removeprefix("driver/"): f"{status.message}: {status.values.get('reason', '')}".rstrip(": ")
            for name, status in self.statuses().items()
            if name.startswith("driver/")
        }

    def begin_work(self) -> None:
        """Wait until all drivers are released and the robots move, whatever the fault before this one left.

        Raises:
            TrialError: If they do not move.
        """
        for _ in range(RESETS):
            with suppress(TrialError):  # a device that is not reconnected yet
                if self._stopped():
                    self.release()
                return self.wait_until_moving()
        return self.wait_until_moving()

    def settle(self) -> None:
        """Work until nothing stops again: after wild motion, arms may be too far behind their commands at first.

        Raises:
            TrialError: If they stop again and again.
        """
        for _ in range(RESETS):
            time.sleep(NEWS_S)
            if not self._stopped():
                return
            self.begin_work()
        raise TrialError(f"stops again and again: {self.driver_states()}")

    def wait_until_moving(self) -> None:
        """Wait until the robots move.

        Raises:
            TrialError: If they do not move. Exceptions of `Supervisor.check` pass through.
        """
        began, wanted = time.monotonic(), len(self.injector.latent_topics)
        while self.truth.speed() < MOVING or len(self.injector.chunks) < wanted or not self.injector.images:
            self.supervisor.check()
            waited_s = time.monotonic() - began
            if waited_s > MOVES_S or (waited_s > NEWS_S and len(self._stopped()) == len(self.drivers)):
                others = {name: status.message for name, status in self.statuses().items() if "driver/" not in name}
                raise TrialError(f"nothing moved for {waited_s:.0f} s: {self.driver_states()}, {others}")
            time.sleep(POLL_S)

    def latched(self) -> list[str]:
        """The drivers that are stopped or lost until a reset."""
        latched = (State.STOPPED, State.LOST)
        return [name for name, state in self.driver_states().items() if state.startswith(latched)]

    def _stopped(self) -> list[str]:
        """The drivers that wait for a reset."""
        return [name for name, state in self.driver_states().items() if state.startswith(State.STOPPED)]

    def release(self) -> None:
        """Release the emergency stop and reset all drivers, with retries if a device was lost meanwhile.

        Raises:
            TrialError: If a driver stays stopped.
        """
        refusals: Mapping[str, str] = {}
        for _ in range(RESETS):
            refusals = self.injector.release(self.drivers)
            if not refusals:
                return
        raise TrialError(f"stays stopped: {refusals}")


class Clock:
    """The system clock of a graph under test; see `clock/sitecustomize.py`."""

    def __init__(self, file: Path) -> None:
        file.write_bytes(bytes(8))
        with file.open("r+b") as stream:
            self._offset = mmap.mmap(stream.fileno(), 8)

    def set(self, offset_s: float) -> None:
        """Set its offset to this process's clock."""
        self._offset[:8] = struct.pack("<q", round(offset_s * 1e9))


@contextmanager
def trial(arguments: Sequence[str], stopped: bool = False, apart: bool = False) -> Iterator[Trial]:
    """Run a graph and yield it when it is active; it is ended afterwards.

    Args:
        arguments: Arguments of the station.
        stopped: Whether the emergency stop is asserted before any driver is active.
        apart: Whether another process supervises all but the world.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        clock = Clock(folder / "clock")
        paths = [str(CLOCK), *filter(None, [os.environ.get("PYTHONPATH")])]
        shim = _environment(CROSSHAND_CLOCK_OFFSET=str(folder / "clock"), PYTHONPATH=os.pathsep.join(paths))
        stack.enter_context(shim)
        session = prepare([*arguments, "record.enabled:=false"])
        injector = Injector(session.station)
        stack.callback(injector.close)
        own = [node for node in session.nodes if node.stage <= EMULATORS or not apart]
        supervisor = stack.enter_context(
            Supervisor(own, session.run, behind_injector(session.station, session.run.parameters))
        )
        supervisor.start()
        if stopped:
            injector.estop(True)
        supervisor.bring_up()
        other = Apart(session) if apart else None
        if other is not None:
            stack.callback(other.kill)
        truth = Truth(session.station)
        truth.start()
        stack.callback(truth.close)
        found = Trial(session, supervisor, truth, injector, clock, other)
        stack.callback(_wake, found)
        if not stopped:
            found.begin_work()
        yield found


def _wake(found: Trial) -> None:
    """Continue frozen processes, which otherwise cannot end."""
    for node in found.supervisor.running():
        found.signal(node, signal.SIGCONT)


@contextmanager
def _environment(**variables: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})
