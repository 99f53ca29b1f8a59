"""Emulated devices: the real plug-ins and their makers' libraries move the simulated robots over their wires."""

from __future__ import annotations

import socket
import time

import numpy as np
import pytest
from worlds import make_world

from hand_drivers.device import DeviceError, DeviceSettings
from node_kit import plugins
from simulation.emulated import Emulators, link
from simulation.emulated_places import emulated_part, terminal
from simulation.rounds import Rounds
from simulation.server import Server
from simulation.stations import DEFAULT_STATION, station_with_hands

pytest.importorskip("xarm")
pytest.importorskip("rh56_sdk")
pytest.importorskip("pymodbus")


class Bench:
    """A running world whose robots stand behind emulators."""

    def __init__(self, hand: str) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        station = station_with_hands(DEFAULT_STATION, hand, hand, "pick_place")
        simulation = station.simulation.model_copy(update={"port": self.port})
        self.station = station.model_copy(update={"backend": "emulated", "simulation": simulation})
        self.world = make_world(hand, hand)
        self.server = Server(self.world, Rounds(self.world, self.world.task, np.random.default_rng(0)), self.port)
        self.server.start()
        self.emulators = Emulators(self.station)
        self.devices = []

    def device(self, side: str, part: str):
        """The plug-in that drives a part, connected."""
        robot = getattr(self.world.sides[side], part)
        found = emulated_part(self.port, side, part, robot.name)
        settings = DeviceSettings(robot, side, part, found["address"], found["options"])
        device = plugins.load("hand_drivers.devices", found["device"])(settings)
        device.connect()
        self.devices.append(device)
        return device

    def close(self) -> None:
        for device in self.devices:
            device.disconnect()
        self.emulators.close()
        self.server.close()


@pytest.fixture
def bench(request, monkeypatch):
    from xarm.core.config.x_config import XCONF

    monkeypatch.setattr(XCONF.SocketConf, "TCP_CONTROL_PORT", XCONF.SocketConf.TCP_CONTROL_PORT)  # devices change it
    bench = Bench(getattr(request, "param", "inspire"))
    yield bench
    bench.close()


@pytest.mark.parametrize("bench", ["inspire", "ability", "xarm_gripper", "robotiq_2f85"], indirect=True)
def test_a_hand_that_its_driver_moves_moves_in_the_world_joint_by_joint(bench):
    device, part = bench.device("right", "hand"), "right/hand"
    hand = bench.world.sides["right"].hand
    start = hand.postures["open"]
    assert np.abs(device.read().position - start).max() < 2e-3
    steps = 0.1 + 0.1 * np.arange(len(hand.joints)) / len(hand.joints)  # another share for each joint
    target = start + steps * (hand.postures["grasp"] - start)
    device.write(target)
    assert until(lambda: np.abs(bench.world.read(part)[0] - target).max() < 5e-3)
    assert until(lambda: np.abs(device.read().position - target).max() < 5e-3)


def test_an_arm_that_its_driver_moves_moves_in_the_world(bench):
    device = bench.device("left", "arm")
    target = device.read().position + np.linspace(0.01, 0.04, 7)
    device.write(target)
    assert until(lambda: np.abs(bench.world.read("left/arm")[0] - target).max() < 0.01)
    assert np.abs(bench.world.read("right/arm")[0] - bench.world.sides["right"].arm.postures["home"]).max() < 0.01


def test_connecting_all_devices_moves_nothing(bench):
    before = bench.world.data.ctrl.copy()
    for side in ("left", "right"):
        for part in ("arm", "hand"):
            bench.device(side, part)
    np.testing.assert_array_equal(bench.world.data.ctrl, before)


def test_frozen_joints_stay_in_the_world_too(bench):
    device = bench.device("left", "hand")
    bench.emulators.faults["left/hand"].frozen = True
    device.write(bench.world.sides["left"].hand.postures["grasp"])
    before = bench.world.read("left/hand")[0]
    assert not until(lambda: np.abs(bench.world.read("left/hand")[0] - before).max() > 0.02, 0.5)


@pytest.mark.parametrize("bench", ["inspire", "robotiq_2f85"], indirect=True)
@pytest.mark.parametrize("beyond", [-0.05, 0.05])
def test_joints_a_little_beyond_their_limits_are_reported_at_them(bench, beyond):
    device, hand = bench.device("left", "hand"), bench.world.sides["left"].hand
    limit = hand.upper if beyond > 0 else hand.lower
    bench.server.stop()  # nothing pulls them back
    bench.world.place("left/hand", limit + beyond * (hand.upper - hand.lower))
    bench.server.start()
    assert until(lambda: np.abs(device.read().position - limit).max() < 0.01 * (hand.upper - hand.lower).max())


def test_a_device_without_a_world_is_silent(bench):
    device = bench.device("left", "hand")
    bench.server.close()

    def silent() -> bool:
        try:
            device.read()
        except DeviceError:
            return True
        return False

    assert until(silent)


def test_who_is_not_emulated_is_named_with_those_who_are():
    with pytest.raises(ValueError, match="ability, inspire, robotiq_2f85, xarm_gripper; or backend:=sim"):
        emulated_part(48800, "left", "hand", "xhand")


def test_two_stations_do_not_meet():
    stations = [(port, side) for port in (48800, 48801) for side in ("left", "right")]
    boxes = {emulated_part(port, side, "arm", "xarm7")["address"] for port, side in stations}
    assert len(boxes | {str(terminal(port, side)) for port, side in stations}) == 8


def test_terminals_are_not_linked_in_a_folder_of_another_user(tmp_path, monkeypatch):
    monkeypatch.setattr("os.getuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(PermissionError, match="belongs to another user"):
        link(tmp_path / "left_hand", "/dev/pts/0")


def until(condition, seconds: float = 10.0) -> bool:
    """Whether the condition comes true in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.01)
    return False
