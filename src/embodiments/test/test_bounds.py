"""Limits beyond those of any robot are refused by file, field, value found and value expected."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import embodiments
from embodiments import EmbodimentError
from embodiments.registry import DATA


def changed(folder: Path, name: str, changes: dict[str, str], urdf: dict[str, str] | None = None) -> None:
    """Load a shipped robot with texts of its files replaced."""
    for suffix, texts in ((".yaml", changes), (".urdf", urdf or {})):
        content = (DATA / name).with_suffix(suffix).read_text()
        for old, new in texts.items():
            assert old in content
            content = content.replace(old, new, 1)
        (folder / f"{name}{suffix}").write_text(content)
    embodiments.load_file(folder / f"{name}.yaml")


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("xarm7", "velocity: 3.14", "velocity: 1.0e9", r"joints.0.velocity: found 1000000000.0, expected at most 3.15"),
        ("xarm7", "velocity: 3.14", "velocity: 180", r"joints.0.velocity: found 180.0, expected at most 3.15 rad/s"),
        (
            "xarm7",
            "velocity: 3.14",
            "velocity: 3.2",
            "joints.0.velocity: found 3.2, expected at most 3.15 rad/s, as in",
        ),
        ("xarm7", "acceleration: 15.0", "acceleration: 1.0e9", "joints.0.acceleration: .* at most 100 rad/s2"),
        ("inspire", "acceleration: 60.0", "acceleration: 3437", "joints.0.acceleration: .* at most 500 rad/s2"),
        ("xarm_gripper", "velocity: 0.15", "velocity: 150", "joints.0.velocity: found 150.0, expected at most 0.2 m/s"),
        ("xarm_gripper", "acceleration: 2.0", "acceleration: 60", "acceleration: found 60.0, expected at most 20 m/s2"),
        ("xarm7", "velocity: 3.14", "velocity: 1.0e-9", "joints.0.velocity: .* greater than or equal to 0.001"),
        ("xarm7", "acceleration: 15.0", "acceleration: 0.001", "acceleration: .* greater than or equal to 0.01"),
        ("inspire", "mount: {xyz: [0, 0, 0.018]", "mount: {xyz: [0, 0, 18]", "mount.xyz.2: .* less than or equal to 1"),
        ("inspire", "rpy: [0, 0, 1.5707963]", "rpy: [0, 0, 90]", "mount.rpy.2: .* less than or equal to 6.3"),
    ],
)
def test_a_limit_that_no_robot_has_is_refused(tmp_path: Path, name: str, old: str, new: str, message: str) -> None:
    with pytest.raises(EmbodimentError, match=rf"{name}.yaml: .*{message}"):
        changed(tmp_path, name, {old: new})


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("xarm7", 'lower="-6.28319" upper="6.28319"', 'lower="-360" upper="360"', r"limit: found \[-360.0, 360.0\]"),
        ("xarm_gripper", 'upper="0.0425"', 'upper="42.5"', r"limit: found \[0.0, 42.5\], expected limits within 1 m"),
    ],
)
def test_a_range_that_no_robot_has_is_refused(tmp_path: Path, name: str, old: str, new: str, message: str) -> None:
    with pytest.raises(EmbodimentError, match=rf"{name}.urdf: joint .*{message}"):
        changed(tmp_path, name, {}, {old: new})


def test_a_velocity_without_a_limit_in_the_urdf_has_the_bound_of_its_kind(tmp_path: Path) -> None:
    without = {'velocity="3.15"': 'velocity="0"'}
    changed(tmp_path, "xarm7", {"velocity: 3.14": "velocity: 10.0"}, without)
    with pytest.raises(EmbodimentError, match=r"found 10.1, expected at most 10 rad/s .revolute joint joint1"):
        changed(tmp_path, "xarm7", {"velocity: 3.14": "velocity: 10.1"}, without)


def test_joints_ten_metres_apart_are_refused(tmp_path: Path) -> None:
    shutil.copy(DATA / "xarm7.yaml", tmp_path)
    with pytest.raises(EmbodimentError, match=r"joint joint2.origin.xyz: found \[11.0, .* expected at most 10 m"):
        text = (DATA / "xarm7.urdf").read_text()
        start = text.index("<origin", text.index('name="joint2"'))
        end = text.index("/>", start)
        (tmp_path / "xarm7.urdf").write_text(text[:start] + '<origin xyz="11 0 0"' + text[end:])
        embodiments.load_file(tmp_path / "xarm7.yaml")
