"""Emulated devices: the real plug-ins and their makers' libraries move the simulated robots over their wires."""

from __future__ import annotations

import contextlib
import os
import time

import numpy as np
import pytest

from contracts import plugins
from contracts.station import DEFAULT_STATION, station_with_hands
from device_emulators.addresses import emulated_part, terminal
from device_emulators.world.emulated import Emulators, linked
from hand_drivers.device import DeviceError, DeviceSettings
from hand_drivers.devices import g1_robot
from node_kit.testing import free_port
from simulation.realtime import RealTime
from simulation.tasks.pick_place import load_task
from simulation.trials import Trials
from simulation.world import World

pytestmark = pytest.mark.graph

pytest.importorskip("xarm")
pytest.importorskip("rh56_sdk")
pytest.importorskip("pymodbus")


class Bench:
    """A running world whose robots are connected to emulators."""

    def __init__(self, hand: str, station: str = DEFAULT_STATION) -> None:
        self.port = free_port()
        described = station_with_hands(station, hand, hand, "pick_place")
        simulation = described.simulation.model_copy(update={"port": self.port})
        self.station = described.model_copy(update={"backend": "emulated", "simulation": simulation})
        self.world = World(self.station, load_task("pick_place"))
        self.running = RealTime(self.world, Trials(self.world, self.world.task, np.random.default_rng(0)), self.port)
        self.running.start()
        self.emulators = Emulators(self.station)
        self.devices = []

    def device(self, side: str, part: str, **options: float):
        """The plug-in that drives a part, connected."""
        robot = getattr(self.world.sides[side], part)
        found = emulated_part(self.port, side, part, robot.name)
        if part == "hand":
            options = {"max_age_s": 1.0} | options  # a thread of this process may be late
        settings = DeviceSettings(robot, side, part, found["address"], found["options"] | options)
        device = plugins.load("hand_drivers.devices", found["device"])(settings)
        device.connect()
        self.devices.append(device)
        return device

    def close(self) -> None:
        for device in self.devices:
            device.disconnect()
        assert until(lambda: all(robot._thread is None for robot in g1_robot._robots.values()))  # handed back
        self.emulators.close()
        self.running.close()


@pytest.fixture
def bench(request, monkeypatch):
    from xarm.core.config.x_config import XCONF

    monkeypatch.setattr(XCONF.SocketConf, "TCP_CONTROL_PORT", XCONF.SocketConf.TCP_CONTROL_PORT)  # devices change it
    bench = Bench(getattr(request, "param", "inspire"))
    yield bench
    bench.close()


@pytest.mark.parametrize("bench", ["inspire", "ability", "xarm_gripper", "robotiq_2f85"], indirect=True)
def test_targets_of_a_hand_move_its_joints_in_the_world(bench):
    device, part = bench.device("right", "hand"), "right/hand"
    hand = bench.world.sides["right"].hand
    start = hand.postures["open"]
    assert np.abs(device.read().position - start).max() < 2e-3
    steps = 0.1 + 0.1 * np.arange(len(hand.joints)) / len(hand.joints)  # another share for each joint
    target = start + steps * (hand.postures["grasp"] - start)
    device.write(target)
    assert until(lambda: np.abs(bench.world.read(part)[0] - target).max() < 5e-3)
    assert until(lambda: np.abs(device.read().position - target).max() < 5e-3)


QUICK = {"arm": {"ramp_s": 0.3, "max_age_s": 1.0}, "hand": {"max_age_s": 1.0}}  # a thread of this process may be late


@pytest.fixture
def g1():
    pytest.importorskip("cyclonedds")
    pytest.importorskip("unitree_sdk2py")
    bench = Bench("dex3", "g1")
    yield bench
    bench.close()


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("part", ["arm", "hand"])
def test_targets_of_a_g1_move_its_joints_in_the_world(g1, side, part):
    device = g1.device(side, part, **QUICK[part])
    robot, start = getattr(g1.world.sides[side], part), device.read().position
    target = start + np.linspace(0.1, 0.3, 7) * ((robot.lower + robot.upper) / 2 - start)  # another share for each
    others = {name: g1.world.read(name)[0] for name in g1.world.parts if name != f"{side}/{part}"}

    def there() -> bool:
        with contextlib.suppress(DeviceError):  # silent while its thread is late
            device.write(target)
        return bool(np.abs(g1.world.read(f"{side}/{part}")[0] - target).max() < 0.02)

    assert until(there)
    assert until(lambda: np.abs(device.read().position - target).max() < 0.02)
    for name, position in others.items():
        assert np.abs(g1.world.read(name)[0] - position).max() < 0.02


def test_connecting_to_a_g1_causes_no_motion(g1):
    before = g1.world.data.ctrl.copy()
    for side in ("left", "right"):
        for part in ("arm", "hand"):
            g1.device(side, part, **QUICK[part])
    np.testing.assert_allclose(g1.world.data.ctrl, before, atol=2e-3)


def test_a_frozen_g1_stays_with_both_its_arms(g1):
    devices = [g1.device(side, "arm", **QUICK["arm"]) for side in ("left", "right")]
    g1.emulators.faults["left/arm"].frozen = True
    assert until(lambda: all(not device.read().velocity.any() for device in devices))
    before = g1.world.data.qpos.copy()
    for device in devices:
        device.write(device.read().position + 0.2)
    assert not until(lambda: np.abs(g1.world.data.qpos - before).max() > 0.02, 0.5)


def test_a_robot_without_dds_is_refused_with_the_missing_packages(monkeypatch):
    monkeypatch.setattr("device_emulators.addresses.find_spec", lambda name: None)
    with pytest.raises(ValueError, match="cyclonedds and unitree_sdk2py to be installed"):
        emulated_part(48800, "left", "arm", "g1_arm")


def test_targets_of_an_arm_move_it_in_the_world(bench):
    device = bench.device("left", "arm")
    target = device.read().position + np.linspace(0.01, 0.04, 7)
    device.write(target)
    assert until(lambda: np.abs(bench.world.read("left/arm")[0] - target).max() < 0.01)
    assert np.abs(bench.world.read("right/arm")[0] - bench.world.sides["right"].arm.postures["home"]).max() < 0.01


def test_connecting_all_devices_causes_no_motion(bench):
    before = bench.world.data.ctrl.copy()
    for side in ("left", "right"):
        for part in ("arm", "hand"):
            bench.device(side, part)
    np.testing.assert_array_equal(bench.world.data.ctrl, before)


@pytest.mark.parametrize("bench", ["inspire", "xarm_gripper"], indirect=True)
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
    bench.running.stop()  # nothing pulls them back
    bench.world.place("left/hand", limit + beyond * (hand.upper - hand.lower))
    bench.running.start()
    assert until(lambda: np.abs(device.read().position - limit).max() < 0.01 * (hand.upper - hand.lower).max())


def test_a_device_without_a_world_is_silent(bench):
    device = bench.device("left", "hand")
    bench.running.close()

    def silent() -> bool:
        try:
            device.read()
        except DeviceError:
            return True
        return False

    assert until(silent)


def test_a_hand_without_an_emulator_is_refused_with_those_that_have_one():
    with pytest.raises(ValueError, match="ability, dex3, inspire, robotiq_2f85, xarm_gripper; or backend:=sim"):
        emulated_part(48800, "left", "hand", "xhand")


def test_two_stations_use_different_addresses():
    stations = [(port, side) for port in (48800, 48801) for side in ("left", "right")]
    boxes = {emulated_part(port, side, "arm", "xarm7")["address"] for port, side in stations}
    assert len(boxes | {str(terminal(port, side)) for port, side in stations}) == 8


def test_terminals_are_not_linked_in_a_folder_of_another_user(tmp_path, monkeypatch):
    monkeypatch.setattr("os.getuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(PermissionError, match="belongs to another user"), linked(tmp_path / "left_hand", "/dev/pts/0"):
        pass


def test_nothing_is_left_of_the_links_once_both_hands_are_gone(tmp_path):
    folder = tmp_path / "station"
    with linked(folder / "left_hand", "/dev/pts/0"):
        with linked(folder / "right_hand", "/dev/pts/1"):
            assert os.readlink(folder / "right_hand") == "/dev/pts/1"
        assert os.listdir(folder) == ["left_hand"]
    assert not folder.exists()


def until(condition, seconds: float = 10.0) -> bool:
    """Whether the condition holds in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.01)
    return False
