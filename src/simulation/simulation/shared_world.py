"""The simulated world in shared memory: how it is, and what its robots are told. Nobody waits for anybody.

A file of /dev/shm for each world of a user, by the station's `simulation.port`; no other user may open it. It begins
with ``MAGIC | size of the description u32 | description``, JSON of `Description`. What follows are rings of slots with
a count u64 before them: a writer fills the next slot, then counts it; a reader takes the newest, and again if meanwhile
the ring has come round to it. All values are SI, in the embodiments' canonical joint order.
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
MAX_AGE_S = 0.15  # a world that has not moved on for so long says nothing any more; till then a busy machine is late
_BEGIN = struct.Struct("<4sI")
_SLOTS = 4
_ROWS = 4  # position, velocity, effort, target
_READINGS = 8
_LOOK_S = 2e-4  # between two looks whether the world has moved on
_LINE = 64  # bytes: counts lie apart from what others write
_LATEST_NS = 2**31 * 10**9  # what the stamp of a message can hold


class WorldError(RuntimeError):
    """The world is absent, stands still, is another one, or cannot be told this."""


class Description(BaseModel):
    """What a world consists of: the joints of each part (``left/arm``) and the size of its generalised positions."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    parts: dict[str, tuple[str, ...]] = Field(max_length=16)
    coordinates: int = Field(ge=0, le=4096)

    @property
    def joints(self) -> int:
        """Of all parts together."""
        return sum(map(len, self.parts.values()))


def describe(data: bytes) -> Description:
    """The description at the beginning of a world's memory. Raises WorldError for what no world writes."""
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
    """Where a world of this user's is."""
    return SHM / f"crosshand-{os.getuid()}-{port}"


def taken(port: int) -> bool:
    """Whether a world of this user's runs there."""
    try:
        descriptor = os.open(file_of(port), os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        return not _locked(descriptor)
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    """Lock a file until it is closed; False where another process has it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class _Ring:
    """Records of two times (ns) and `size` numbers, of which the newest counts; one writer, any number of readers."""

    def __init__(self, memory: mmap.mmap, offset: int, size: int) -> None:
        self.count = np.ndarray(1, "<u8", memory, offset)
        self._times = np.ndarray((_SLOTS, 2), "<i8", memory, offset + _LINE)
        self._values = np.ndarray((_SLOTS, size), "<f8", memory, offset + 2 * _LINE)

    @staticmethod
    def bytes(size: int) -> int:
        """What a ring takes."""
        return 2 * _LINE + -(-_SLOTS * 8 * size // _LINE) * _LINE

    def put(self, stamp_ns: int, at_ns: int, *values: np.ndarray) -> None:
        """Write a record, its numbers one after the other."""
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
    """The rings of a world: its states, and each part's targets."""

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
        """Bytes of a world whose description has so many."""
        return cls._begin(text) + sum(map(_Ring.bytes, [cls._state(found), *map(len, found.parts.values())]))

    @staticmethod
    def _begin(text: int) -> int:
        return -(-(_BEGIN.size + text) // _LINE) * _LINE

    @staticmethod
    def _state(found: Description) -> int:
        return _ROWS * found.joints + found.coordinates


class Board:
    """The world's end: it shows its state and hears what its robots are told. Raises WorldError where one runs."""

    def __init__(self, found: Description, port: int) -> None:
        self._file = file_of(port)
        text = found.model_dump_json().encode()
        self._descriptor = _new_file(self._file, port, _Memory.size(found, len(text)))
        memory = mmap.mmap(self._descriptor, 0)
        memory[: _BEGIN.size + len(text)] = _BEGIN.pack(MAGIC, len(text)) + text
        self._memory = _Memory(memory, found, len(text))
        self._heard = dict.fromkeys(found.parts, 0)

    def show(self, stamp_ns: int, robots: np.ndarray, qpos: np.ndarray) -> None:
        """The world at `stamp_ns` (system time): robots (4, J) position, velocity, effort, target; qpos (nq,)."""
        self._memory.state.put(stamp_ns, time.monotonic_ns(), robots, qpos)

    def told(self) -> Mapping[str, np.ndarray]:
        """Position targets (n,) by part, of those that were told new ones. What is not finite is not passed on."""
        found = {}
        for part, ring in self._memory.targets.items():
            count = int(ring.count[0])
            if count != self._heard[part]:
                self._heard[part] = count
                *_, target = ring.newest()
                if np.isfinite(target).all():
                    found[part] = target
        return found

    def close(self) -> None:
        """Take it away; who still looks at it sees a world that stands still."""
        if self._descriptor >= 0:
            self._file.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = -1


def _new_file(path: Path, port: int, size: int) -> int:
    """A file of zeros at `path`, locked; who has opened what was there before keeps that."""
    if taken(port):
        raise WorldError(f"another simulated world runs as {port} (station field simulation.port)")
    descriptor, name = tempfile.mkstemp(prefix=f"{path.name}-", dir=path.parent)  # for this user alone
    os.ftruncate(descriptor, size)
    _locked(descriptor)
    os.rename(name, path)
    return descriptor


class View:
    """The end of who looks at the world of a port, and tells its robots where to be.

    Raises WorldError, as all its methods do, when there is none, or it stands still for longer than `max_age_s`, by
    default MAX_AGE_S.
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
        """Raises WorldError unless the world has this part, with these joints in this order."""
        known = self.description.parts
        if part not in known:
            raise WorldError(f"no part {part!r}, expected one of {', '.join(known)}")
        if known[part] != tuple(joints):
            raise WorldError(f"{part} has the joints {', '.join(known[part])}, not {', '.join(joints)}")

    def read(self, part: str) -> tuple[int, np.ndarray]:
        """Stamp (ns, system time) and (4, n) position, velocity, effort, target of a part."""
        stamp_ns, values = self._newest()
        return stamp_ns, self._robots(values)[:, self._places[part]]

    def robots(self) -> np.ndarray:
        """(4, J) position, velocity, effort, target of all parts in the order of the description."""
        return self._robots(self._newest()[1])

    def coordinates(self) -> tuple[int, np.ndarray]:
        """Stamp and generalised positions (nq,), for renderers."""
        stamp_ns, values = self._newest()
        return stamp_ns, values[_ROWS * self._joints :]

    def await_step(self, timeout_s: float) -> None:
        """Return once the world has moved on, or the time is over."""
        ring, deadline_s = self._memory.state, time.monotonic() + timeout_s
        count = int(ring.count[0])
        while int(ring.count[0]) == count and time.monotonic() < deadline_s:
            time.sleep(_LOOK_S)

    def tell(self, part: str, target: np.ndarray) -> None:
        """Have a part's joints go to `target` (n,)."""
        target, count = np.asarray(target, float), len(self.description.parts[part])
        if target.shape != (count,) or not np.isfinite(target).all():
            raise WorldError(f"{part}: found targets {target.tolist()}, expected {count} finite numbers")
        self._expect_motion(self._memory.state.since_ns())
        self._memory.targets[part].put(0, 0, target)

    def _robots(self, values: np.ndarray) -> np.ndarray:
        return values[: _ROWS * self._joints].reshape(_ROWS, self._joints)

    def _newest(self) -> tuple[int, np.ndarray]:
        stamp_ns, at_ns, values = self._memory.state.newest()
        self._expect_motion(at_ns)
        if not 0 <= stamp_ns < _LATEST_NS or not np.isfinite(values).all():
            raise WorldError(f"the simulated world {self._port} shows a stamp or joints that none can have")
        return stamp_ns, values

    def _expect_motion(self, at_ns: int) -> None:
        age_s = 1e-9 * (time.monotonic_ns() - at_ns)
        if not at_ns or age_s > self._max_age_s:
            since = f"{age_s:.2f} s" if at_ns else "ever"
            raise WorldError(f"the simulated world {self._port} has not moved on for {since}")
