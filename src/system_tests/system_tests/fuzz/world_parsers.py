"""The shared-memory world: its description, and the targets that others write."""

from __future__ import annotations

import atexit
import functools
import os
import struct
from random import Random
from typing import TYPE_CHECKING

import numpy as np

from simulation.shared_world import MAGIC, Description, SharedWorldWriter, WorldError, describe
from system_tests.fuzz.outcome import ACCEPTED, Wrong
from system_tests.fuzz.parsing import Connection, Target

if TYPE_CHECKING:
    from simulation.world import World

PART = "left/hand"
REFUSED = "refused"
NOT_PASSED_ON = "not passed on"
BEGIN = 8  # bytes before the text
ROOM = bytes(16384)  # for the rings of most generated descriptions


def targets() -> list[Target]:
    """Both targets."""
    return [
        Target("simulation descriptions", description, descriptions, sealed_description, stream=False),
        Target("simulation targets", joint_targets, written_targets, sealed_targets, stream=False),
    ]


@functools.cache
def world_and_writer() -> tuple[World, SharedWorldWriter]:
    """A world that is stepped by the fuzzer, and its shared memory."""
    from contracts.station import DEFAULT_STATION, station_with_hands
    from simulation.tasks.pick_place import load_task
    from simulation.world import World

    world = World(station_with_hands(DEFAULT_STATION, "inspire", "ability", "pick_place"), load_task("pick_place"))
    parts = {name: part.joints for name, part in world.parts.items()}
    described = Description(parts=parts, coordinates=world.model.nq)
    writer = SharedWorldWriter(described, os.getpid() << 16)  # beyond the ports of stations
    atexit.register(writer.close)
    return world, writer


def description(rng: Random) -> bytes:
    """A valid description."""
    parts = {f"side{n}": tuple(f"j{n}{k}" for k in range(rng.randrange(8))) for n in range(rng.randrange(4))}
    text = Description(parts=parts, coordinates=rng.randrange(40)).model_dump_json().encode()
    return sealed_description(bytes(BEGIN) + text)


def sealed_description(data: bytes) -> bytes:
    """Set the header for the description."""
    return MAGIC + struct.pack("<I", len(data[BEGIN:])) + data[BEGIN:]


def descriptions() -> Connection:
    """A connection to the parser of descriptions."""

    def feed(data: bytes) -> str:
        try:
            found = describe(data + ROOM)
        except WorldError:
            return REFUSED
        if Description.model_validate_json(found.model_dump_json()) != found:
            raise Wrong(f"read {found} in {data.hex()}")
        return ACCEPTED

    return Connection(feed)


def joint_targets(rng: Random) -> bytes:
    """Valid targets."""
    joints = len(world_and_writer()[0].parts[PART].joints)
    return np.array([rng.uniform(-2, 2) for _ in range(joints)], "<f8").tobytes()


def sealed_targets(data: bytes) -> bytes:
    """Set the number of values to that of the part's joints."""
    size = 8 * len(world_and_writer()[0].parts[PART].joints)
    return data[:size].ljust(size, b"\0")


def written_targets() -> Connection:
    """A connection to the reader of targets."""
    world, writer = world_and_writer()
    world.reset()

    def feed(data: bytes) -> str:
        writer._memory.targets[PART].put(0, 0, np.frombuffer(sealed_targets(data), "<f8"))
        found = writer.new_targets()
        for part, target in found.items():
            world.write(part, target)
        if not np.isfinite(world.data.ctrl).all():
            raise Wrong(f"targets {world.data.ctrl.tolist()}")
        return ACCEPTED if found else NOT_PASSED_ON

    def finish() -> None:
        world.step(1)
        if not np.isfinite(world.data.qpos).all() or world.data.warning.number.any():
            raise Wrong(f"the world is at {world.data.qpos.tolist()}")

    return Connection(feed, None, finish)
