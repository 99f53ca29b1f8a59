"""Datagrams between simulated devices and the simulated world."""

from __future__ import annotations

import functools
import struct
from random import Random

import numpy as np

from bringup.bench.fuzz.outcome import ACCEPTED, Wrong
from bringup.bench.fuzz.parsing import Connection, Target
from simulation import wire
from simulation.wire import Op, WireError

LATEST_NS = (2**31) * 10**9  # what a message's stamp can hold
REFUSED = "refused"


def targets() -> list[Target]:
    """Both directions."""
    return [
        Target("simulation requests", sim_request, sim_requests, sim_sealed, stream=False),
        Target("simulation replies", sim_reply, sim_replies, stream=False),
    ]


@functools.cache
def world_server():
    """The simulated world behind its port; nobody steps it but the fuzzer."""
    from simulation.rounds import Rounds
    from simulation.server import Server
    from simulation.stations import DEFAULT_STATION, station_with_hands
    from simulation.task import load_task
    from simulation.world import World

    world = World(station_with_hands(DEFAULT_STATION, "inspire", "ability", "pick_place"), load_task("pick_place"))
    return world, Server(world, Rounds(world, world.task, np.random.default_rng(0)), 0)


def sim_request(rng: Random) -> bytes:
    world, _ = world_server()
    part = rng.choice((*world.parts, "left/foot"))
    joints = world.parts[part].joints if part in world.parts else ("a",)
    values = [rng.uniform(-2, 2) for _ in joints]
    op = rng.choice(list(Op))
    text = ",".join(joints) if op is Op.HELLO else ""
    return wire.pack_request(rng.randrange(0x10000), op, part, values if op is Op.WRITE else None, text)


def sim_sealed(data: bytes) -> bytes:
    """No checksum, but a beginning that is right and a count of values."""
    count = struct.pack("<H", min(max(len(data) - 25, 0) // 8, 0xFFFF))
    return wire.MAGIC + data[4:23] + count + data[25:] if len(data) >= 25 else wire.MAGIC + data[4:]


def sim_requests() -> Connection:
    world, server = world_server()
    world.reset()

    def feed(data: bytes) -> str:
        try:
            request = wire.unpack_request(data)
        except WireError:
            return "no request"
        again = wire.pack_request(request.sequence, request.op, request.part, request.values, request.text)
        if again != data:
            raise Wrong(f"read {request} in {data.hex()}")
        try:
            server._answer(request)
        except WireError:
            return "answered with an error"
        if not np.isfinite(world.data.ctrl).all():
            raise Wrong(f"targets {world.data.ctrl.tolist()}")
        return ACCEPTED

    def finish() -> None:
        world.step(1)
        if not np.isfinite(world.data.qpos).all() or world.data.warning.number.any():
            raise Wrong(f"the world is at {world.data.qpos.tolist()}")

    return Connection(feed, None, finish)


def sim_reply(rng: Random) -> bytes:
    if rng.random() < 0.1:
        return wire.pack_error(rng.randrange(0x10000), "no part 'left/foot'")
    values = [rng.uniform(-3, 3) for _ in range(rng.choice((0, 6, 21)))]
    return wire.pack_reply(rng.randrange(0x10000), rng.randrange(2 * 10**18), np.array(values))


def sim_replies() -> Connection:
    def feed(data: bytes) -> str:
        try:
            sequence, stamp_ns, values = wire.unpack_reply(data)
        except WireError:
            return REFUSED
        if not np.isfinite(values).all() or not 0 <= stamp_ns < LATEST_NS:
            raise Wrong(f"read stamp {stamp_ns} and {values.tolist()}")
        if wire.pack_reply(sequence, stamp_ns, values) != data:
            raise Wrong("read what was not said")
        return ACCEPTED

    return Connection(feed)
