"""The shared-memory world: states of the robots and their targets, without locks.

Each world is a file in /dev/shm, by user and the station's `simulation.port`; other users cannot open it. It begins
with ``MAGIC | size of the description u32 | description``, JSON of `Description`. Rings of slots follow, each with a
count u64: a writer fills the next slot and then increments the count; a reader copies the newest slot, and again if the
writer has reached it meanwhile. All values are in SI units, in the embodiments' canonical joint order.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contracts.errors import problems

SHM = Path("/dev/shm")
MAGIC = b"CRH2"
MAX_AGE_S = 0.15  # age from which a world is stale; longer than usual scheduler stalls
_BEGIN = struct.Struct("<4sI")
_SLOTS = 4
_ROWS = 4  # position, velocity, effort, target
_READINGS = 8
_POLL_S = 2e-4  # period at which a step is polled for
_LINE = 64  # bytes of a cache line: counts and data of different writers do not share one
_LATEST_NS = 2**31 * 10**9  # largest stamp of a message


class WorldError(RuntimeError):
    """The world is missing, stale, or another one, or the target is invalid."""


class Description(BaseModel):
    """The joints of each part of a world (``left/arm``) and the size of its generalised positions."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    parts: dict[str, tuple[str, ...]] = Field(max_length=16)
    coordinates: int = Field(ge=0, le=4096)

    @property
    def joints(self) -> int:
        """Number of joints of all parts."""
        return sum(map(len, self.parts.values()))


def describe(data: bytes) -> Description:
    """Read the description at the beginning of a world's memory.

    Raises:
        WorldError: If the data is not a world.
    """
    if len(data) < _BEGIN.size or data[:4] != MAGIC:
        raise WorldError(f"found {data[:4]!r} at the beginning of {len(data)} bytes, expected {MAGIC!r}")
    size = _BEGIN.unpack_from(data)[1]
    try:
        found = Description.model_validate_json(data[_BEGIN.size : _BEGIN.size + size])
    except ValidationError as error:
        first = problems(error, Description)[0]
        raise WorldError(f"description: {first.field}: found {first.found}, expected {first.expected}") from None
    if len(data) < _Memory.size(found, size):
        raise WorldError(f"found {len(data)} bytes, expected {_Memory.size(found, size)} for {found.joints} joints")
    return found


def file_of(port: int) -> Path:
    """The file of a world of this user."""
    return SHM / f"crosshand-{os.getuid()}-{port}"


def taken(port: int) -> bool:
    """Whether a world of this user runs at a port."""
    try:
        descriptor = os.open(file_of(port), os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        return not _locked(descriptor)
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    """Lock a file until it is closed; False if another process has locked it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class _Ring:
    """A ring of records of two times (ns) and `size` numbers; one writer, any number of readers of the newest."""

    def __init__(self, memory: mmap.mmap, offset: int, size: int) -> None:
        self.count = np.ndarray(1, "<u8", memory, offset)
        self._times = np.ndarray((_SLOTS, 2), "<i8", memory, offset + _LINE)
        self._values = np.ndarray((_SLOTS, size), "<f8", memory, offset + 2 * _LINE)

    @staticmethod
    def bytes(size: int) -> int:
        """Bytes of a ring."""
        return 2 * _LINE + -(-_SLOTS * 8 * size // _LINE) * _LINE

    def put(self, stamp_ns: int, at_ns: int, *values: np.ndarray) -> None:
        """Write a record; the numbers of all `values` are concatenated."""
        count = int(self.count[0]) + 1
        slot, begin = self._values[count % _SLOTS], 0
        for part in values:
            slot[begin : begin + part.size] = part.ravel()
            begin += part.size
        self._times[count % _SLOTS] = stamp_ns, at_ns
        self.count[0] = count

    def newest(self) -> tuple[int, int, np.ndarray]:
        """Both times and the numbers of the newest record."""
        for _ in range(_READINGS):
            count = int(self.count[0])
            (stamp_ns, at_ns), values = self._times[count % _SLOTS].tolist(), self._values[count % _SLOTS].copy()
            if int(self.count[0]) - count < _SLOTS - 1:
                return stamp_ns, at_ns, values
        raise WorldError("the simulated world writes faster than it can be read")

    def since_ns(self) -> int:
        """The second time of the newest record."""
        return int(self._times[int(self.count[0]) % _SLOTS, 1])


class _Memory:
    """The rings of a world: states, and targets of each part."""

    def __init__(self, memory: mmap.mmap, found: Description, text: int) -> None:
        offset = self._begin(text)
        self.state = _Ring(memory, offset, self._state(found))
        offset += _Ring.bytes(self._state(found))
        self.targets: dict[str, _Ring] = {}
        for part, joints in found.parts.items():
            self.targets[part] = _Ring(memory, offset, len(joints))
            offset += _Ring.bytes(len(joints))

    @classmethod
    def size(cls, found: Description, text: int) -> int:
        """Bytes of a world with a description of `text` bytes."""
        return cls._begin(text) + sum(map(_Ring.bytes, [cls._state(found), *map(len, found.parts.values())]))

    @staticmethod
    def _begin(text: int) -> int:
        return -(-(_BEGIN.size + text) // _LINE) * _LINE

    @staticmethod
    def _state(found: Description) -> int:
        return _ROWS * found.joints + found.coordinates


class SharedWorldWriter:
    """The world's side of the shared memory: writes states and reads targets.

    Args:
        found: Description of the world.
        port: Its port.

    Raises:
        WorldError: If another world runs at the port.
    """

    def __init__(self, found: Description, port: int) -> None:
        self._file = file_of(port)
        text = found.model_dump_json().encode()
        self._descriptor = _new_file(self._file, port, _Memory.size(found, len(text)))
        memory = mmap.mmap(self._descriptor, 0)
        memory[: _BEGIN.size + len(text)] = _BEGIN.pack(MAGIC, len(text)) + text
        self._memory = _Memory(memory, found, len(text))
        self._counts = dict.fromkeys(found.parts, 0)

    def write_state(self, stamp_ns: int, robots: np.ndarray, qpos: np.ndarray) -> None:
        """Write the state of the world.

        Args:
            stamp_ns: System time, ns.
            robots: Position, velocity, effort and target of all joints (4, J).
            qpos: Generalised positions (nq,).
        """
        self._memory.state.put(stamp_ns, time.monotonic_ns(), robots, qpos)

    def new_targets(self) -> Mapping[str, np.ndarray]:
        """Position targets (n,) by part that are new since the last call; those that are not finite are dropped."""
        found = {}
        for part, ring in self._memory.targets.items():
            count = int(ring.count[0])
            if count != self._counts[part]:
                self._counts[part] = count
                *_, target = ring.newest()
                if np.isfinite(target).all():
                    found[part] = target
        return found

    def close(self) -> None:
        """Remove the file; for present readers the world becomes stale."""
        if self._descriptor >= 0:
            self._file.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = -1


def _new_file(path: Path, port: int, size: int) -> int:
    """Create a locked file of zeros at `path`; readers of a previous file keep that."""
    if taken(port):
        raise WorldError(f"another simulated world runs as {port} (station field simulation.port)")
    descriptor, name = tempfile.mkstemp(prefix=f"{path.name}-", dir=path.parent)  # accessible to this user only
    os.ftruncate(descriptor, size)
    _locked(descriptor)
    os.rename(name, path)
    return descriptor


class SharedWorldReader:
    """The devices' and cameras' side of the shared memory: reads states and writes targets.

    Args:
        port: Port of the world.
        max_age_s: Age from which the world is stale, s; MAX_AGE_S by default.

    Raises:
        WorldError: Here and in all methods, if there is no world or it is stale.
    """

    def __init__(self, port: int, max_age_s: float | None = None) -> None:
        self._port, self._max_age_s = port, MAX_AGE_S if max_age_s is None else max_age_s
        try:
            descriptor = os.open(file_of(port), os.O_RDWR | os.O_NOFOLLOW)
        except OSError as error:
            raise WorldError(f"no simulated world runs as {port} ({(error.strerror or 'an error').lower()})") from None
        try:
            if os.fstat(descriptor).st_uid != os.getuid() or not os.fstat(descriptor).st_size:
                raise WorldError(f"{file_of(port)}: found a file of another user or an empty one, expected a world's")
            memory = mmap.mmap(descriptor, 0)
        finally:
            os.close(descriptor)
        self.description = describe(memory[:])
        self._memory = _Memory(memory, self.description, _BEGIN.unpack_from(memory)[1])
        self._joints = self.description.joints
        self._places, begin = {}, 0
        for part, joints in self.description.parts.items():
            self._places[part] = slice(begin, begin + len(joints))
            begin += len(joints)
        self._newest()

    def expect(self, part: str, joints: tuple[str, ...]) -> None:
        """Check that the world has a part with these joints, in this order.

        Raises:
            WorldError: If it has not.
        """
        known = self.description.parts
        if part not in known:
            raise WorldError(f"no part {part!r}, expected one of {', '.join(known)}")
        if known[part] != tuple(joints):
            raise WorldError(f"{part} has the joints {', '.join(known[part])}, not {', '.join(joints)}")

    def read(self, part: str) -> tuple[int, np.ndarray]:
        """Stamp (system time, ns), and position, velocity, effort and target (4, n) of a part."""
        stamp_ns, values = self._newest()
        return stamp_ns, self._robots(values)[:, self._places[part]]

    def robots(self) -> np.ndarray:
        """Position, velocity, effort and target (4, J) of all parts, in the order of the description."""
        return self._robots(self._newest()[1])

    def coordinates(self) -> tuple[int, np.ndarray]:
        """Stamp (system time, ns) and generalised positions (nq,), for renderers."""
        stamp_ns, values = self._newest()
        return stamp_ns, values[_ROWS * self._joints :]

    def wait_for_step(self, timeout_s: float) -> None:
        """Wait for the next state of the world, at most `timeout_s`."""
        ring, deadline_s = self._memory.state, time.monotonic() + timeout_s
        count = int(ring.count[0])
        while int(ring.count[0]) == count and time.monotonic() < deadline_s:
            time.sleep(_POLL_S)

    def write_target(self, part: str, target: np.ndarray) -> None:
        """Set the position targets (n,) of a part.

        Raises:
            WorldError: If they are not finite, or the world is stale.
        """
        target, count = np.asarray(target, float), len(self.description.parts[part])
        if target.shape != (count,) or not np.isfinite(target).all():
            raise WorldError(f"{part}: found targets {target.tolist()}, expected {count} finite numbers")
        self._expect_fresh(self._memory.state.since_ns())
        self._memory.targets[part].put(0, 0, target)

    def _robots(self, values: np.ndarray) -> np.ndarray:
        return values[: _ROWS * self._joints].reshape(_ROWS, self._joints)

    def _newest(self) -> tuple[int, np.ndarray]:
        stamp_ns, at_ns, values = self._memory.state.newest()
        self._expect_fresh(at_ns)
        if not 0 <= stamp_ns < _LATEST_NS or not np.isfinite(values).all():
            raise WorldError(f"the simulated world {self._port} has an impossible stamp or joint value")
        return stamp_ns, values

    def _expect_fresh(self, at_ns: int) -> None:
        age_s = 1e-9 * (time.monotonic_ns() - at_ns)
        if not at_ns or age_s > self._max_age_s:
            found = f"its state is {age_s:.2f} s old" if at_ns else "it has no state"
            raise WorldError(f"the simulated world {self._port} is stale: {found}")
