"""The driver node in a process of its own, tested through its topics and services."""

from __future__ import annotations

import signal
import time

import numpy as np
import pytest
from driver_process import write_plugin
from lifecycle_msgs.msg import Transition
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from trajectory_msgs.msg import JointTrajectory

from node_kit import qos
from node_kit.testing import Peer, until

pytestmark = pytest.mark.graph

# Reaches its targets immediately; the files "away" and "hot" make it a lost or a faulty device.
PLUGIN = """
import time
from pathlib import Path
import numpy as np
from hand_drivers.device import DeviceError, JointSample

class Device:
    def __init__(self, settings):
        self.joints = settings.embodiment.joints
        self.position = np.array(settings.embodiment.postures["home"])
        self.directory = Path(settings.options["directory"])
    def connect(self): self.require()
    def require(self):
        if (self.directory / "away").exists():
            raise DeviceError("10.0.0.7 does not answer")
    def read(self):
        self.require()
        return JointSample(time.time_ns(), self.position.copy(), self.position * 0, self.position * 0)
    def write(self, position): self.position = position.copy()
    def stop(self): (self.directory / "stopped").touch()
    def fault(self): return "joint 3 is hot" if (self.directory / "hot").exists() else None
    def clear_fault(self): pass
    def disconnect(self): (self.directory / "disconnected").touch()
"""


# Reaches its targets immediately; writes the time (CLOCK_MONOTONIC, ns) and positions of each target to a file.
LOG = """
import time
from pathlib import Path
import numpy as np
from hand_drivers.device import FaultlessDevice, JointSample

class Device(FaultlessDevice):
    def __init__(self, settings):
        self.joints = settings.embodiment.joints
        self.position = np.array(settings.embodiment.postures["home"])
        self.log = Path(settings.options["file"]).open("w")
    def connect(self): pass
    def read(self): return JointSample(time.time_ns(), self.position.copy(), self.position * 0, self.position * 0)
    def write(self, position):
        self.position = position.copy()
        print(time.monotonic_ns(), *position.tolist(), file=self.log, flush=True)
    def disconnect(self): pass
"""


@pytest.fixture
def driver(start_driver):
    return start_driver().wait_until_ready()


@pytest.fixture
def bench(start_driver, tmp_path):
    """A driver of the device above."""
    write_plugin(tmp_path, "bench", PLUGIN)
    return start_driver(device="bench", options=f'{{"directory": "{tmp_path}"}}').wait_until_ready()


def assert_at_rest(driver) -> None:
    """Assert that 30 consecutive joint states have the same position."""
    states = driver.next_states(30)
    assert np.ptp([state.position for state in states], axis=0) == pytest.approx(0.0, abs=1e-3)


def test_the_node_publishes_joint_states_and_follows_a_chunk(driver):
    states = driver.next_states(100)
    gaps_s = np.diff([state.stamp_ns for state in states]) * 1e-9
    assert (gaps_s > 0).all()
    assert states[-1].position == pytest.approx(driver.home)
    target = driver.home + 0.2
    driver.follow(target, lambda: np.abs(driver.position - target).max() < 1e-3)
    driver.wait_for(lambda: driver.status.get("state") == "holding" and int(driver.status["held"]) >= 1)
    assert float(driver.status["rate_hz"]) > 0.0 and float(driver.status["camera_to_command_ms_p50"]) > 0.0
    assert 0.0 < float(driver.status["command_overhead_ms_p50"]) <= float(driver.status["command_to_write_ms_max"])
    assert float(driver.status["step_ms_p50"]) > 0.0 and float(driver.status["longest_period_ms"]) >= 10.0
    assert driver.signal(signal.SIGINT) == 0


def test_loop_figures_begin_with_the_first_chunk(driver):
    driver.wait_for(lambda: _periods(driver) > 250, "the figures of some seconds")
    driver.send(driver.home)
    driver.wait_for_status(chunks="1")
    assert _periods(driver) < 200, "periods before the first chunk are still counted"
    for _ in range(20):
        driver.send(driver.home)
    driver.wait_for(lambda: sum(int(driver.status[key]) for key in ("chunks", "refused", "dropped")) == 21, "all 21")


def _periods(driver) -> int:
    return sum(map(int, driver.status.get("period_histogram", "0").split()))


def test_drivers_of_one_name_in_two_namespaces_obey_only_their_own(driver, start_driver):
    other = start_driver(namespace="hall/robot1").wait_until_ready()
    other.follow(other.home + 0.2, lambda: np.abs(other.position - other.home - 0.2).max() < 0.01)
    assert driver.trigger("stop").success and driver.status.get("chunks", "0") == "0"
    driver.estop(True)
    driver.wait_for_status(state="stopped")
    assert np.abs(driver.position - driver.home).max() < 1e-6
    other.follow(other.home, lambda: np.abs(other.position - other.home).max() < 0.01)


def test_a_chunk_in_another_joint_order_moves_the_named_joints(driver):
    target = driver.home + np.linspace(-0.2, 0.2, 7)
    backwards = tuple(reversed(driver.robot.joints))

    def near() -> bool:
        driver.send(target[::-1], backwards)
        return np.abs(driver.position - target).max() < 1e-3

    driver.wait_for(near, "the motion")


def test_invalid_chunks_are_refused_with_their_reason_and_not_executed(driver):
    target = driver.home + 0.3
    driver.send(target, names=("joint1",) * 7)
    driver.wait_for_status(refused="1", refusal="wrong_names")
    driver.send(np.full(7, np.nan))
    driver.wait_for_status(refused="2", refusal="not_finite")
    driver.send(target, age_s=2.0)
    driver.wait_for_status(refused="3", refusal="stale")
    driver.send(target, age_s=-2.0)
    driver.wait_for_status(refused="4", refusal="from_future")
    driver.send(np.zeros((0, 7)))
    driver.wait_for_status(refused="5", refusal="wrong_shape")
    assert driver.status["chunks"] == "0"
    assert driver.position == pytest.approx(driver.home)


def test_without_new_chunks_the_driver_decelerates_and_holds(driver):
    driver.start_moving()
    driver.wait_for_status(state="holding", reason="command timeout")
    assert_at_rest(driver)
    assert np.abs(driver.position - driver.home).max() < 0.5
    positions = np.array([state.position for state in driver.states])
    # The commanded velocity is 0.5 rad/s: no published step is a jump.
    assert np.abs(np.diff(positions, axis=0)).max() < 0.05


def test_a_velocity_scaling_set_while_tracking_takes_effect_at_once(start_driver, tmp_path):
    write_plugin(tmp_path, "log", LOG)
    file = tmp_path / "targets"
    driver = start_driver(device="log", options=f'{{"file": "{file}"}}', velocity_scaling=0.5).wait_until_ready()
    change = SetParameters.Request(parameters=[Parameter("velocity_scaling", value=0.05).to_parameter_msg()])
    client = driver.node.create_client(SetParameters, "/left_arm_driver/set_parameters")
    driver.wait_until_discovered_by("/left_arm_driver")
    far, called = driver.home + 6.0 * np.eye(7)[0], []

    def slowed() -> bool:
        if not called and np.abs(driver.position - driver.home).max() > 1.0:
            called.append(client.call_async(change))
        if not (called and called[0].done()):
            return False
        called.append(time.monotonic_ns())  # the driver has taken the change by then
        return len(called) > 20 and time.monotonic_ns() - called[1] > 0.5e9

    driver.follow(far, slowed)
    assert called[0].result().results[0].successful
    driver.signal(signal.SIGTERM)
    rows = np.loadtxt(file)
    times_ns, speeds = rows[1:, 0], np.diff(rows[:, 1]) * 100.0
    full, braked = driver.robot.velocity[0], driver.robot.acceleration[0] * 0.01
    since = speeds[times_ns > called[1]]
    assert speeds.max() == pytest.approx(0.5 * full)
    assert (since[1:] <= np.maximum(since[:-1] - braked, 0.05 * full) + 1e-6).all()
    assert np.isclose(since, 0.05 * full).any(), "it did not go on at the lower speed"


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("velocity_scaling", 5.0, "out of range"),
        ("velocity_scaling", "fast", "Wrong parameter type"),
        ("side", "right", "expected one before it is configured"),
        ("max_chunk_age_s", "abc", "parameter 'max_chunk_age_s': unknown"),
        ("use_sim_time", True, "all stamps are system time"),
    ],
)
def test_a_change_without_effect_is_refused_with_its_reason(driver, name, value, reason):
    request = SetParameters.Request(parameters=[Parameter(name, value=value).to_parameter_msg()])
    [result] = driver.call(SetParameters, "/left_arm_driver/set_parameters", request).results
    assert not result.successful and reason in result.reason


def test_the_emergency_stop_latches_until_it_is_released_and_reset(driver):
    driver.start_moving()
    driver.estop(True)
    driver.wait_for_status(state="stopped", reason="emergency stop")
    assert_at_rest(driver)
    driver.send(driver.home)
    driver.wait_for_status(refusal="not_ready")
    assert driver.trigger("reset").message == "the emergency stop is still asserted"
    driver.release_and_reset()
    driver.wait_for_status(state="holding")
    target = driver.position + 0.1
    driver.follow(target, lambda: np.abs(driver.position - target).max() < 1e-3)


def test_an_emergency_stop_of_a_volatile_publisher_is_received(driver):
    driver.estop_unlatched()
    driver.wait_for_status(state="stopped", reason="emergency stop")


def test_an_emergency_stop_asserted_before_the_node_starts_stops_it(start_driver):
    early = start_driver(autostart=False)
    early.estop(True)
    late = start_driver()
    late.wait_for_status(state="stopped", reason="emergency stop")


def test_the_stop_service_latches_and_reset_resumes(driver):
    driver.start_moving()
    assert driver.trigger("stop").success
    driver.wait_for_status(state="stopped", reason="stop requested")
    assert_at_rest(driver)
    assert driver.trigger("reset").success
    assert driver.trigger("reset").message == "not stopped"


def test_a_lost_device_is_reconnected_and_moves_only_after_a_reset(bench, tmp_path):
    (tmp_path / "away").touch()
    bench.wait_for_status(state="lost", reason="10.0.0.7 does not answer", lost="1")
    assert not bench.states_of(0.3)[1:], "an old sample was published again"
    (tmp_path / "away").unlink()
    bench.wait_for_status(state="stopped", reason="the device was lost and is back")
    assert until(lambda: "lost and is back; it stays so until its service ~/reset is called" in bench.stderr)
    bench.send(bench.home + 0.1)
    bench.wait_for_status(refusal="not_ready")
    bench.release_and_reset()
    target = bench.home + 0.1
    bench.follow(target, lambda: np.abs(bench.position - target).max() < 1e-6)


def test_a_device_fault_stops_the_driver_until_cleared_and_reset(bench, tmp_path):
    bench.start_moving()
    (tmp_path / "hot").touch()
    bench.wait_for_status(state="stopped", reason="joint 3 is hot")
    assert_at_rest(bench)
    bench.estop(False)
    bench.wait_for(lambda: bench.trigger("reset").message == "joint 3 is hot", "the refusal")
    (tmp_path / "hot").unlink()
    assert bench.trigger("reset").success


@pytest.mark.parametrize("cause", ["hot", "away"])
def test_a_fault_of_one_device_stops_the_station_until_its_release(bench, tmp_path, cause):
    (tmp_path / cause).touch()
    bench.wait_for(lambda: True in bench.estops, "the emergency stop")
    (tmp_path / cause).unlink()
    bench.wait_for_status(state="stopped")
    assert bench.trigger("reset").message == "the emergency stop is still asserted"
    bench.listen(0.3)
    assert False not in bench.estops, "released without a request"


def test_without_estop_on_fault_a_fault_stops_only_its_own_device(start_driver, tmp_path):
    write_plugin(tmp_path, "bench", PLUGIN)
    options = f'{{"directory": "{tmp_path}"}}'
    bench = start_driver(device="bench", options=options, estop_on_fault=False).wait_until_ready()
    (tmp_path / "hot").touch()
    bench.wait_for_status(state="stopped", reason="joint 3 is hot")
    (tmp_path / "hot").unlink()
    assert bench.trigger("reset").success and not bench.estops


def test_a_second_publisher_of_commands_stops_all_and_both_are_named(bench):
    bench.start_moving()
    intruder = Peer("intruder")
    intruder.node.create_publisher(JointTrajectory, "/left/arm/command", qos.COMMAND)
    bench.follow(bench.home, lambda: bench.status.get("state") == "stopped", "the stop")
    bench.follow(bench.home, lambda: "intruder and test" in bench.status["reason"], "the names")
    assert bench.status["reason"] == "two publishers of /left/arm/command: intruder and test"
    bench.wait_for(lambda: True in bench.estops, "the emergency stop for all")
    intruder.close()
    bench.release_and_reset()
    target = bench.home + 0.1
    bench.follow(target, lambda: np.abs(bench.position - target).max() < 1e-2)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_shuts_a_moving_driver_down_in_order(bench, tmp_path, number):
    bench.start_moving()
    assert bench.signal(number) == 0
    assert (tmp_path / "stopped").exists() and (tmp_path / "disconnected").exists()
    assert "Traceback" not in bench.stderr and "error" not in bench.stderr


def test_the_lifecycle_transitions_can_be_repeated(start_driver):
    driver = start_driver(autostart=False)
    for _ in range(2):
        assert driver.change_state(Transition.TRANSITION_CONFIGURE)
        assert driver.change_state(Transition.TRANSITION_ACTIVATE)
        received = len(driver.states)
        driver.wait_for(lambda received=received: len(driver.states) > received + 5, "joint states")
        assert driver.change_state(Transition.TRANSITION_DEACTIVATE)
        assert not driver.states_of(0.3)[10:]
        assert driver.change_state(Transition.TRANSITION_CLEANUP)
    assert driver.signal(signal.SIGTERM) == 0
    assert "Traceback" not in driver.stderr


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"embodiment": "xarm8"}, "xarm8"),
        ({"embodiment": "inspire"}, "found 'inspire', of kind hand; expected arm"),
        ({"device": "loopbak"}, "hand_drivers.devices: found 'loopbak', expected one of:"),
        ({"options": "{"}, "expected a JSON object"),
        ({"options": '{"lag": 1}'}, "option 'lag'"),
        ({"rate_hz": 5}, "parameter 'rate_hz': found 5, expected greater than or equal to 10"),
        ({"side": "middle"}, "parameter 'side': found 'middle', expected 'left' or 'right'"),
        ({"rate": 100}, "parameter 'rate': unknown, expected 'rate_hz'"),
    ],
)
def test_an_invalid_parameter_ends_the_node_with_one_error_line(start_driver, parameters, expected):
    driver = start_driver(**parameters)
    assert driver.exit_code() == 1
    assert driver.stderr.count("\n") == 1
    assert driver.stderr.startswith("error: ") and expected in driver.stderr


def test_a_device_that_does_not_respond_fails_the_activation(start_driver, tmp_path):
    write_plugin(tmp_path, "bench", PLUGIN)
    (tmp_path / "away").touch()
    driver = start_driver(device="bench", options=f'{{"directory": "{tmp_path}"}}')
    assert driver.exit_code() == 1
    assert driver.stderr == "error: node /left_arm_driver: 10.0.0.7 does not answer\n"
