"""Sole use of a device: a second driver, in this process or another one, is refused when it connects.

A claim of the device's address, however it is spelled (`contracts.claims`), excludes other drivers of this workspace on
this machine. A serial line is also locked, against programs that lock lines (pyserial's `exclusive`), and opened
exclusively, against all others that do not run as root.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import termios

from contracts.claims import Claim, ClaimedError
from hand_drivers.device import DeviceError


class Ownership:
    """The sole use of one device: taken before a driver connects, released after it disconnected.

    Args:
        device: Its kind and its address, such as "xarm7 192.168.1.5".
        line: Path of its serial line; anything else is none.
        port: The usual port of such a device; 0 where its address is none of a network.
    """

    def __init__(self, device: str, line: str = "", port: int = 0) -> None:
        self._device, self._path, self._port = device, line if line.startswith("/") else "", port
        self._claim: Claim | None = None
        self._line: int | None = None

    def take(self) -> None:
        """Take the device, unless this object has it.

        Raises:
            DeviceError: If another driver has it, which the text names, or another program its serial line.
        """
        if self._claim is not None:
            return
        try:
            self._claim = Claim(f"device {canonical(self._device, self._port)}")
            if self._path:
                _expect_free(self._path)
        except (ClaimedError, DeviceError) as error:
            self.release()
            raise DeviceError(str(error)) from None

    def close_line(self) -> None:
        """Lock the serial line against other programs, once the driver has opened it."""
        if self._path:
            with contextlib.suppress(OSError):  # of a library that has locked it itself, or of what is no terminal
                self._line = _open(self._path)
                fcntl.ioctl(self._line, termios.TIOCEXCL)
                fcntl.flock(self._line, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def release(self) -> None:
        """Release the device; may be called again."""
        line, self._line = self._line, None
        if line is not None:
            with contextlib.suppress(OSError):  # as above, or it was unplugged
                fcntl.ioctl(line, termios.TIOCNXCL)
            os.close(line)
        if self._claim is not None:
            self._claim.release()
            self._claim = None


def canonical(device: str, port: int) -> str:
    """The one name of a device for all spellings of its address.

    Args:
        device: Its kind and its address, such as "xarm7 192.168.1.5"; the path of a serial line, HOST[:PORT], or else.
        port: The usual port of such a device; 0 where its address is none of a network.

    Returns:
        The kind with the serial line that a link names, or with IP and port; what is unknown stays as it is.
    """
    kind, _, address = device.partition(" ")
    if address.startswith("/"):
        return f"{kind} {os.path.realpath(address)}"
    if not port or not address:
        return device
    host, _, own_port = address.partition(":")
    with contextlib.suppress(OSError, UnicodeError):
        host = min(str(found[4][0]) for found in socket.getaddrinfo(host, None))
    return f"{kind} {host}:{own_port.lstrip('0') or port}"


def _expect_free(path: str) -> None:
    """Raise DeviceError if another program has locked a serial line, or opened it exclusively."""
    try:
        line = _open(path)
    except OSError as error:
        if error.errno == errno.EBUSY:
            raise DeviceError(f"{path}: opened by another program, expected a free serial line") from None
        return  # the driver reports why it cannot be opened
    try:
        fcntl.flock(line, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise DeviceError(f"{path}: locked by another program, expected a free serial line") from None
    finally:
        os.close(line)


def _open(path: str) -> int:
    return os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
