"""The world in real time, seen through the device plug-in."""

import time

import numpy as np
import pytest
from worlds import make_world

import embodiments
from hand_drivers.device import DeviceError, DeviceSettings
from node_kit.testing import free_port, until
from simulation.device import SimulatedDevice
from simulation.realtime import RealTime
from simulation.shared_world import Description, SharedWorldWriter, WorldError
from simulation.trials import Trials

pytestmark = [pytest.mark.graph, pytest.mark.usefixtures("late_world")]


@pytest.fixture(scope="module")
def port():
    return free_port()


@pytest.fixture(scope="module")
def running(port):
    world = make_world()
    running = RealTime(world, Trials(world, world.task, np.random.default_rng(0)), port)
    running.start()
    yield running
    running.close()


def device(address, name="inspire", side="left", part="hand"):
    return SimulatedDevice(DeviceSettings(embodiments.load(name, side), side, part, address, {}))


@pytest.fixture
def hand(running, port):
    hand = device(f"shm:{port}")
    assert until(lambda: connects(hand))
    yield hand
    hand.disconnect()


def connects(hand):
    """Whether it connects: the thread of the world may be late."""
    try:
        hand.connect()
    except DeviceError:
        return False
    return True


def reading(hand):
    try:
        return hand.read()
    except DeviceError:
        return None


def test_a_device_reads_what_it_wrote(hand):
    target = embodiments.load("inspire", "left").postures["grasp"]
    hand.write(target)
    assert until(lambda: (sample := reading(hand)) is not None and np.abs(sample.position - target).max() < 0.05)


def test_stamps_go_on(hand):
    before = hand.read().stamp_ns
    assert until(lambda: (sample := reading(hand)) is not None and sample.stamp_ns > before + 100_000_000)


def test_a_hand_that_is_not_mounted_is_refused_by_its_joints(running, port):
    with pytest.raises(DeviceError, match="left/hand has the joints"):
        device(f"shm:{port}", "ability").connect()


def test_targets_that_are_not_finite_never_reach_the_world():
    joints, other = embodiments.load("inspire", "left").joints, free_port()
    world = SharedWorldWriter(Description(parts={"left/hand": joints}, coordinates=0), other)  # nothing moves in it
    world.write_state(time.time_ns(), np.zeros((4, len(joints))), np.zeros(0))
    hand = device(f"shm:{other}")
    hand.connect()
    with pytest.raises(DeviceError, match="finite"):
        hand.write(np.full(len(joints), np.nan))
    assert world.new_targets() == {}
    hand.write(np.zeros(len(joints)))
    assert set(world.new_targets()) == {"left/hand"}
    hand.disconnect()
    world.close()


def test_a_taken_port_is_named(running, port):
    world = make_world()
    with pytest.raises(WorldError, match=f"another simulated world runs as {port}"):
        RealTime(world, Trials(world, world.task, np.random.default_rng(0)), port)


def test_a_world_that_ended_is_reported():
    with pytest.raises(DeviceError, match="left/hand: no simulated world runs as 1 "):
        device("shm:1").connect()


@pytest.mark.parametrize("address", ["", "48800", "shm:", "shm:x", "127.0.0.1:48800"])
def test_an_address_of_another_kind_is_named(address):
    with pytest.raises(DeviceError, match=f"address: found '{address}', expected shm: and the port"):
        device(address)
