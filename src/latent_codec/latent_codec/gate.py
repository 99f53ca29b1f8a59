"""What the codec node refuses, as pure checks that return a named reason or nothing, and where its IK starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

SECOND = 1_000_000_000
# A stamp this far in the future is a clock that cannot be trusted, not a message.
MAX_LEAD_S = 0.05
# Farther than this from where the arm is, the previous solution says nothing about the next.
MAX_SEED_DISTANCE = 0.5  # rad


class Stamped(Protocol):
    """Anything with an acquisition time."""

    @property
    def stamp_ns(self) -> int: ...


@dataclass(frozen=True)
class Gate:
    """Identity and age limits. Each check returns an empty string, or the reason to refuse."""

    latent_space: str
    axes: tuple[str, ...]
    max_chunk_age_s: float
    max_state_age_s: float

    def chunk(self, frame_id: str, message_status: str, stamp_ns: int, now_ns: int) -> str:
        """Check a latent action: its latent space, what reading it gave (`MessageStatus`), and its age."""
        if frame_id != self.latent_space:
            return f"wrong_latent_space: found {frame_id!r}, expected {self.latent_space}"
        if message_status == "wrong_names":
            return f"wrong_axes: expected {self.axes[0]} .. {self.axes[-1]} ({len(self.axes)})"
        if message_status != "ok":
            return message_status
        return _age("chunk", stamp_ns, now_ns, self.max_chunk_age_s)

    def states(self, states: Mapping[str, Stamped], now_ns: int) -> str:
        """Check the newest joint states of "arm" and "hand"."""
        for part in ("arm", "hand"):
            if part not in states:
                return f"{part}_joint_states_missing"
            reason = _age(f"{part}_joint_states", states[part].stamp_ns, now_ns, self.max_state_age_s)
            if reason:
                return reason
        return ""


class Seed:
    """Where inverse kinematics starts: the previous solution at the new chunk's first time, or the measured joints.

    The previous solution keeps the redundant joint where it is from chunk to chunk; it is used as long as it covers
    that time and is near the arm.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget the previous solution."""
        self._times_ns, self._path = np.empty(0, dtype=np.int64), np.empty((0, 0))

    def remember(self, stamp_ns: int, times_s: np.ndarray, path: np.ndarray) -> None:
        """Keep a solution: joints (H, n) at `times_s` (H,) seconds after `stamp_ns`."""
        self._times_ns = stamp_ns + np.round(np.asarray(times_s) * SECOND).astype(np.int64)
        self._path = path

    def at(self, time_ns: int, measured: np.ndarray) -> np.ndarray:
        """Joints (n,) to start from for a point at `time_ns`, when the arm is at `measured` (n,)."""
        if len(self._path) == 0 or time_ns > self._times_ns[-1] or time_ns < self._times_ns[0] - SECOND:
            return measured
        nearest = self._path[np.abs(self._times_ns - time_ns).argmin()]
        return nearest if np.abs(nearest - measured).max() < MAX_SEED_DISTANCE else measured


def _age(what: str, stamp_ns: int, now_ns: int, limit_s: float) -> str:
    age = (now_ns - stamp_ns) / SECOND
    if age > limit_s:
        return f"{what}_stale: found {age:.3f} s, expected at most {limit_s:g} s"
    if age < -MAX_LEAD_S:
        return f"{what}_from_the_future: found {age:.3f} s, expected at least {-MAX_LEAD_S:g} s"
    return ""
