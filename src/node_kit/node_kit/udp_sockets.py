"""The UDP sockets of a process: nothing is received any more before its participant in the middleware is destroyed.

Fast DDS waits without end, with the interpreter lock held by rclpy, if a participant is destroyed in the moment in
which it discovers that another comes or goes (eProsima/Fast-DDS#6513): so some process of a graph
hung now and then when all ended together.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import socket
import struct
import termios
import time
from collections.abc import Collection, Iterator

_SO_ATTACH_FILTER = 26
_DROP_ALL = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))  # one instruction: accept 0 bytes
_FILTER = struct.pack("HP", 1, ctypes.addressof(_DROP_ALL))
_QUEUE_S, _LAST_S = 0.2, 0.01  # at most, until what has arrived is read; then for what was read last


def close_inherited() -> None:
    """Close the sockets of the process that started this one; to be called before this one uses ROS.

    `ros2 launch` passes its open files on to all nodes: its ports would be held until the last node has ended.
    """
    for number, each in _all():
        each.close()
        os.close(number)


@contextlib.contextmanager
def created() -> Iterator[set[int]]:
    """Yields a set that holds afterwards the inodes of the UDP sockets that were created meanwhile, as by a node."""
    before, own = _inodes(), set[int]()
    yield own
    own |= _inodes() - before


def stop_receiving(own: Collection[int] | None = None) -> None:
    """Let the kernel drop all that arrives at UDP sockets of this process, and wait until the rest is read.

    Args:
        own: Inodes of the sockets (`created`), where the process has other nodes; None for all.
    """
    found = _all()
    sockets = [each for _, each in found if own is None or os.fstat(each.fileno()).st_ino in own]
    for each in sockets:
        with contextlib.suppress(OSError):
            each.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, _FILTER)
    deadline = time.monotonic() + _QUEUE_S
    while any(_waiting(each) for each in sockets) and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(_LAST_S)
    for _, each in found:
        each.close()


def _inodes() -> set[int]:
    found = _all()
    inodes = {os.fstat(each.fileno()).st_ino for _, each in found}
    for _, each in found:
        each.close()
    return inodes


def _all() -> list[tuple[int, socket.socket]]:
    """The descriptor of each UDP socket of this process, and a second one."""
    numbers = []
    for entry in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # that of the folder itself
            if os.readlink(f"/proc/self/fd/{entry}").startswith("socket:"):
                numbers.append(int(entry))
    found = []
    for number in numbers:  # only now: a copy could get the number of the folder, and be taken for another socket
        with contextlib.suppress(OSError):  # another thread has just closed it
            each = socket.socket(fileno=os.dup(number))
            if each.type == socket.SOCK_DGRAM and each.family in (socket.AF_INET, socket.AF_INET6):
                found.append((number, each))
            else:
                each.close()
    return found


def _waiting(each: socket.socket) -> int:
    """The size of the first datagram that has arrived and is not read, in bytes."""
    return struct.unpack("i", fcntl.ioctl(each, termios.FIONREAD, b"\0" * 4))[0]
