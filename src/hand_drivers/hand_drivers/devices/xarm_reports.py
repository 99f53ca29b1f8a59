"""The reports that the control box of an xArm pushes: mode and state in force, which no request returns."""

from __future__ import annotations

import select
import socket
import struct
import time
from dataclasses import dataclass

from hand_drivers.device import DeviceError

PORTS = (30003, 30001)  # 100 and 5 reports a second; the first that accepts is used
HEAD = struct.Struct(">IB")  # length with itself, and mode << 4 | state
LARGEST = 2048  # bytes of a report
SILENT_S = 1.0  # time without a report after which the mode counts as unknown
READY = (0, 1, 2)  # states in which the box executes targets


@dataclass(frozen=True)
class Report:
    """What the box reports of itself."""

    mode: int
    state: int


class ReportStream:
    """Finds the reports in received bytes."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> Report | None:
        """Take received bytes; returns the newest report that they complete.

        Raises:
            ValueError: Where a report should begin there is an impossible length.
        """
        self._buffer += data
        newest = None
        while len(self._buffer) >= HEAD.size:
            length, both = HEAD.unpack_from(self._buffer)
            if not HEAD.size <= length <= LARGEST:
                raise ValueError(f"found a report of {length} bytes, expected {HEAD.size} to {LARGEST}")
            if len(self._buffer) < length:
                break
            self._buffer, newest = self._buffer[length:], Report(both >> 4, both & 0x0F)
        return newest


class Reports:
    """A connection to the box's reports."""

    def __init__(self, name: str, address: str, timeout_s: float) -> None:
        """Connect.

        Args:
            name: Begins the text of errors.
            address: Host.
            timeout_s: Longest wait for each port.

        Raises:
            DeviceError: No report port accepts.
        """
        self._name = name
        self._socket, self._port = self._connect(address, timeout_s)
        self._socket.setblocking(False)
        self._stream = ReportStream()
        self._newest: Report | None = None
        self._then = time.monotonic()

    def newest(self) -> Report | None:
        """The newest report so far, None before the first; does not wait.

        Raises:
            DeviceError: The box closed the connection, or has sent no report for SILENT_S.
        """
        self._receive()
        if time.monotonic() - self._then > SILENT_S:
            raise DeviceError(
                f"{self._name}: no report on port {self._port} for {SILENT_S:g} s, so its mode is unknown"
            )
        return self._newest

    def wait_for(self, mode: int, timeout_s: float) -> Report | None:
        """Wait for a report, sent from now on, of a mode and a state that is ready.

        Returns:
            That report, or the last one in `timeout_s`; None without a report.

        Raises:
            DeviceError: The box closed the connection.
        """
        self._receive()  # what was sent before
        self._newest, deadline = None, time.monotonic() + timeout_s
        while (left := deadline - time.monotonic()) > 0:
            select.select([self._socket], [], [], left)
            self._receive()
            if self._newest is not None and self._newest.mode == mode and self._newest.state in READY:
                break
        return self._newest

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def _receive(self) -> None:
        while True:
            try:
                data = self._socket.recv(1 << 16)
            except BlockingIOError:
                return
            except OSError as error:
                raise DeviceError(f"{self._name}: reports on port {self._port}: {error.strerror}") from None
            if not data:
                raise DeviceError(f"{self._name}: the box closed its reports on port {self._port}")
            self._take(data)

    def _take(self, data: bytes) -> None:
        try:
            found = self._stream.feed(data)
        except ValueError as error:
            raise DeviceError(f"{self._name}: port {self._port}: {error}") from None
        if found is not None:
            self._newest, self._then = found, time.monotonic()

    def _connect(self, address: str, timeout_s: float) -> tuple[socket.socket, int]:
        reasons = []
        for port in PORTS:
            try:
                return socket.create_connection((address, port), timeout_s), port
            except OSError as error:
                reasons.append(f"port {port}: {error.strerror or error}")
        raise DeviceError(f"{self._name}: no reports, which tell its mode: {', '.join(reasons)}")
