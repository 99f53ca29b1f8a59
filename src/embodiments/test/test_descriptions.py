"""A wrong description is refused with one line that names the file, the field, what was found and what was expected."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

import embodiments
from embodiments import EmbodimentError
from embodiments.mirror import mirror_pose
from embodiments.registry import DATA


@pytest.fixture
def description(tmp_path: Path):
    """A copy of a hand's files and a way to change its YAML before it is loaded."""
    for name in ("inspire.yaml", "inspire.urdf"):
        (tmp_path / name).write_text((DATA / name).read_text())

    def load(change=lambda data: None, side="right"):
        path = tmp_path / "inspire.yaml"
        data = yaml.safe_load(path.read_text())
        change(data)
        path.write_text(yaml.safe_dump(data))
        return embodiments.load_file(path, side)

    return load


def test_a_valid_copy_loads(description):
    assert description().joints == embodiments.load("inspire").joints


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        (lambda d: d.update(colour="red"), "colour", "an unknown field"),
        (lambda d: d.pop("urdf"), "urdf", "found nothing"),
        (lambda d: d.update(kind="foot"), "kind", "found 'foot', expected"),
        (lambda d: d.update(handed=False), "handed", "'handed' is for arms"),
        (lambda d: d["joints"][2].update(velocity=-1), "joints.2.velocity", "found -1, expected"),
        (lambda d: d["joints"][2].update(velocity=float("nan")), "joints.2.velocity", "found nan"),
        (lambda d: d["joints"][0].update(upper=1.5), "joints.0", r"inside \[0.0, 1.308\]"),
        (lambda d: d["joints"].pop(), "joints", "each actuated joint of the URDF once"),
        (lambda d: d["joints"].append(dict(d["joints"][0])), "joints", "each actuated joint of the URDF once"),
        (lambda d: d["tips"].update(index="nail"), "tips.index", "found nail, expected one of the links"),
        (lambda d: d["tips"].pop("thumb"), "tips", "at least the tips 'thumb' and 'index'"),
        (lambda d: d["postures"].pop("grasp"), "postures", "found no grasp"),
        (lambda d: d["postures"]["open"].pop(), "postures.open", "6 numbers, one a joint"),
        (lambda d: d["postures"].update(open=[9, 0, 0, 0, 0, 0]), "postures.open", "values between"),
        (lambda d: d.update(mount={"xyz": [0, 0]}), "mount.xyz", "expected"),
        (lambda d: d.update(urdf="other.urdf"), "urdf", "a readable file"),
        (lambda d: d.update(name="other"), "name", "the file's own name 'inspire'"),
    ],
)
def test_the_error_names_file_and_field(description, change, field, message):
    with pytest.raises(EmbodimentError, match=message) as error:
        description(change)
    assert error.value.field.startswith(field)
    assert "inspire.yaml" in str(error.value)
    assert "\n" not in str(error.value)


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(EmbodimentError, match=r"found inspir, expected one of ability, .*inspire.*xhand"):
        embodiments.load("inspir")


def test_an_unknown_side_is_refused(description):
    with pytest.raises(EmbodimentError, match="side: found up, expected one of left, right"):
        description(side="up")


def test_text_that_is_no_yaml_and_a_missing_file_are_named(tmp_path):
    path = tmp_path / "broken.yaml"
    with pytest.raises(EmbodimentError, match=r"broken.yaml: found no such file or directory"):
        embodiments.load_file(path)
    path.write_text("name: [")
    with pytest.raises(EmbodimentError, match=r"broken.yaml: line 2: found text that is not plain YAML"):
        embodiments.load_file(path)
    path.write_text("just a sentence")
    with pytest.raises(EmbodimentError, match=r"broken.yaml: found just a sentence, expected a mapping"):
        embodiments.load_file(path)


def test_known_robots_are_listed_by_kind():
    assert embodiments.names("arm") == ("g1_arm", "xarm7")
    assert embodiments.names("hand") == ("ability", "allegro", "dex3", "dexh13", "faive", "inspire", "mimic", "xhand")
    assert embodiments.names("gripper") == ("franka_gripper", "robotiq_2f85", "xarm_gripper")


def test_a_human_hand_is_described_like_a_hand_but_is_none_to_mount(description):
    left, right = (description(lambda data: data.update(kind="human"), side) for side in embodiments.SIDES)
    assert right.kind == "human"
    assert right.kinematics.tip_positions(right.postures["grasp"]).shape == (5, 3)
    np.testing.assert_allclose(left.mount, mirror_pose(right.mount))
    for kind in ("hand", "gripper", "arm"):
        assert "human" not in embodiments.names(kind)


def test_a_human_hand_needs_tips_and_postures_too(description):
    with pytest.raises(
        EmbodimentError,
        match=r"postures: found no pregrasp, expected .* of kind 'human'",
    ):
        description(lambda data: (data.update(kind="human"), data["postures"].pop("pregrasp")))


@pytest.mark.parametrize("name", embodiments.names())
def test_arrays_of_an_embodiment_cannot_be_written(name):
    robot = embodiments.load(name)
    for values in (robot.lower, robot.upper, robot.mount, *robot.postures.values()):
        with pytest.raises(ValueError, match="read-only"):
            values[0] = 0.0


def test_the_ability_hand_is_commanded_within_the_manufacturers_safe_range():
    hand = embodiments.load("ability")
    assert hand.lower.tolist() == [-1.74, 0, 0, 0, 0, 0]
    assert hand.upper.tolist() == [0, 1.74, 1.74, 1.74, 1.74, 1.74]
