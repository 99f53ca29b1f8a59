"""`emulate_ability`: an Ability hand on a pseudo terminal."""

from __future__ import annotations

import struct

import numpy as np

from device_emulators.faults import Faults
from device_emulators.lag import Joints, Lag
from hand_drivers.devices import ability_frames as wire


class AbilityHand:
    """Responds to position and read frames with position, current and velocity."""

    def __init__(self, faults: Faults, joints: Joints | None = None) -> None:
        self.faults, self.frames = faults, 0
        self.joints = joints or Lag(np.radians([1, 1, 1, 1, 1, -1]))
        self._unstuffer = wire.Unstuffer()

    def receive(self, data: bytes) -> bytes:
        """The responses to the frames that `data` completes."""
        return b"".join(self._answer(body) for body in self._unstuffer.feed(data))

    def _answer(self, body: bytes) -> bytes:
        if len(body) < 2 or body[0] != wire.ADDRESS or body[1] not in (wire.POSITION, wire.READ):
            return b""
        self.joints.frozen = self.faults.frozen
        position = self.joints.position
        if body[1] == wire.POSITION:
            if len(body) != 2 + 2 * wire.MOTORS:
                return b""
            self.joints.move(np.array(struct.unpack("<6h", body[2:])) / wire.PER_RAD)
        self.frames += 1
        words = np.round(position * wire.PER_RAD).astype(int)
        pairs = [value for word in words for value in (int(word), 0)]
        return wire.stuffed(wire.REPLY.pack(body[1], *pairs, *[0] * wire.MOTORS, self.faults.code & 0xFF))
