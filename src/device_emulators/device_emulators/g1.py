"""`emulate_g1`: a Unitree G1 with two Dex3-1 hands, as a DDS participant on a network interface of this machine."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any

import numpy as np
import typer

from device_emulators.dex3 import FINGERS, Dex3Emulator, Measured
from device_emulators.faults import Faults
from device_emulators.lag import Joints, JointsError, Lag
from device_emulators.serve import Loop, Outbox
from hand_drivers.devices import g1_dds

PERIOD_S = 0.008  # the robot publishes at 500 Hz; this costs less
MOTORS, WEIGHT = 35, 29
ARMS = slice(12, 29)  # waist and arms: what `rt/arm_sdk` moves
MODE_MACHINE = 5
KEPT = 2000  # commands
REST = 0.01 * np.arange(MOTORS)  # positions at which the robot's own controller holds the joints
WARM = 45 << 16 | 35  # °C, of a motor's case and winding


class G1Emulator(contextlib.AbstractContextManager):
    """A G1 whose joints (35,) and fingers (7,) of each hand move as commanded.

    Supported faults: silent, late_s, corrupt, frozen and code; of a hand also timed_out. The robot's own controller
    holds the initial positions, and moves the joints there without commands. It publishes nothing while the joints
    raise JointsError. `commands` holds weight and positions (35,) of the last valid commands, `refused` counts the
    invalid ones, `looks` counts the polls for commands.

    Args:
        faults: Faults of the robot.
        interface: Network interface.
        domain: DDS domain.
        joints: The joints (35,); ideal ones by default.
        hands: Faults and fingers (7,) of each hand, by side; ideal ones by default.
    """

    def __init__(
        self,
        faults: Faults,
        interface: str = "lo",
        domain: int = 0,
        joints: Joints | None = None,
        hands: Mapping[str, tuple[Faults, Joints]] | None = None,
    ) -> None:
        from hand_drivers.devices.g1_messages import LowCmd, LowState

        self.faults, self.joints, self.weight = faults, joints or Lag(REST), 0.0
        self._rest = self.joints.position
        self.commands: deque[tuple[float, np.ndarray]] = deque(maxlen=KEPT)
        self.refused = self.looks = 0
        participant = g1_dds.open_participant(interface, domain)
        if hands is None:
            hands = {side: (faults, Lag(np.zeros(FINGERS))) for side in ("left", "right")}
        self.hands = {side: Dex3Emulator(participant, side, *hand) for side, hand in hands.items()}
        self._state, self._late = LowState(), Outbox()
        self._state.mode_machine = MODE_MACHINE
        self._writer: Any = g1_dds.writer(participant, "rt/lowstate", LowState)
        self._reader: Any = g1_dds.reader(participant, "rt/arm_sdk", LowCmd, depth=KEPT)
        self._loop = Loop(self._step)

    def close(self) -> None:
        """Stop and delete the DDS entities."""
        self._loop.end()
        self._writer = self._reader = None
        self.hands = {}

    def __exit__(self, *_: object) -> None:
        self.close()

    def _step(self) -> None:
        time.sleep(PERIOD_S)
        with contextlib.suppress(JointsError):
            self._follow()
            if not self.faults.silent:
                self._measure()
        self.looks += 1
        for hand in self.hands.values():
            with contextlib.suppress(JointsError):
                hand.step()

    def _follow(self) -> None:
        """Execute the newest valid command."""
        commands = [c for c in self._reader.take(KEPT) if c.sample_info.valid_data]
        good = [c for c in commands if c.crc == c.checksum() and c.mode_machine == MODE_MACHINE]
        self.refused += len(commands) - len(good)
        positions = [c.numbers[:, c.Q].astype(float) for c in good]
        self.commands.extend((float(position[WEIGHT]), position) for position in positions)
        if good:
            self.weight = float(positions[-1][WEIGHT])
            enabled = (good[-1].modes == 1) & (good[-1].numbers[:, good[-1].KP] > 0)
            share = np.where(enabled, self.weight, 0.0)[ARMS]
            target = self.joints.target.copy()
            target[ARMS] = share * positions[-1][ARMS] + (1 - share) * self._rest[ARMS]
            self.joints.move(target)

    def _measure(self) -> None:
        """Publish the present state, after the transport delay."""
        self.joints.frozen = self.faults.frozen
        measured = Measured(time.time_ns(), self.joints.position, self.joints.velocity, self.faults.code)
        self._late.put(self.faults.delay_s(), partial(self._publish, measured))
        self._late.flush()

    def _publish(self, measured: Measured) -> None:
        state = self._state
        state.numbers[:, state.Q], state.numbers[:, state.DQ] = measured.position, measured.velocity
        state.motors[:, state.ERRORS] = measured.code
        state.motors[:, state.TEMPERATURES] = WARM
        state.words[state.TICK] = measured.stamp_ns // 1_000_000 & 0xFFFFFFFF  # ms
        state.seal()
        state.words[-1] ^= 0x10 if self.faults.corrupt else 0
        self._writer.write(state, measured.stamp_ns)


def run_g1(
    interface: Annotated[str, typer.Option(help="network interface")] = "lo",
    domain: Annotated[int, typer.Option(help="DDS domain")] = 0,
) -> None:
    """Emulate a G1 with Dex3-1 hands."""
    from device_emulators.command import attend

    faults = Faults()
    with G1Emulator(faults, interface, domain):
        attend(interface, faults)


def emulate_g1() -> None:
    """Run the command line."""
    typer.run(run_g1)
