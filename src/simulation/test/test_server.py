"""The world in real time behind its port, seen through the device and the camera plug-ins."""

import socket

import numpy as np
import pytest
from worlds import make_world

import embodiments
from hand_drivers.device import DeviceError, DeviceSettings
from simulation.device import SimulatedDevice
from simulation.rounds import Rounds
from simulation.server import Server
from simulation.wire import Client, Op, WireError


@pytest.fixture(scope="module")
def server():
    world = make_world()
    serving = Server(world, Rounds(world, world.task, np.random.default_rng(0)), 0)
    serving.start()
    yield serving
    serving.close()


def address(server):
    return "{}:{}".format(*server.address)


def device(server, name="inspire", side="left", part="hand"):
    return SimulatedDevice(DeviceSettings(embodiments.load(name, side), side, part, address(server), {}))


def test_a_device_reads_what_it_wrote(server):
    hand = device(server)
    hand.connect()
    target = embodiments.load("inspire", "left").postures["grasp"]
    before = hand.read()
    hand.write(target)
    while (sample := hand.read()).stamp_ns < before.stamp_ns + 1_000_000_000:
        assert np.isfinite(sample.position).all()
    assert np.abs(sample.position - target).max() < 0.05
    hand.disconnect()


def test_a_hand_that_is_not_mounted_is_refused_by_its_joints(server):
    with pytest.raises(DeviceError, match="left/hand has the joints"):
        device(server, "ability").connect()


def test_targets_that_are_not_finite_never_reach_the_world(server):
    hand = device(server)
    hand.connect()
    before = hand.read().position
    hand.write(np.full(6, np.nan))
    with pytest.raises(DeviceError, match="finite"):
        hand.read()
    np.testing.assert_allclose(hand.read().position, before, atol=1e-3)
    hand.disconnect()


def test_noise_on_the_port_is_survived(server):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as noisy:
        for size in (0, 1, 4, 40, 1000):
            noisy.sendto(b"CRH1" + bytes(size), server.address)
    assert Client(address(server)).ask(Op.STATE)[1].size > 0
    assert server.running


def test_a_taken_port_is_named(server):
    world = make_world()
    with pytest.raises(WireError, match=f"127.0.0.1:{server.address[1]} is in use"):
        Server(world, Rounds(world, world.task, np.random.default_rng(0)), server.address[1])


def test_a_world_that_is_gone_is_reported_and_not_guessed():
    hand = SimulatedDevice(DeviceSettings(embodiments.load("inspire", "left"), "left", "hand", "127.0.0.1:1", {}))
    with pytest.raises(DeviceError, match="no answer"):
        hand.connect()
