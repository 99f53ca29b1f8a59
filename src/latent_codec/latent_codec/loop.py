"""The codec's loop without ROS and without a clock: joint states and latent actions in, latent states and commands out.

The codec node, the offline evaluation and the replay of recordings all run it. Values depend on stamps alone, not on
the order in which messages of different topics arrive, so that a recording gives the same values again. Only refusals
for age depend on the time that the caller passes in.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from contracts.chunk import SECOND, Chunk
from contracts.freshness import refusal
from contracts.servo import PARTS
from latent_codec.side import SideCodec

MOST_STATES = 1024  # of a part; at the rates of joint states far more than `max_chunk_age_s` holds
# Farther than this from where the arm is, the previous solution says nothing about the next.
MAX_SEED_DISTANCE = 0.5  # rad


class CodecSettings(BaseModel):
    """Age limits of what the codec decodes."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)

    max_chunk_age_s: float = Field(default=0.5, gt=0, le=5, description="an older latent action is refused, s")
    max_state_age_s: float = Field(default=0.1, gt=0, le=5, description="with older joint states nothing is decoded, s")


@dataclass(frozen=True)
class State:
    """Joint positions or a latent state, (n,), and when they were measured."""

    stamp_ns: int
    position: np.ndarray


@dataclass(frozen=True)
class Gate:
    """Identity and age limits. Each check returns an empty string, or the reason to refuse."""

    latent_space: str
    axes: tuple[str, ...]
    settings: CodecSettings

    def chunk(self, latent_space: str, message_status: str, stamp_ns: int, now_ns: int) -> str:
        """Check a latent action: its latent space, what reading it gave (`MessageStatus`), and its age."""
        if latent_space != self.latent_space:
            return f"wrong_latent_space: found {latent_space!r}, expected {self.latent_space}"
        if message_status == "wrong_names":
            return f"wrong_axes: expected {self.axes[0]} .. {self.axes[-1]} ({len(self.axes)})"
        if message_status != "ok":
            return message_status
        return refusal("chunk", stamp_ns, now_ns, self.settings.max_chunk_age_s)

    def states(self, states: Mapping[str, State], now_ns: int) -> str:
        """Check the newest joint states of "arm" and "hand"."""
        for part in PARTS:
            if part not in states:
                return f"{part}_joint_states_missing"
            reason = refusal(f"{part}_joint_states", states[part].stamp_ns, now_ns, self.settings.max_state_age_s)
            if reason:
                return reason
        return ""


class Seed:
    """Where inverse kinematics starts: the previous solution at the new chunk's first time, or the measured joints.

    The previous solution keeps the redundant joint where it is from chunk to chunk; it is used as long as it covers
    that time and is near the arm.
    """

    def __init__(self) -> None:
        self._solution: Chunk | None = None

    def clear(self) -> None:
        """Forget the previous solution."""
        self._solution = None

    def remember(self, solution: Chunk) -> None:
        """Keep a solution, an arm's command."""
        self._solution = solution

    def at(self, time_ns: int, measured: np.ndarray) -> np.ndarray:
        """Joints (n,) to start from for a point at `time_ns`, when the arm is at `measured` (n,)."""
        solution = self._solution
        if solution is None or not solution.start_ns - SECOND <= time_ns <= solution.end_ns:
            return measured
        nearest = solution.points[np.abs(solution.times_ns - time_ns).argmin()]
        return nearest if np.abs(nearest - measured).max() < MAX_SEED_DISTANCE else measured


class _History:
    """Joint states of one part, ascending by stamp, of the last `seconds` and the one before."""

    def __init__(self, seconds: float) -> None:
        self._span_ns = round(seconds * SECOND)
        self._states: deque[State] = deque(maxlen=MOST_STATES)

    @property
    def newest(self) -> State:
        return self._states[-1]

    def __len__(self) -> int:
        return len(self._states)

    def add(self, state: State) -> None:
        """Take the next state. One that is not newer follows a clock that was set back, and replaces all."""
        states = self._states
        if states and state.stamp_ns <= states[-1].stamp_ns:
            states.clear()
        states.append(state)
        while len(states) > 1 and states[1].stamp_ns <= state.stamp_ns - self._span_ns:
            states.popleft()

    def until(self, stamp_ns: int) -> State | None:
        """The newest state that is not newer than `stamp_ns`."""
        return next((state for state in reversed(self._states) if state.stamp_ns <= stamp_ns), None)

    def since(self, stamp_ns: int) -> State | None:
        """The first state that is not older than `stamp_ns`; None where an earlier one may have been missed."""
        if not self._states or self._states[0].stamp_ns > stamp_ns:
            return None
        return next((state for state in self._states if state.stamp_ns >= stamp_ns), None)


@dataclass
class CodecCounts:
    """What became of the messages.

    Attributes:
        received, decoded, chunks_refused: latent actions; each received one is decoded or refused.
        refused: refused messages, joint states too, by the first word of the reason.
        reason: why the last message was refused, empty after a decoded chunk.
    """

    received: int = 0
    decoded: int = 0
    chunks_refused: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    reason: str = ""


class CodecLoop:
    """Codec of one side's arm and hand.

    Joint states of one part have to be observed in the order of their stamps. `observe`, `latent_state` and `decode`
    may run in different threads, but each in one at a time. The lock protects histories, seed and counts; it is never
    held while a latent state or a chunk is computed.
    """

    def __init__(self, side: SideCodec, settings: CodecSettings | None = None) -> None:
        self.side = side
        self.gate = Gate(side.codec.latent_space, side.axes, settings or CodecSettings())
        self.counts = CodecCounts()
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Forget all observations and the previous solution; counts stay."""
        with self._lock:
            self._states = {part: _History(self.gate.settings.max_chunk_age_s) for part in PARTS}
            self.seed = Seed()
            self._given_ns: int | None = None  # stamp of the latent state given out last

    def observe(self, part: str, stamp_ns: int, position: np.ndarray) -> None:
        """Take joint positions (n,) of "arm" or "hand", rad or m."""
        with self._lock:
            self._states[part].add(State(stamp_ns, position))

    def newest(self, part: str) -> State | None:
        """The newest joint state of "arm" or "hand"."""
        with self._lock:
            return self._newest().get(part)

    def latent_state(self, now_ns: int) -> State | None:
        """The newest latent state, each only once; None while there is none, or joint states are too old.

        It is stamped with the older of two joint states: the newest of the part that was measured longest ago, and the
        first of the other part that is not older.
        """
        with self._lock:
            newest = self._newest()
            if self.gate.states(newest, now_ns):
                return None
            stamp_ns = min(state.stamp_ns for state in newest.values())
            if stamp_ns == self._given_ns:  # an older one is news, too: then the clock was set back
                return None
            arm, hand = (self._states[part].since(stamp_ns) for part in PARTS)
            if arm is None or hand is None:
                return None
            self._given_ns = stamp_ns
        return State(stamp_ns, self.side.latent_state(arm.position, hand.position))

    def decode(
        self, chunk: Chunk, latent_space: str, now_ns: int, message_status: str = "ok"
    ) -> tuple[dict[str, Chunk], str]:
        """Decode a latent action to commands.

        Args:
            chunk: points (H, axes).
            latent_space: the latent space it is in.
            now_ns: the time, on the axis of the stamps.
            message_status: what reading its message gave; anything but "ok" refuses it.

        Returns:
            The commands of "arm" and "hand", and why there are none, empty if there are.
        """
        commands, reason = self._decode(chunk, latent_space, now_ns, message_status)
        with self._lock:
            self.counts.received += 1
            if commands:
                self.seed.remember(commands["arm"])
                self.counts.decoded, self.counts.reason = self.counts.decoded + 1, ""
            else:
                self.counts.chunks_refused += 1
        if reason:
            self.refuse(reason)
        return commands, reason

    def refuse(self, reason: str) -> None:
        """Count a message that was refused, here or on its way here."""
        with self._lock:
            self.counts.refused[reason.split(":")[0]] += 1
            self.counts.reason = reason

    def ignore(self) -> None:
        """Count a latent action that came while the codec was inactive: refused, for no reason that is its own."""
        with self._lock:
            self.counts.received += 1
            self.counts.chunks_refused += 1

    def _decode(self, chunk: Chunk, space: str, now_ns: int, message_status: str) -> tuple[dict[str, Chunk], str]:
        reason = self.gate.chunk(space, message_status, chunk.stamp_ns, now_ns)
        if reason:
            return {}, reason
        with self._lock:
            reason = self.gate.states(self._newest(), now_ns)
            measured = self._states["arm"].until(chunk.stamp_ns)
        if reason or measured is None:
            return {}, reason or "arm_joint_states_missing: expected one not newer than the observation"
        seed = self.seed.at(chunk.start_ns, measured.position)
        arm, hand, status = self.side.decode_chunk(chunk.points, seed)
        if not status.ok:
            return {}, str(status)
        return {part: Chunk(chunk.stamp_ns, chunk.times_s, q) for part, q in (("arm", arm), ("hand", hand))}, ""

    def _newest(self) -> dict[str, State]:
        """The newest joint state by part, of the parts that have one; the lock is held."""
        return {part: history.newest for part, history in self._states.items() if len(history)}
