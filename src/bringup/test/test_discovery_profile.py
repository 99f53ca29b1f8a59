"""The Fast DDS profile lets a process that comes discover the nodes sooner."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from node_kit.testing import Peer

pytestmark = pytest.mark.graph

# RTPS 2.5, 9.6.2.3; participants announce themselves to 32 of these, every other port.
FIRST_PORT = 7410 + 250 * int(os.environ["ROS_DOMAIN_ID"])
LAST_PORT = FIRST_PORT + 2 * 31


@pytest.fixture
def peer() -> Iterator[Peer]:
    made = Peer("announced")
    yield made
    made.close()


def test_a_node_announces_itself_several_times_a_second() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as newcomer:
        newcomer.bind(("127.0.0.1", LAST_PORT))
        newcomer.settimeout(5.0)
        peer = Peer("announced")
        try:
            arrived = [arrival(newcomer)]
            while arrived[-1] - arrived[0] < 7.5:
                arrived.append(arrival(newcomer))
        finally:
            peer.close()
    late = [stamp for stamp in arrived if stamp - arrived[0] > 5.5]  # after any at the start
    assert len({round(stamp, 1) for stamp in late}) >= 4  # by default one, every 3 s


def test_bursts_of_discovery_messages_fit_into_the_receive_buffer(peer: Peer) -> None:
    granted = min(4 << 20, int(Path("/proc/sys/net/core/rmem_max").read_text()))
    sizes = receive_buffers()
    assert sizes and min(sizes) >= 2 * granted  # Linux doubles it


def arrival(newcomer: socket.socket) -> float:
    assert newcomer.recv(65536).startswith(b"RTPS")
    return time.monotonic()


def receive_buffers() -> list[int]:
    """Sizes of the sockets of this process that receive announcements, in bytes."""
    sizes = []
    for entry in Path("/proc/self/fd").iterdir():
        if entry.is_symlink() and os.readlink(entry).startswith("socket:"):
            with socket.socket(fileno=os.dup(int(entry.name))) as each:
                if each.family == socket.AF_INET and FIRST_PORT <= each.getsockname()[1] <= LAST_PORT:
                    sizes.append(each.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF))
    return sizes
