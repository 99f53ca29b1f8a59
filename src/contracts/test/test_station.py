"""A station is read whole; what is wrong in it is named in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import FileError
from contracts.station import Pose, Station, load_station, station_file, station_names

PART = {"embodiment": "xarm7"}
STATION = {
    "name": "bench",
    "sides": {"left": {"arm": PART, "hand": {"embodiment": "inspire"}, "base": {"xyz": [0, 0.4, 0]}}},
    "cameras": {"front": {"pose": {"xyz": [1, 0, 1], "look_at": [0, 0, 0]}}},
}


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "bench.yaml"
    path.write_text(text)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(FileError) as caught:
        load_station(path)
    return str(caught.value).removeprefix(f"{path}: ")


def test_a_short_station_gets_safe_defaults(tmp_path: Path) -> None:
    station = load_station(written(tmp_path, yaml.safe_dump(STATION)))
    assert (station.backend, station.task, station.servo.command_timeout_s) == ("sim", "pick_place", 0.2)
    np.testing.assert_allclose(station.sides["left"].base.matrix()[:3, 3], [0, 0.4, 0])


@pytest.mark.parametrize("name", station_names())
def test_a_shipped_station_says_only_what_differs_from_the_defaults(name: str) -> None:
    content = yaml.safe_load(station_file(name).read_text())
    assert load_station(station_file(name)).model_dump(mode="json", exclude_defaults=True) == content


def test_a_station_read_back_is_the_same(tmp_path: Path) -> None:
    station = Station.model_validate(STATION)
    assert load_station(written(tmp_path, yaml.safe_dump(station.model_dump(mode="json")))) == station


@pytest.mark.parametrize(
    ("right", "wrong", "line"),
    [
        ("embodiment: inspire", "embodyment: inspire", "sides.left.hand.embodyment: found an unknown field, "),
        ("name: bench", "name: bench\nbackend: simm", "backend: found 'simm', expected 'sim', 'emulated' or 'real'"),
        ("name: bench", "name: bench\nsimulation: {port: 80}", "simulation.port: found 80, expected greater than"),
        ("name: bench", "", "name: found nothing, expected a value"),
        ("name: bench", "name: bench\nservo: {cpu: 1}", "servo.cpu: found an unknown field, expected 'cpu_affinity', "),
        ("name: bench", "name: bench\nservo: {priority: 1}", "servo.priority: found an unknown field, expected 'rt_pr"),
        ("  left:", "  lefft:", "sides.lefft: found 'lefft', expected 'left' or 'right'"),
        ("xyz: [1, 0, 1]", "xyz: [.nan, 0, 1]", "cameras.front.pose.xyz.0: found nan, expected a finite number"),
        (
            "xyz: [1, 0, 1]",
            "xyz: [1000, 0, 1]",
            "cameras.front.pose.xyz.0: found 1000, expected less than or equal to 20",
        ),
        (
            "look_at: [0, 0, 0]",
            "look_at: [1, 0, 1]",
            "cameras.front.pose.look_at: found [1.0, 0.0, 1.0], expected another",
        ),
        ("xyz: [0, 0.4, 0]", "xyz: [0, 400, 0]", "sides.left.base.xyz.1: found 400, expected less than"),
        (
            "xyz: [0, 0.4, 0]",
            "rpy: [0, 0, 90]",
            "sides.left.base.rpy.2: found 90, expected less than or equal to 6.3",
        ),
        (
            "name: bench",
            "name: bench\nscene: {table: {size: [1, 1, 0]}}",
            "scene.table.size.2: found 0, expected greater",
        ),
        (
            "name: bench",
            "name: bench\nname: other",
            "line 2: found text that is not plain YAML ('name' is not a key or ",
        ),
        ("name: bench", "name: [", "line "),
        ("name: bench", "cameras: {}", "line "),
    ],
)
def test_a_wrong_field_is_named_with_what_was_found_and_expected(
    tmp_path: Path, right: str, wrong: str, line: str
) -> None:
    text = yaml.safe_dump(STATION, sort_keys=False, default_flow_style=None)
    assert right in text
    message = refusal(written(tmp_path, text.replace(right, wrong, 1)))
    assert message.startswith(line)
    assert "\n" not in message


@pytest.mark.parametrize("content", [b"", b"- 1", b"\xff\xfe\x00", b"x" * (2 << 20)])
def test_a_file_that_is_no_station_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bench.yaml"
    path.write_bytes(content)
    assert "\n" not in refusal(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "none.yaml"
    with pytest.raises(FileError, match=r"none\.yaml: found no such file or directory"):
        load_station(path)


angle = st.floats(-3.2, 3.2)


@given(st.tuples(angle, angle, angle))
def test_a_pose_is_a_rotation_about_fixed_axes(rpy: tuple[float, float, float]) -> None:
    def about(axis: int, value: float) -> np.ndarray:
        first, second = [i for i in range(3) if i != axis]
        matrix, sign = np.eye(3), -1.0 if axis == 1 else 1.0
        matrix[[first, second], [first, second]] = np.cos(value)
        matrix[first, second], matrix[second, first] = -sign * np.sin(value), sign * np.sin(value)
        return matrix

    expected = about(2, rpy[2]) @ about(1, rpy[1]) @ about(0, rpy[0])
    np.testing.assert_allclose(Pose(rpy=rpy).matrix()[:3, :3], expected, atol=1e-12)
