"""The record of the simulated world goes on while the process that wants it is held up."""

from __future__ import annotations

import ctypes
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from node_kit.testing import free_port, until
from simulation.shared_world import WorldError, taken
from system_tests.faults.world_record import WorldRecord

pytestmark = pytest.mark.graph

HELD_S = 0.5
WORLD = """
import sys, time
import numpy as np
from simulation.shared_world import Description, SharedWorldWriter
world = SharedWorldWriter(Description(parts={"left/arm": ("a", "b")}, coordinates=0), int(sys.argv[1]))
robots = np.arange(8.0).reshape(4, 2)
while True:
    world.write_state(time.time_ns(), robots, np.zeros(0))
    time.sleep(0.002)
"""


@pytest.fixture
def world() -> Iterator[int]:
    """The port of a world of two joints at rest, in a process of its own."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", WORLD, str(port)])
    assert until(lambda: taken(port))
    yield port
    process.kill()
    process.wait()


def test_the_record_has_no_gap_while_the_interpreter_lock_is_held(world: int) -> None:
    record = WorldRecord(world)
    record.start()
    began = time.monotonic()
    ctypes.PyDLL(None).usleep(round(HELD_S * 1e6))  # unlike CDLL, this holds the lock
    ended = time.monotonic()
    record.close()
    times, (position, velocity, effort, target) = record.samples()
    assert ended - began >= HELD_S
    assert ((times > began) & (times < ended)).sum() > 0.1 * HELD_S / 0.005  # a loaded machine gives fewer than all
    for rows, first in ((position, 0.0), (velocity, 2.0), (effort, 4.0), (target, 6.0)):
        assert (rows == [first, first + 1.0]).all() and len(rows) == len(times)


def test_without_a_world_there_is_no_record() -> None:
    with pytest.raises(WorldError, match="no simulated world runs"):
        WorldRecord(free_port())
