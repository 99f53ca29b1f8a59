"""Claims: what one process of this machine may have at a time, such as a device or the name of a node in a domain.

A claim is an abstract Unix socket, so the kernel releases it when its process ends, however that happens, and names
it to others.
"""

from __future__ import annotations

import hashlib
import re
import socket
import struct
from pathlib import Path

_CREDENTIALS = struct.Struct("3i")  # process, user, group; see unix(7)
_NODE, _NAMESPACE = re.compile(r"__node:=(\w+)"), re.compile(r"__ns:=/([\w/]+)")


class ClaimedError(RuntimeError):
    """Another process has the claim; the text names it."""


class Claim:
    """A claim of this process, until `release` or the end of the process.

    Args:
        name: What is claimed.

    Raises:
        ClaimedError: If it is claimed already, also by this process.
    """

    def __init__(self, name: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.bind(_address(name))
            self._socket.listen()
        except OSError:
            self._socket.close()
            raise ClaimedError(f"{name}: in use by {owner(name) or 'another process'}") from None

    def release(self) -> None:
        """Release the claim; may be called again."""
        self._socket.close()


def name_of_node(name: str, domain: int) -> str:
    """The claim of a node's full name in a ROS domain."""
    return f"name {name} in ROS domain {domain}"


def owner(name: str) -> str:
    """The process that has a claim, as text: its node and number; empty if no process has it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.setblocking(False)
        try:
            asking.connect(_address(name))
        except BlockingIOError:  # requested very often
            return "another process"
        except OSError:
            return ""
        found = asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return _describe(_CREDENTIALS.unpack(found)[0])


def _address(name: str) -> str:
    """An abstract address; names of any length are hashed to one that fits."""
    return f"\0crosshand-{hashlib.sha256(name.encode()).hexdigest()[:32]}"


def _describe(process: int) -> str:
    try:
        command = Path(f"/proc/{process}/cmdline").read_text(errors="replace").replace("\0", " ")
    except OSError:
        command = ""
    nodes = _NODE.findall(command)
    name = "/".join(["", *_NAMESPACE.findall(command)[:1], *nodes[:1]])
    return f"node {name}, process {process}" if nodes else f"process {process}"
