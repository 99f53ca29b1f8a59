"""The datagrams between simulated devices and the simulated world: loopback UDP, one request, one reply.

A request is ``MAGIC | sequence u16 | op u8 | part name 16 bytes | n u16 | n x f64 | text``; a reply is
``MAGIC | sequence u16 | status u8 | stamp i64 | n u16 | n x f64``, or UTF-8 text where the status is ERROR.
All values are SI and in the embodiment's canonical joint order, which HELLO checks by name.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

MAGIC = b"CRH1"
_REQUEST = struct.Struct("<4sHB16sH")
_REPLY = struct.Struct("<4sHBqH")
MAX_DATAGRAM = 8192
_LATEST_NS = 2**31 * 10**9  # what the stamp of a message can hold


class Op(IntEnum):
    """What a datagram asks for."""

    HELLO = 1  # is this part simulated, with these joints? text = comma separated joint names
    READ = 2  # -> position (n), velocity (n), effort (n)
    WRITE = 3  # position targets (n)
    STATE = 4  # -> generalised positions of the whole world (nq), for renderers
    MOTION = 5  # -> velocities of all parts in the order of the station, then their targets (2 n), for observers


class Status(IntEnum):
    """How the world answers."""

    OK = 0
    ERROR = 1


@dataclass(frozen=True)
class Request:
    """A decoded request; ``values`` is (n,), ``text`` what follows the values."""

    sequence: int
    op: Op
    part: str
    values: np.ndarray
    text: str


class WireError(RuntimeError):
    """The other end is absent, silent, or answers something that is not this protocol."""


def pack_request(sequence: int, op: Op, part: str = "", values: np.ndarray | None = None, text: str = "") -> bytes:
    """Encode a request."""
    payload = np.zeros(0) if values is None else np.asarray(values, dtype="<f8")
    return _REQUEST.pack(MAGIC, sequence, op, part.encode(), payload.size) + payload.tobytes() + text.encode()


def unpack_request(data: bytes) -> Request:
    """Decode a request; raises WireError for anything malformed."""
    if len(data) < _REQUEST.size or data[:4] != MAGIC:
        raise WireError(f"datagram of {len(data)} bytes is not a Crosshand request")
    _, sequence, op, part, n = _REQUEST.unpack_from(data)
    end = _REQUEST.size + 8 * n
    if len(data) < end or op not in Op._value2member_map_:
        raise WireError(f"request with op {op} and {n} values in {len(data)} bytes")
    values = np.frombuffer(data, "<f8", n, _REQUEST.size)
    try:
        name, text = part.rstrip(b"\0").decode(), data[end:].decode()
    except UnicodeDecodeError as error:
        raise WireError(f"request with a name or text that is not UTF-8: {error.reason}") from None
    return Request(sequence, Op(op), name, values, text)


def pack_reply(sequence: int, stamp_ns: int, values: np.ndarray) -> bytes:
    """Encode a successful reply."""
    payload = np.asarray(values, dtype="<f8")
    return _REPLY.pack(MAGIC, sequence, Status.OK, stamp_ns, payload.size) + payload.tobytes()


def pack_error(sequence: int, text: str) -> bytes:
    """Encode a refusal with its reason."""
    return _REPLY.pack(MAGIC, sequence, Status.ERROR, 0, 0) + text.encode()


def unpack_reply(data: bytes) -> tuple[int, int, np.ndarray]:
    """Decode a reply to (sequence, stamp_ns, finite values (n,)); raises WireError, when refused with the world's
    reason."""
    if len(data) < _REPLY.size or data[:4] != MAGIC:
        raise WireError(f"datagram of {len(data)} bytes is not a Crosshand reply")
    _, sequence, status, stamp_ns, n = _REPLY.unpack_from(data)
    if status == Status.ERROR:
        raise WireError(data[_REPLY.size :].decode(errors="replace"))
    if status != Status.OK or len(data) != _REPLY.size + 8 * n:
        raise WireError(f"reply with status {status} announces {n} values in {len(data)} bytes")
    values = np.frombuffer(data, "<f8", n, _REPLY.size)
    if not 0 <= stamp_ns < _LATEST_NS or not np.isfinite(values).all():
        raise WireError(f"reply with stamp {stamp_ns} and values {values.tolist()}, expected a time and finite numbers")
    return sequence, stamp_ns, values


class Client:
    """One question at a time to the world at ``host:port``."""

    MAX_STALE_REPLIES = 16

    def __init__(self, address: str, timeout_s: float = 0.05) -> None:
        host, _, port = address.rpartition(":")
        if not host or not port.isdigit():
            raise WireError(f"simulation address {address!r}: expected host:port")
        self._address = address
        self._sequence = 0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.settimeout(timeout_s)
        self._socket.connect((host, int(port)))

    def tell(self, op: Op, part: str, values: np.ndarray) -> None:
        """Send and do not wait; that the world refused it is raised by the next `ask`. Raises WireError."""
        self._send(op, part, values, "")

    def ask(self, op: Op, part: str = "", values: np.ndarray | None = None, text: str = "") -> tuple[int, np.ndarray]:
        """Send, wait for the answer at most the timeout: (stamp_ns, values (n,)); raises WireError."""
        self._send(op, part, values, text)
        try:
            for _ in range(self.MAX_STALE_REPLIES):  # answers that nobody waited for come first
                sequence, stamp_ns, reply = unpack_reply(self._socket.recv(MAX_DATAGRAM))
                if sequence == self._sequence:
                    return stamp_ns, reply
        except OSError as error:  # refused (nobody listens) and timed out alike
            raise WireError(f"no answer from the simulation at {self._address} ({error})") from error
        raise WireError(f"the simulation at {self._address} answers other questions")

    def _send(self, op: Op, part: str, values: np.ndarray | None, text: str) -> None:
        self._sequence = (self._sequence + 1) % 0x10000
        try:
            self._socket.send(pack_request(self._sequence, op, part, values, text))
        except OSError as error:  # refused: nobody listens
            raise WireError(f"no answer from the simulation at {self._address} ({error})") from error

    def close(self) -> None:
        """Release the socket."""
        self._socket.close()
