"""Whether new nodes can discover those of this process.

A participant that does not respond while another one opens its shared-memory port, as in a scheduler stall, counts as
dead: Fast DDS replaces the port by a new one, at which it does not listen. Nodes that know it go on; new ones, such as
`ros2 node list`, do not find it. It cannot take the port back, but it can report it.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

PORT, LOCK = "/dev/shm/fastrtps_port", "_el"
HIDDEN = "new nodes do not discover this one, as Fast DDS has replaced its shared-memory port; restart it"


class Ports:
    """The shared-memory ports at which this process listens, as they are when this is made."""

    def __init__(self) -> None:
        self._ports = {port: _inode(port) for port in _own_ports()}

    def lost(self) -> list[str]:
        """Those that were removed or replaced since; takes some microseconds."""
        return [Path(port).name for port, inode in self._ports.items() if _inode(port) != inode]


def _own_ports() -> list[str]:
    """A process keeps the locks of its ports open."""
    found = []
    for entry in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # closed meanwhile
            link = os.readlink(f"/proc/self/fd/{entry}")
            if link.startswith(PORT) and link.endswith(LOCK):
                found.append(link.removesuffix(LOCK))
    return found


def _inode(file: str) -> int:
    try:
        return os.stat(file).st_ino
    except OSError:
        return 0
