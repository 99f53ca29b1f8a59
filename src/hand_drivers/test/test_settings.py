"""From parameters to a device: invalid values are refused with a reason."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from contracts.errors import expected_field
from embodiments import registry
from hand_drivers import settings
from hand_drivers.device import DeviceError, DeviceSettings, read_options
from hand_drivers.devices.loopback import LoopbackDevice
from hand_drivers.devices.robotiq import RobotiqOptions
from hand_drivers.node import DriverParameters
from hand_drivers.polled_device import BusOptions


def parameters(**changes) -> DriverParameters:
    values = {"side": "left", "part": "arm", "embodiment": "xarm7", "device": "loopback"}
    return DriverParameters(**{**values, **changes})


def loopback(**options) -> LoopbackDevice:
    return LoopbackDevice(DeviceSettings(registry.load("inspire", "left"), "left", "hand", "", options))


def test_defaults_of_arms_and_hands_differ_where_their_devices_do():
    arm, hand = parameters(), parameters(part="hand")
    assert (arm.rate_hz, arm.device_timeout_s, arm.max_following_error) == (250.0, 0.16, 0.4)
    assert (hand.rate_hz, hand.device_timeout_s, hand.max_following_error) == (100.0, 0.05, 0.0)
    assert parameters(part="hand", device_timeout_s=0.0).device_timeout_s == 0.0


@pytest.mark.parametrize(
    "change",
    [
        {"side": "middle"},
        {"part": "leg"},
        {"rate_hz": 5},
        {"velocity_scaling": 0.0},
        {"rate": 100},
        {"rate_hz": np.nan},
    ],
)
def test_parameters_outside_their_schema_are_refused(change):
    with pytest.raises(ValidationError):
        parameters(**change)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("speed", "velocity_scaling"),
        ("priority", "rt_priority"),
        ("cpu", "cpu_affinity"),
        ("blend_s", "ramp_up_s"),
        ("stop_all", "estop_on_fault"),
        ("max_behind", "max_following_error"),
    ],
)
def test_an_old_parameter_name_is_refused_with_the_new_one(old, new):
    assert new in DriverParameters.model_fields
    assert expected_field(DriverParameters, old) == f"'{new}', its new name"


def test_true_is_no_number_of_an_option():
    given = DeviceSettings(registry.load("inspire", "left"), "left", "hand", "", {"connect_s": True})
    with pytest.raises(DeviceError, match="bus: option 'connect_s': found True, expected a number"):
        read_options(BusOptions, given)


@pytest.mark.parametrize("closed", [3, 2])
def test_a_gripper_that_is_not_closed_beyond_open_is_refused(closed):
    given = DeviceSettings(registry.load("robotiq_2f85", "left"), "left", "hand", "", {"opened": 3, "closed": closed})
    with pytest.raises(DeviceError, match=f"option 'closed': found {closed}, expected more than opened, 3"):
        read_options(RobotiqOptions, given)


def test_a_hand_is_not_an_arm():
    with pytest.raises(ValueError, match="found 'inspire', of kind hand; expected arm"):
        settings.load_robot("inspire", "left", "arm")
    assert settings.load_robot("xarm_gripper", "left", "hand").kind == "gripper"
    with pytest.raises(ValueError, match="found 'human', of kind human; expected hand or gripper"):
        settings.load_robot("human", "left", "hand")


def test_velocity_scaling_scales_velocity_and_acceleration_only():
    robot = registry.load("xarm7", "left")
    limits = settings.motion_limits(robot, 0.5)
    assert limits.velocity == pytest.approx(robot.velocity / 2)
    assert limits.acceleration == pytest.approx(robot.acceleration / 2)
    assert (limits.upper == robot.upper).all()


def test_the_loopback_device_names_a_wrong_option():
    with pytest.raises(DeviceError, match="option 'time_constant_s': found -1"):
        loopback(time_constant_s=-1)
    with pytest.raises(DeviceError, match="option 'speed'"):
        loopback(speed=1)
    with pytest.raises(DeviceError, match="option 'initial': found 2 values, expected 6"):
        loopback(initial=[0.0, 0.0])


def test_the_loopback_device_approaches_its_target():
    device = loopback(initial=[0.1] * 6, time_constant_s=0.001)
    device.connect()
    device.write(np.full(6, 0.4))
    for _ in range(10_000):
        if device.read().position == pytest.approx(np.full(6, 0.4), abs=1e-6):
            break
    else:
        pytest.fail("it never came near")


def test_the_loopback_device_must_be_connected():
    with pytest.raises(DeviceError, match="not connected"):
        loopback().read()
