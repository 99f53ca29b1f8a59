"""Arguments over a station, and what a resolved station holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from bringup import station
from contracts.errors import FileError
from contracts.station import load_station, station_file, station_names


def test_every_shipped_station_is_valid() -> None:
    assert "dual_xarm7" in station_names()
    for name in station_names():
        assert station.load(name).name == name


def test_another_hand_changes_nothing_else() -> None:
    plain = station.load("dual_xarm7")
    other = station.load("dual_xarm7", {"left_hand": "ability", "right_hand": "xarm_gripper"})
    assert other.sides["left"].hand.embodiment == "ability"
    assert other.sides["right"].hand.embodiment == "xarm_gripper"
    assert other.sides["right"].hand.device == plain.sides["right"].hand.device == "simulated"
    hands = {"left_hand": "inspire", "right_hand": "ability"}
    assert station.load("dual_xarm7", hands) == plain


def test_a_simulated_device_uses_the_port_of_its_station() -> None:
    resolved = station.load("dual_xarm7", {"port": 48999})
    assert {part.address for side in resolved.sides.values() for part in (side.arm, side.hand)} == {"shm:48999"}


def test_any_field_is_reached_by_its_dotted_name() -> None:
    assert station.load("dual_xarm7", {"servo.arm_rate_hz": 200}).servo.arm_rate_hz == 200.0


def test_bundles_of_a_resolved_station_are_absolute() -> None:
    resolved = station.load("dual_xarm7", {"policy": "models/other"})
    assert Path(resolved.policy).is_absolute() and resolved.policy.endswith("models/other")


def test_a_dumped_station_is_read_back_equal(tmp_path: Path) -> None:
    resolved = station.load("dual_xarm7", {"seconds": 3.5})
    file = tmp_path / "station.yaml"
    file.write_text(station.dump(resolved))
    assert load_station(file) == resolved


@pytest.mark.parametrize(
    "arguments",
    [["namespace:=hall/robot1"], ["namespace:=/hall/robot1"], ["--ros-args", "-r", "__ns:=/hall/robot1"]],
)
def test_a_namespace_is_an_argument_or_a_remapping(arguments: list[str]) -> None:
    assert station.load("dual_xarm7", station.parse_arguments(arguments)).namespace == "hall/robot1"
    assert station.parse_namespace(arguments) == "hall/robot1"


@pytest.mark.parametrize("found", ["a b", "1robot", "robot1/", "a//b"])
def test_a_namespace_that_ros_does_not_allow_is_refused(found: str) -> None:
    with pytest.raises(FileError, match="namespace"):
        station.load("dual_xarm7", {"namespace": found})
    with pytest.raises(station.ArgumentError, match="namespace"):
        station.parse_namespace([f"namespace:={found}"])


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["left_hnd:=inspire"], "argument: found 'left_hnd', expected 'left_hand'"),
        (["left_hand=inspire"], "argument: found 'left_hand=inspire', expected name:=value"),
        (["left_hand:="], "argument: found 'left_hand:=', expected name:=value"),
        (["seconds:=1", "seconds:=2"], "argument seconds: found twice, expected once"),
        (["--ros-args", "-p", "a:=1"], "argument --ros-args: found '-p a:=1', expected -r __ns:=/NAME"),
    ],
)
def test_a_mistyped_argument_is_named(arguments: list[str], line: str) -> None:
    with pytest.raises(station.ArgumentError) as caught:
        station.parse_arguments(arguments)
    assert str(caught.value) == line


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        ({"seconds": "long"}, "arguments: seconds: found 'long', expected"),
        ({"servo.arm_rate": 3}, "arguments: servo.arm_rate: found an unknown field, expected 'arm_rate_hz'"),
        ({"backend": "real"}, "sides.left.arm.device: found nothing, expected the name of a plug-in"),
        (
            {"backend": "emulated", "left_hand": "xhand"},
            "left.hand.embodiment: found 'xhand', expected one with an emulator",
        ),
        ({"port": 1}, "arguments: simulation.port: found 1, expected greater than or equal to 1024"),
    ],
)
def test_an_argument_that_does_not_fit_is_named(overrides: dict[str, object], text: str) -> None:
    with pytest.raises(FileError) as caught:
        station.load("dual_xarm7", overrides)
    assert text in str(caught.value)


def test_an_unknown_station_is_refused_with_the_known_ones() -> None:
    with pytest.raises(FileError, match=r"found 'dual_xarm', expected a YAML file or one of .*dual_xarm7"):
        station.load("dual_xarm")


def test_backend_sim_touches_no_real_device(tmp_path: Path) -> None:
    text = station_file("dual_xarm7").read_text().replace("name: dual_xarm7", "name: lab\nbackend: real")
    text = text.replace("{embodiment: xarm7}", "{embodiment: xarm7, device: xarm, address: 192.168.1.2}")
    text = text.replace("{embodiment: inspire}", "{embodiment: inspire, device: rh56, address: /dev/ttyUSB0}")
    text = text.replace("{embodiment: ability}", "{embodiment: ability, device: psyonic, address: /dev/ttyUSB1}")
    file = tmp_path / "lab.yaml"
    file.write_text(text.replace("  front:", "  front:\n    source: v4l2"))
    real = station.load(str(file), {})
    assert real.sides["left"].hand.device == "rh56"
    simulated = station.load(str(file), {"backend": "sim"})
    assert {part.device for side in simulated.sides.values() for part in (side.arm, side.hand)} == {"simulated"}
    assert simulated.cameras["front"].source == "simulated"
    emulated = station.load(str(file), {"backend": "emulated"})
    assert emulated.sides["left"].arm.address.startswith("127.") and emulated.cameras["front"].source == "simulated"
