"""From parameters to a device: what does not fit is refused in words."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from embodiments import registry
from hand_drivers import settings
from hand_drivers.device import DeviceError, DeviceSettings
from hand_drivers.devices.loopback import LoopbackDevice


def parameters(**changes) -> settings.DriverParameters:
    values = {"side": "left", "part": "arm", "embodiment": "xarm7", "device": "loopback"}
    return settings.DriverParameters(**{**values, **changes})


def loopback(**options) -> LoopbackDevice:
    return LoopbackDevice(DeviceSettings(registry.load("inspire", "left"), "left", "hand", "", options))


def test_defaults_publish_arms_at_100_hz_and_hands_at_50():
    assert parameters().publish_hz == 100.0
    assert parameters(part="hand").publish_hz == 50.0
    assert parameters(publish_rate_hz=20.0).publish_hz == 20.0


@pytest.mark.parametrize(
    "change", [{"side": "middle"}, {"rate_hz": 5}, {"speed": 0.0}, {"rate": 100}, {"rate_hz": np.nan}]
)
def test_parameters_outside_their_schema_are_refused(change):
    with pytest.raises(ValidationError):
        parameters(**change)


def test_a_hand_is_not_an_arm():
    with pytest.raises(ValueError, match="found 'inspire', of kind hand; expected arm"):
        settings.robot(parameters(embodiment="inspire"))
    assert settings.robot(parameters(part="hand", embodiment="xarm_gripper")).kind == "gripper"
    with pytest.raises(ValueError, match="found 'human', of kind human; expected hand or gripper"):
        settings.robot(parameters(part="hand", embodiment="human"))


def test_speed_scales_velocity_and_acceleration_and_leaves_positions():
    robot = registry.load("xarm7", "left")
    limits = settings.motion_limits(robot, 0.5)
    assert limits.velocity == pytest.approx(robot.velocity / 2)
    assert limits.acceleration == pytest.approx(robot.acceleration / 2)
    assert (limits.upper == robot.upper).all()


@pytest.mark.parametrize("text", ["[1]", "{", "7"])
def test_options_that_are_no_json_object_are_refused(text):
    with pytest.raises(ValueError, match="expected a JSON object"):
        settings.options(text)


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
