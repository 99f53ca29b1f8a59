"""The G1's arms: DDS participants on loopback, one of them an emulated robot."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benches import assert_one_late_response_loses_nothing, started, ticked_until
from hypothesis import given
from hypothesis import strategies as st
from waiting import read_error

import embodiments
from device_emulators import g1
from device_emulators.faults import Faults
from device_emulators.lag import Lag
from device_emulators.serve import Loop
from embodiments.registry import Embodiment
from hand_drivers.device import SLACK, DeviceError, DeviceSettings
from hand_drivers.devices import g1_dds, g1_robot, g1_wire
from hand_drivers.devices.g1_arms import ORDER, G1Arm
from hand_drivers.status import State
from node_kit.testing import until

pytestmark = pytest.mark.graph

pytest.importorskip("cyclonedds")
pytest.importorskip("unitree_sdk2py")
g1_messages = pytest.importorskip("hand_drivers.devices.g1_messages")

DOMAIN = 100 + int.from_bytes(os.urandom(2), "big") % 130  # random, to share no domain with another test run
QUICK = {"domain": DOMAIN, "ramp_s": 0.3, "max_age_s": 1.0, "connect_s": 10.0}
LEFT, RIGHT, WAIST = slice(15, 22), slice(22, 29), slice(12, 15)
LIMITS = {  # of Unitree's own model
    side: [(-3.0892, 2.6704), roll, (-2.618, 2.618), (-1.0472, 2.0944), (-1.9722, 1.9722)] + 2 * [(-1.6144, 1.6144)]
    for side, roll in (("left", (-1.5882, 2.2515)), ("right", (-2.2515, 1.5882)))
}
AXES = {"pitch": (0, 1, 0), "elbow": (0, 1, 0), "roll": (1, 0, 0), "yaw": (0, 0, 1)}


def make_robot(side: str, mirrored: bool = False) -> Embodiment:
    """An arm as in Unitree's model of that side, or the mirror image of the other side's."""
    names = [f"{side}_{name}_joint" for name in ORDER]
    axes = [np.array(next(axis for word, axis in AXES.items() if word in name)) for name in ORDER]
    signs = [1 - 2 * (mirrored and not axis[1]) for axis in axes]
    links = "".join(f'<link name="l{i}"/>' for i in range(8))
    joints = "".join(
        f'<joint name="{name}" type="revolute"><parent link="l{i}"/><child link="l{i + 1}"/>'
        f'<axis xyz="{" ".join(map(str, sign * axis))}"/>'
        '<limit lower="-1.5" upper="1.5" effort="1" velocity="1"/></joint>'
        for i, (name, axis, sign) in enumerate(zip(names, axes, signs, strict=True))
    )
    full, place = np.ones(7), np.eye(4)
    return Embodiment(
        name="g1_arm", kind="arm", side=side, urdf=f'<robot name="arm">{links}{joints}</robot>', joints=tuple(names),
        lower=-1.5 * full, upper=1.5 * full, velocity=2 * full, acceleration=10 * full, root="l0", tips={}, flange="l7",
        mount=place, grasp_frame=place, postures={"home": 0 * full},
    )  # fmt: skip


class Bench:
    """An emulated robot and the devices of its arms."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.robot = g1.G1Emulator(self.faults, "lo", DOMAIN, hands={})
        self.left, self.right = self.make("left"), self.make("right")

    def make(self, side: str, mirrored: bool = False, **options: float) -> G1Arm:
        return G1Arm(DeviceSettings(make_robot(side, mirrored), side, "arm", "lo", QUICK | options))

    @property
    def commanded(self) -> np.ndarray:
        """Positions (35,) in the last command."""
        return self.robot.commands[-1][1]

    def weights(self) -> np.ndarray:
        return np.array([weight for weight, _ in list(self.robot.commands)])

    def close(self) -> None:
        self.faults.silent = False
        self.left.disconnect()
        self.right.disconnect()
        assert until(lambda: all(robot._thread is None for robot in g1_robot._robots.values()))
        self.robot.close()


@pytest.fixture
def bench():
    bench = Bench()
    yield bench
    bench.close()


def test_connecting_takes_over_both_arms_at_their_measured_positions(bench):
    bench.left.connect()
    assert until(lambda: bench.robot.weight == 1.0)
    for _, commanded in list(bench.robot.commands):
        np.testing.assert_allclose(commanded[12:29], g1.REST[12:29], atol=1e-6)
    np.testing.assert_allclose(bench.left.read().position, g1.REST[LEFT], atol=1e-6)
    assert bench.robot.refused == 0


def test_the_weight_is_zero_at_first_and_never_jumps(bench):
    bench.left.connect()
    assert until(lambda: bench.robot.weight == 1.0)
    weights = bench.weights()
    assert weights[0] < 0.2
    assert np.diff(weights).max() <= 2.1 * 1e-9 * g1_robot.PERIOD_NS / QUICK["ramp_s"]


def test_a_target_moves_its_arm_and_no_other_joint(bench):
    bench.left.connect()
    target = g1.REST[LEFT] + np.linspace(0.1, 0.3, 7)
    bench.left.write(target)
    assert until(lambda: np.abs(bench.left.read().position - target).max() < 1e-3)
    np.testing.assert_allclose(bench.robot.joints.position[RIGHT], g1.REST[RIGHT], atol=1e-6)
    np.testing.assert_allclose(bench.commanded[WAIST], g1.REST[WAIST], atol=1e-6)


def test_targets_of_both_arms_are_sent_in_one_message(bench):
    bench.left.connect()
    bench.right.connect()
    bench.left.write(np.full(7, 0.5))
    bench.right.write(np.full(7, -0.5))
    assert until(lambda: np.allclose(bench.commanded[LEFT], 0.5) and np.allclose(bench.commanded[RIGHT], -0.5))
    assert [thread.name for thread in threading.enumerate()].count("g1") == 1


def test_an_arm_described_as_a_mirror_image_turns_as_the_robot_does(bench):
    device = bench.left = bench.make("left", mirrored=True)
    device.connect()
    sign = np.array([1, -1, -1, 1, -1, 1, -1])
    np.testing.assert_allclose(device.read().position, sign * g1.REST[LEFT], atol=1e-6)
    device.write(np.full(7, 0.4))
    assert until(lambda: np.allclose(bench.commanded[LEFT], 0.4 * sign, atol=1e-6))


def test_the_arms_are_released_when_the_last_device_disconnects(bench):
    bench.left.connect()
    bench.right.connect()
    bench.left.write(np.full(7, 0.5))
    assert until(lambda: np.allclose(bench.commanded[LEFT], 0.5))
    bench.left.disconnect()
    count = len(bench.robot.commands)
    assert until(lambda: len(bench.robot.commands) > count + 20)
    assert bench.robot.weight == 1.0
    np.testing.assert_allclose(bench.commanded[LEFT], 0.5)
    bench.right.disconnect()
    assert until(lambda: bench.robot.weight == 0.0)
    steps = np.diff(bench.weights())
    assert steps.min() >= -2.1 * 1e-9 * g1_robot.PERIOD_NS / QUICK["ramp_s"]
    assert until(lambda: np.abs(bench.robot.joints.position - g1.REST).max() < 1e-3)


def test_reconnecting_before_the_release_ends_keeps_the_arms(bench):
    bench.left = bench.make("left", ramp_s=2.0)
    bench.left.connect()
    assert until(lambda: bench.robot.weight == 1.0)
    bench.robot.commands.clear()
    bench.left.connect()
    assert until(lambda: bench.robot.weight == 1.0)
    assert bench.weights().min() > 0.5


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_non_finite_target_is_refused_and_not_sent(bench, value):
    bench.left.connect()
    with pytest.raises(DeviceError, match=r"g1_arms lo left: found targets .* expected 7 finite numbers"):
        bench.left.write(np.array([0, 0, 0, value, 0, 0, 0]))
    assert all(np.isfinite(commanded).all() for _, commanded in list(bench.robot.commands))


def test_connecting_to_a_silent_robot_fails_and_sends_no_command(bench):
    bench.faults.silent = True
    device = bench.make("left", connect_s=0.3)
    with pytest.raises(DeviceError, match="g1_arms lo left: rt/lowstate: no message"):
        device.connect()
    assert not bench.robot.commands


def test_a_silent_robot_is_lost_and_held_at_its_measured_position(bench):
    driver = started(bench.left, make_robot("left"), device_timeout_s=0.05)
    bench.left.write(np.full(7, 0.5))
    assert until(lambda: np.allclose(bench.commanded[LEFT], 0.5))
    bench.faults.silent = True
    assert ticked_until(driver, lambda: driver.state is State.LOST)
    assert "rt/lowstate: no message for" in driver.reason
    bench.robot.commands.clear()
    looks = bench.robot.looks
    assert until(lambda: bench.robot.looks > looks + 20) and not bench.robot.commands
    bench.robot.joints = Lag(g1.REST)  # moved by hand meanwhile
    bench.faults.silent = False
    assert until(driver.reconnect)
    assert driver.state is State.STOPPED and until(lambda: len(bench.robot.commands) > 20)
    assert bench.weights().min() > 0.5  # the weight was never withdrawn
    for _, commanded in list(bench.robot.commands):
        np.testing.assert_allclose(commanded[LEFT], g1.REST[LEFT], atol=1e-3)


def test_old_targets_are_discarded_while_the_robot_is_silent(bench):
    bench.left.connect()
    bench.left.write(np.full(7, 0.5))
    assert until(lambda: np.allclose(bench.commanded[LEFT], 0.5))
    bench.faults.silent = True
    assert until(lambda: read_error(bench.left) != "")
    with pytest.raises(DeviceError, match="g1_arms lo left: rt/lowstate: no message for"):
        bench.left.write(np.full(7, 0.6))
    assert until(lambda: no_command_follows(bench))
    bench.robot.joints = Lag(g1.REST)  # moved by hand meanwhile
    bench.faults.silent = False
    assert until(lambda: np.allclose(bench.commanded[LEFT], g1.REST[LEFT], atol=1e-3))


def no_command_follows(bench) -> bool:
    """Whether the robot receives no further command during 20 of its polls."""
    received, looked = len(bench.robot.commands), bench.robot.looks
    return until(lambda: bench.robot.looks > looked + 20) and len(bench.robot.commands) == received


def test_a_state_with_a_wrong_checksum_is_refused(bench):
    bench.left.connect()
    bench.faults.corrupt = True
    assert until(lambda: "rt/lowstate: wrong checksum" in read_error(bench.left))


def test_late_states_are_refused_and_do_not_start_the_take_over(bench):
    bench.left.connect()
    bench.left.write(np.full(7, 0.5))
    assert until(lambda: np.abs(bench.left.read().position - 0.5).max() < 1e-3)
    bench.faults.late_s = 1.5
    assert until(lambda: "s late" in read_error(bench.left))
    bench.robot.commands.clear()
    looks = bench.robot.looks
    assert until(lambda: bench.robot.looks > looks + 20) and not bench.robot.commands
    bench.faults.late_s = 0.0
    assert until(lambda: len(bench.robot.commands) > 20)
    for _, commanded in list(bench.robot.commands):
        np.testing.assert_allclose(commanded[LEFT], 0.5, atol=1e-3)


def test_one_late_state_loses_nothing(bench):
    assert_one_late_response_loses_nothing(bench.left, make_robot("left"), bench.faults, 0.1)


def test_a_blocked_arm_that_was_stopped_does_not_jump_when_freed(bench):
    bench.left.connect()
    bench.faults.frozen = True
    assert until(lambda: not bench.left.read().velocity.any())
    held = bench.left.read().position
    bench.left.write(held + np.array([0.4, -0.4, 0.05, 0, 0, 0, 0]))
    assert until(lambda: np.allclose(bench.commanded[LEFT], held + np.array([0.4, -0.4, 0.05, 0, 0, 0, 0]), atol=1e-6))
    bench.left.stop()
    assert until(
        lambda: np.allclose(bench.commanded[LEFT], held + np.array([SLACK, -SLACK, 0.05, 0, 0, 0, 0]), atol=1e-6)
    )


def test_a_motor_error_is_reported_and_stops_until_cleared_and_reset(bench):
    driver = started(bench.left, make_robot("left"))
    bench.faults.code = 1 << 9
    assert ticked_until(driver, lambda: driver.state is State.STOPPED and driver.at_rest)
    assert "left_elbow_joint: winding too hot (35 and 45 °C)" in driver.reason and not driver.reset()[0]
    bench.faults.code = 0
    assert until(lambda: driver.reset()[0]) and driver.state is State.HOLDING


class OtherProgram:
    """Another program that commands the arms."""

    def __init__(self) -> None:
        from unitree_sdk2py.idl.unitree_hg.msg.dds_ import LowCmd_

        self.message = unitree_s("LowCmd")
        self.writer = g1_dds.writer(g1_dds.open_participant("lo", DOMAIN), "rt/arm_sdk", LowCmd_)
        self.loop = Loop(lambda: (time.sleep(0.01), self.writer.write(self.message)))

    def __enter__(self) -> OtherProgram:
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.end()


def test_arms_that_another_program_commands_are_not_taken_over(bench):
    with OtherProgram(), pytest.raises(DeviceError, match="found another program that sends rt/arm_sdk, expected none"):
        bench.left.connect()
    assert not bench.robot.commands


def test_another_program_that_commands_the_arms_later_is_a_fault(bench):
    bench.left.connect()
    assert bench.left.fault() is None
    with OtherProgram():
        assert until(lambda: bench.left.fault() == "another program sends rt/arm_sdk")
    assert until(lambda: bench.left.fault() is None)


def test_both_arms_need_the_same_options(bench):
    bench.left.connect()
    with pytest.raises(
        DeviceError, match=r"g1_arms lo right: options: found .*kp=20.* expected those of the other arm"
    ):
        bench.make("right", kp=20).connect()
    with pytest.raises(DeviceError, match=r"device g1_arms lo left.*: in use by process"):
        bench.make("left").connect()


def test_a_missing_network_interface_is_reported_by_name():
    device = G1Arm(DeviceSettings(make_robot("left"), "left", "arm", "eth77", QUICK))
    with pytest.raises(DeviceError, match="g1_arms eth77 left: address: found 'eth77', expected a network interface"):
        device.connect()


def test_the_joints_of_another_arm_are_refused():
    with pytest.raises(DeviceError, match=r"g1_arms: found joints .* expected one about x, y or z for each of"):
        G1Arm(DeviceSettings(embodiments.load("xarm7"), "left", "arm", "lo", QUICK))


@pytest.mark.parametrize("side", ["left", "right"])
def test_limits_of_the_embodiment_are_within_those_of_unitree(side):
    robot = embodiments.load("g1_arm", side)
    motors = g1_dds.find_motors(robot, ORDER)
    ends = np.empty((2, 7))
    ends[:, list(motors.number)] = motors.sign * np.array([robot.lower, robot.upper])
    lower, upper = np.array(LIMITS[side]).T
    assert (ends >= lower - 1e-3).all() and (ends <= upper + 1e-3).all()


CHILD = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[1].split(":")
import test_g1
device = test_g1.G1Arm(test_g1.DeviceSettings(
    test_g1.make_robot("left"), "left", "arm", "lo", test_g1.QUICK | {"domain": int(sys.argv[2])}))
device.connect()
print("connected", flush=True)
sys.stdin.readline()
raise SystemExit(3)
"""


def test_a_process_that_exits_with_an_error_releases_the_arms(bench):
    helpers = ":".join(
        str(Path(__file__).parents[2] / package / "test") for package in ("device_emulators", "hand_drivers")
    )
    command = [sys.executable, "-c", CHILD, helpers, str(DOMAIN)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline() == "connected\n" and until(lambda: bench.robot.weight == 1.0)
        try:
            child.communicate("\n", timeout=20)
        finally:
            child.kill()
    assert child.returncode == 3 and until(lambda: bench.robot.weight == 0.0)
    assert np.diff(bench.weights()).min() > -0.2


def unitree_s(kind: str) -> Any:
    """A message of Unitree's library, empty."""
    from unitree_sdk2py.idl import default

    return getattr(default, f"unitree_hg_msg_dds__{kind}_")()


numbers = st.lists(st.floats(-10, 10, width=32), min_size=35, max_size=35)
words = st.integers(0, 2**32 - 1)


@given(q=numbers, mode=st.integers(0, 255), error=words, degrees=st.integers(-(2**15), 2**15 - 1))
def test_a_state_is_read_as_unitree_s_library_reads_it(q, mode, error, degrees):
    from unitree_sdk2py.utils.crc import CRC

    state = unitree_s("LowState")
    state.mode_pr, state.mode_machine, state.tick, state.version = mode, 255 - mode, error, [error, 7]
    state.imu_state.temperature, state.imu_state.rpy = degrees, q[:3]
    state.wireless_remote, state.reserve = [mode] * 40, [error] * 4
    for number, (motor, value) in enumerate(zip(state.motor_state, q, strict=True)):
        motor.mode, motor.q, motor.dq, motor.ddq, motor.tau_est = mode, value, -value, 3.0, 2 * value
        motor.temperature, motor.vol, motor.sensor = [degrees, number], value, [error, number]
        motor.motorstate, motor.reserve = error ^ number, [error] * 4
    state.crc = CRC().Crc(state)
    found = g1_messages.LowState.deserialize(bytes(state.serialize()))
    assert found.crc == state.crc == found.checksum() and found.mode_machine == state.mode_machine
    motors, expected = found.motor_states, g1_dds.MotorStates.of(state.motor_state)
    np.testing.assert_array_equal(motors.moves, expected.moves)
    np.testing.assert_array_equal(motors.errors, expected.errors)
    np.testing.assert_array_equal(motors.temperature, expected.temperature)
    assert found.serialize() == state.serialize()


@given(q=numbers, modes=st.lists(st.integers(0, 255), min_size=35, max_size=35), machine=st.integers(0, 255))
def test_unitree_s_library_reads_the_arm_commands(q, modes, machine):
    from unitree_sdk2py.idl.unitree_hg.msg.dds_ import LowCmd_
    from unitree_sdk2py.utils.crc import CRC

    command = g1_messages.LowCmd()
    command.numbers[:, command.Q], command.modes, command.mode_machine = q, np.array(modes), machine
    command.numbers[:, command.KP], command.numbers[:, command.KD] = 60.0, 1.5
    command.seal()
    found = LowCmd_.deserialize(command.serialize())
    assert [motor.q for motor in found.motor_cmd] == q and [motor.mode for motor in found.motor_cmd] == modes
    assert {(motor.kp, motor.kd, motor.dq, motor.tau) for motor in found.motor_cmd} == {(60.0, 1.5, 0.0, 0.0)}
    assert (found.mode_pr, found.mode_machine, found.reserve) == (0, machine, [0] * 4)
    assert found.crc == CRC().Crc(found) and list(command.modes) == modes


def test_bytes_between_the_fields_are_not_in_the_checksum():
    state = g1_messages.LowState()
    state.seal()
    sealed = state.checksum()
    state.words[2] |= 0xABCD0000
    state.motors[:-1, -1] |= 0xABCDEF00
    state.words[state.FIRST - 1] |= 0xAB000000
    assert state.checksum() == sealed


@pytest.mark.parametrize(
    "spoil", [lambda data: data[:-4], lambda data: data + bytes(4), lambda data: b"\0\0" + data[2:]]
)
def test_a_message_of_another_size_or_byte_order_is_refused(spoil):
    with pytest.raises(DeviceError, match=r"LowState: found .* expected 2092 in 0001"):
        g1_messages.LowState.deserialize(spoil(g1_messages.LowState().serialize()))


def test_commands_of_unitree_s_library_are_received_and_executed(bench):
    from unitree_sdk2py.idl.unitree_hg.msg.dds_ import LowCmd_, LowState_
    from unitree_sdk2py.utils.crc import CRC

    own = g1_dds.open_participant("lo", DOMAIN)
    reader = g1_dds.reader(own, "rt/lowstate", LowState_)
    writer = g1_dds.writer(own, "rt/arm_sdk", LowCmd_)
    command, crc = unitree_s("LowCmd"), CRC()
    command.mode_machine, command.motor_cmd[g1_wire.WEIGHT].q = g1.MODE_MACHINE, 1.0
    for motor in command.motor_cmd[12:29]:
        motor.mode, motor.kp, motor.q = 1, 60.0, 0.25
    command.crc = crc.Crc(command)

    def arrived() -> bool:
        writer.write(command)
        state = g1_dds.newest(reader)
        return state is not None and state.crc == crc.Crc(state) and abs(state.motor_state[20].q - 0.25) < 1e-3

    assert until(arrived) and bench.robot.refused == 0


class OwnRobot:
    """A robot that publishes its state with Unitree's library."""

    def __init__(self, q: float) -> None:
        from unitree_sdk2py.idl.unitree_hg.msg.dds_ import LowCmd_, LowState_
        from unitree_sdk2py.utils.crc import CRC

        own, self.crc = g1_dds.open_participant("lo", DOMAIN), CRC()
        self.reader, self.writer = (
            g1_dds.reader(own, "rt/arm_sdk", LowCmd_),
            g1_dds.writer(own, "rt/lowstate", LowState_),
        )
        self.state, self.commands = unitree_s("LowState"), []
        self.state.mode_machine = 9
        for motor in self.state.motor_state:
            motor.q = q
        self.state.crc = self.crc.Crc(self.state)
        self.loop = Loop(self.step)

    def step(self) -> None:
        time.sleep(0.01)
        self.writer.write(self.state)
        command = g1_dds.newest(self.reader)
        if command is not None:
            self.commands.append(command)


def test_a_robot_with_unitree_s_library_is_read_and_commanded():
    robot = OwnRobot(0.125)
    device = G1Arm(DeviceSettings(make_robot("left"), "left", "arm", "lo", QUICK))
    try:
        device.connect()
        np.testing.assert_array_equal(device.read().position, np.full(7, 0.125))
        device.write(np.full(7, 0.375))
        assert until(lambda: robot.commands[-1].motor_cmd[15].q == 0.375)
        last = robot.commands[-1]
        assert (last.mode_machine, last.crc) == (9, robot.crc.Crc(last))
        assert [motor.mode for motor in last.motor_cmd] == [0] * 12 + [1] * 17 + [0] * 6
        assert {(motor.kp, motor.kd) for motor in last.motor_cmd[12:29]} == {(60.0, 1.5)}
    finally:
        device.disconnect()
        assert until(lambda: all(robot._thread is None for robot in g1_robot._robots.values()))
        robot.loop.end()


@given(code=words)
def test_every_motor_error_code_has_a_description(code):
    motor = unitree_s("MotorState")
    motor.motorstate = code
    motors = g1_dds.find_motors(make_robot("right"), ORDER)
    fault = motors.fault(g1_dds.MotorStates.of([motor] * 7))
    assert (fault is None) == (code == 0)
    if fault:
        assert all(joint in fault for joint in motors.joints)
        assert fault.count(",") == 7 * (code.bit_count() - 1)


@pytest.mark.parametrize(
    ("place", "value"),
    [("Q", np.nan), ("Q", np.inf), ("Q", 7.0), ("Q", -1e30), ("DQ", np.nan), ("TAU", np.inf)],
)
def test_an_impossible_state_with_a_correct_checksum_is_refused(place, value):
    state = g1_messages.LowState()
    state.seal()
    g1_wire.check(state)
    state.numbers[28, getattr(state, place)] = value
    state.seal()
    with pytest.raises(DeviceError, match=r"finite|one turn"):
        g1_wire.check(state)
