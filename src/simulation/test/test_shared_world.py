"""The simulated world in shared memory, seen from both ends."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from node_kit.testing import HANGING_S, free_port, until
from simulation.shared_world import (
    MAGIC,
    Description,
    SharedWorldReader,
    SharedWorldWriter,
    WorldError,
    describe,
    file_of,
    taken,
)

FOUND = Description(parts={"left/arm": ("a", "b", "c"), "left/hand": ("d", "e")}, coordinates=7)
finite = st.floats(allow_nan=False, allow_infinity=False, width=64)
now = 10**18


pytestmark = pytest.mark.usefixtures("late_world")


@pytest.fixture
def port():
    return free_port()


@pytest.fixture
def world(port):
    world = SharedWorldWriter(FOUND, port)
    world.write_state(now, np.zeros((4, 5)), np.zeros(7))
    yield world
    world.close()


@given(st.lists(finite, min_size=27, max_size=27), st.integers(0, 2**31 * 10**9 - 1))
def test_what_is_shown_is_seen(values, stamp):
    port = free_port()
    world = SharedWorldWriter(FOUND, port)
    try:
        robots, qpos = np.reshape(values[:20], (4, 5)), np.array(values[20:])
        world.write_state(stamp, robots, qpos)
        view = SharedWorldReader(port)
        assert view.description == FOUND
        np.testing.assert_array_equal(view.robots(), robots)
        assert view.read("left/hand")[0] == view.coordinates()[0] == stamp
        np.testing.assert_array_equal(view.read("left/hand")[1], robots[:, 3:])
        np.testing.assert_array_equal(view.coordinates()[1], qpos)
    finally:
        world.close()


def test_a_target_is_received_once(world, port):
    SharedWorldReader(port).write_target("left/hand", [1.0, 2.0])
    (received,) = world.new_targets().items()
    assert received[0] == "left/hand"
    np.testing.assert_array_equal(received[1], [1.0, 2.0])
    assert world.new_targets() == {}


def test_of_several_targets_the_newest_is_received(world, port):
    view = SharedWorldReader(port)
    for value in range(9):
        view.write_target("left/arm", np.full(3, float(value)))
    np.testing.assert_array_equal(world.new_targets()["left/arm"], np.full(3, 8.0))


@pytest.mark.parametrize("target", [[np.nan, 0.0], [np.inf, 0.0], [0.0], [0.0, 0.0, 0.0]])
def test_targets_of_the_wrong_kind_never_reach_the_world(world, port, target):
    with pytest.raises(WorldError, match=r"left/hand: found targets .*, expected 2 finite numbers"):
        SharedWorldReader(port).write_target("left/hand", target)
    assert world.new_targets() == {}


def test_damaged_targets_are_not_applied(world, port):
    view = SharedWorldReader(port)
    view._memory.targets["left/hand"].put(0, 0, np.array([np.nan, 1.0]))
    assert world.new_targets() == {}


def test_a_view_expects_its_joints_by_name(world, port):
    view = SharedWorldReader(port)
    view.expect("left/arm", ("a", "b", "c"))
    with pytest.raises(WorldError, match="left/arm has the joints a, b, c, not a, c, b"):
        view.expect("left/arm", ("a", "c", "b"))
    with pytest.raises(WorldError, match="no part 'left/foot', expected one of left/arm, left/hand"):
        view.expect("left/foot", ())


def test_a_stale_world_is_refused(world, port):
    view = SharedWorldReader(port)
    view._max_age_s = 0.05
    assert until(lambda: not _answers(view))
    with pytest.raises(WorldError, match=rf"world {port} is stale: its state is 0\.\d\d s old"):
        view.robots()
    with pytest.raises(WorldError, match="is stale"):
        view.write_target("left/hand", [0.0, 0.0])
    assert until(lambda: world.write_state(now, np.zeros((4, 5)), np.zeros(7)) or _answers(view))


def _answers(view: SharedWorldReader) -> bool:
    try:
        view.robots()
    except WorldError:
        return False
    return True


def test_a_world_that_never_stepped_is_not_read(port):
    world = SharedWorldWriter(FOUND, port)
    with pytest.raises(WorldError, match=f"world {port} is stale: it has no state"):
        SharedWorldReader(port)
    world.close()


def test_a_world_that_is_not_there_is_named(port):
    with pytest.raises(WorldError, match=f"no simulated world runs as {port}"):
        SharedWorldReader(port)


def test_a_second_world_is_refused_while_the_first_runs(world, port):
    assert taken(port)
    with pytest.raises(WorldError, match=f"another simulated world runs as {port}"):
        SharedWorldWriter(FOUND, port)
    world.close()
    assert not taken(port)
    SharedWorldWriter(FOUND, port).close()
    assert not file_of(port).exists()


def test_leftovers_of_a_killed_world_do_not_block_the_next(port):
    world = f"world.SharedWorldWriter(world.Description(parts={{}}, coordinates=1), {port})"
    code = f"import os; from simulation import shared_world as world; {world}; os._exit(7)"
    assert subprocess.run([sys.executable, "-c", code], timeout=30.0).returncode == 7
    assert file_of(port).exists() and not taken(port)
    with pytest.raises(WorldError, match="is stale"):
        SharedWorldReader(port)
    world = SharedWorldWriter(FOUND, port)
    world.write_state(now, np.ones((4, 5)), np.zeros(7))
    assert SharedWorldReader(port).robots().sum() == 20.0
    world.close()


def test_a_view_of_a_world_that_ended_never_shows_the_next_one(world, port):
    view = SharedWorldReader(port)
    world.close()
    other = SharedWorldWriter(Description(parts={"left/arm": ("a",)}, coordinates=1), port)
    other.write_state(now, np.ones((4, 1)), np.zeros(1))
    assert SharedWorldReader(port).robots().shape == (4, 1) and view.robots().shape == (4, 5)
    other.write_state(now, np.full((4, 1), 9.0), np.zeros(1))
    assert not view.robots().any()
    other.close()


def test_no_other_user_can_read_the_shared_memory(world, port):
    assert file_of(port).stat().st_mode & 0o777 == 0o600


def test_a_link_is_not_followed(port, tmp_path):
    file_of(port).symlink_to(tmp_path / "elsewhere")
    try:
        with pytest.raises(WorldError, match=f"no simulated world runs as {port}"):
            SharedWorldReader(port)
    finally:
        file_of(port).unlink()


@pytest.mark.graph
def test_a_state_is_whole_while_the_world_moves_on(world, port):
    """Every number of a state is the same here; a reader that mixed two would see others."""
    end = threading.Event()

    def write() -> None:
        value = 0.0
        while not end.is_set():
            value += 1.0
            world.write_state(now, np.full((4, 5), value), np.full(7, value))

    writer = threading.Thread(target=write)
    writer.start()
    view, seen, deadline = SharedWorldReader(port), set(), time.monotonic() + HANGING_S
    try:
        while len(seen) < 30 and time.monotonic() < deadline:
            (value,) = set(view._newest()[1])
            seen.add(value)
    finally:
        end.set()
        writer.join()
    assert len(seen) >= 30


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_joints_that_no_world_has_are_refused(world, port, value):
    view = SharedWorldReader(port)
    world.write_state(now, np.full((4, 5), value), np.zeros(7))
    with pytest.raises(WorldError, match="an impossible stamp or joint value"):
        view.read("left/arm")


@given(st.binary(max_size=300))
def test_noise_is_never_taken_for_a_world(data):
    with pytest.raises(WorldError):
        describe(data)
    with pytest.raises(WorldError):
        describe(MAGIC + data)


@pytest.mark.parametrize("content", [{"parts": {"a": [1]}, "coordinates": 1}, {"parts": {}, "coordinates": -1}, [], 3])
def test_a_description_of_another_kind_is_refused(content):
    text = json.dumps(content).encode()
    with pytest.raises(WorldError, match="description: "):
        describe(struct.pack("<4sI", MAGIC, len(text)) + text + bytes(9999))


def test_a_description_of_more_than_there_is_is_refused(port):
    text = FOUND.model_dump_json().encode()
    with pytest.raises(WorldError, match=r"expected .* for 5 joints"):
        describe(struct.pack("<4sI", MAGIC, len(text)) + text)


def test_waiting_for_a_step_ends_when_the_world_moves_on_or_time_is_over(world, port):
    view = SharedWorldReader(port)
    view.wait_for_step(0.0)
    mover = threading.Timer(0.05, world.write_state, (now + 1, np.zeros((4, 5)), np.zeros(7)))
    mover.start()
    view.wait_for_step(10.0)
    assert view.coordinates()[0] == now + 1
    mover.join()
