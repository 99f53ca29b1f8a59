"""Any URDF becomes an embodiment, or is refused with one line that names file, field, found and expected."""

from __future__ import annotations

import importlib.metadata
import os
from pathlib import Path

import numpy as np
import pytest
import yaml

import embodiments
from embodiments import EmbodimentError, registry
from embodiments.kinematics import Kinematics
from embodiments.urdf import parse
from embodiments.urdf_import.importer import Options, take_in, write
from embodiments.urdf_import.read_urdf import read_source

LIMIT = '<limit lower="0" upper="1.6" effort="1" velocity="2"/>'


def joint(name: str, parent: str, child: str, xyz: str = "0 0 0.04", inside: str = "", kind: str = "revolute") -> str:
    inside = inside or f'<axis xyz="1 0 0"/>{LIMIT}'
    ends = f'<parent link="{parent}"/><child link="{child}"/><origin xyz="{xyz}"/>'
    return f'<joint name="{name}" type="{kind}">{ends}{inside}</joint>'


def robot(*joints: str, links: str) -> str:
    return (
        '<robot name="toy">'
        + "".join(f'<link name="{link}"/>' for link in links.split())
        + "".join(joints)
        + "</robot>"
    )


# Two fingers that bend towards +y about x, 40 mm a phalanx, and a thumb that comes from +y.
FINGERS = [
    joint("i1", "palm", "i_a", "-0.02 0 0.1", f'<axis xyz="-1 0 0"/>{LIMIT}'),
    joint("i2", "i_a", "i_b", inside=f'<axis xyz="-1 0 0"/>{LIMIT}'),
    joint("it", "i_b", "i_tip", kind="fixed"),
    joint("m1", "palm", "m_a", "0.02 0 0.1", f'<axis xyz="-1 0 0"/>{LIMIT}'),
    joint("m2", "m_a", "m_b", inside=f'<axis xyz="-1 0 0"/>{LIMIT}'),
    joint("mt", "m_b", "m_tip", kind="fixed"),
    joint("t1", "palm", "t_a", "0 0.02 0.02", '<axis xyz="1 0 0"/><limit lower="-1.2" upper="0.6"/>'),
    joint("t2", "t_a", "t_b", "0 0 0.05", f'<axis xyz="1 0 0"/>{LIMIT}'),
    joint("tt", "t_b", "t_tip", kind="fixed"),
]
LINKS = "palm i_a i_b i_tip m_a m_b m_tip t_a t_b t_tip"
ORIGIN = (0.0, 0.0, 0.0)
TIPS = {"thumb": ("t_tip", ORIGIN), "index": ("i_tip", ORIGIN), "middle": ("m_tip", ORIGIN)}


def written(folder: Path, text: str) -> Path:
    path = folder / "toy.urdf"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """The toy hand after intake."""
    return take_in(written(tmp_path_factory.mktemp("toy"), robot(*FINGERS, links=LINKS)), "toy", TIPS)


@pytest.fixture(scope="module")
def leap():
    """The URDF of the LEAP hand as its wheel has it, and what intake makes of it."""
    try:
        files = importlib.metadata.files("dexi-rs") or []
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("dexi-rs is not installed (pip install dexi-rs)")
    path = next(Path(f.locate()) for f in files if str(f).endswith("leap_hand_right.urdf"))
    tips = {f: (f"{f}_tip_head", ORIGIN) for f in ("thumb", "index", "middle", "ring")}
    return path, take_in(path, "leap", tips)


BOMB = '<!DOCTYPE robot [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><robot name="&b;"/>'
CHAIN = joint("1", "a", "b")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<robot", "xml: .*expected well-formed XML"),
        (BOMB, "xml: found a document type or entity declaration, expected a URDF without one"),
        ("<a>" * 60 + "</a>" * 60, "xml: found 41 elements, 41 deep"),
        ("<sdf/>", "xml: found sdf, expected the root element <robot>"),
        ('<robot xmlns:xacro="http://ros.org/wiki/xacro"><xacro:arm/></robot>', "xml: found xacro macros"),
        (robot(CHAIN, joint("2", "b", "x"), links="a b"), "joint 2.child: found x, expected one of the links a, b"),
        (robot(CHAIN, joint("2", "x", "c"), links="a b c"), "joint 2.parent: found x, expected one of the links"),
        (robot(CHAIN, links="a b c"), r"links: found \['a', 'c'\], expected exactly one root link"),
        (robot(joint("1", "b", "c"), joint("2", "c", "b"), links="a b c"), "joints: .* a tree without cycles"),
        (
            robot(CHAIN, joint("2", "a", "b"), links="a b"),
            "joint 2.child: found b, expected a link that is no other's",
        ),
        (robot(CHAIN, joint("1", "b", "c"), links="a b c"), "joint 1: found two of that name"),
        (robot(CHAIN, links="a b b"), "link b: found two of that name"),
        (robot(joint("1", "a", "b", inside="<axis xyz='1 0 0'/>"), links="a b"), "joint 1.limit: found nothing"),
        (
            robot(joint("1", "a", "b", inside='<limit lower="1" upper="0"/>'), links="a b"),
            "joint 1.limit: .*lower <",
        ),
        (robot(joint("1", "a", "b", inside='<limit lower="0" upper="90"/>'), links="a b"), "joint 1.limit: .*6.3 rad"),
        (robot(joint("1", "a", "b", "0 0 nan"), links="a b"), "joint 1.origin.xyz: found 0 0 nan, expected 3 finite"),
        (robot(joint("1", "a", "b", kind="floating"), links="a b"), "joint 1.type: found floating"),
        (robot(joint("1", "a", "b", kind="planar"), links="a b"), "joint 1.type: found planar"),
        (
            robot(CHAIN, joint("2", "b", "c", inside=f'{LIMIT}<mimic joint="9"/>'), links="a b c"),
            "joint 2.mimic: found 9, expected the name of a joint",
        ),
        (
            robot(
                joint("1", "a", "b", inside=f'{LIMIT}<mimic joint="2"/>'),
                joint("2", "b", "c", inside=f'{LIMIT}<mimic joint="1"/>'),
                links="a b c",
            ),
            "joint 1.mimic: found 1, expected an actuated joint, not a circle",
        ),
        (robot(*FINGERS, links=LINKS).replace("t_tip", "tip"), "tips.thumb: found t_tip, expected one of the links"),
    ],
)
def test_a_bad_urdf_is_refused_with_one_line(tmp_path, text, message):
    with pytest.raises(EmbodimentError, match="toy.urdf: " + message) as error:
        read_source(written(tmp_path, text), TIPS)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "tips", "options", "message"),
    [
        ("Toy", TIPS, Options(), "name: found Toy, expected lower case letters"),
        ("toy", {"thumb": TIPS["thumb"]}, Options(), r"tips: found \['thumb'\], expected at least thumb and index"),
        ("toy", TIPS | {"toe": TIPS["index"]}, Options(), "tips: found toe, expected one of thumb"),
        (
            "toy",
            TIPS | {"ring": TIPS["index"]},
            Options(),
            "tips.ring: found i_tip, expected a link that is",
        ),
        (
            "toy",
            TIPS | {"ring": ("palm", ORIGIN)},
            Options(),
            "tips.ring: found palm, expected a link",
        ),
        ("toy", TIPS, Options(side="left"), "side: found left, expected right: from index to the last finger"),
        ("toy", TIPS, Options(frozen={"x": 0.0}), "freeze: found x, expected an actuated joint"),
        ("toy", TIPS, Options(frozen={"i1": 9.0}), r"freeze.i1: found 9.0, expected a position in \[0.0, 1.6\]"),
    ],
)
def test_wrong_arguments_are_refused_with_one_line(tmp_path, name, tips, options, message):
    with pytest.raises(EmbodimentError, match=message):
        take_in(written(tmp_path, robot(*FINGERS, links=LINKS)), name, tips, options)


def test_a_urdf_in_millimetres_is_detected(tmp_path):
    text = robot(*FINGERS, links=LINKS).replace("0.1", "100").replace("0.04", "40")
    with pytest.raises(EmbodimentError, match=r"expected 0.02 to 0.8 m: is it in metres?"):
        take_in(written(tmp_path, text), "toy", TIPS)


def test_a_missing_file_and_one_that_is_no_text_are_named(tmp_path):
    with pytest.raises(EmbodimentError, match=r"no.urdf: found no such file"):
        read_source(tmp_path / "no.urdf", TIPS)
    (tmp_path / "toy.urdf").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(EmbodimentError, match=r"toy.urdf: xml: found bytes that are not UTF-8"):
        read_source(tmp_path / "toy.urdf", TIPS)


def test_a_joint_without_end_gets_one_turn_and_a_note(tmp_path):
    text = robot(*FINGERS, links=LINKS).replace('name="t1" type="revolute"', 'name="t1" type="continuous"')
    source = read_source(written(tmp_path, text), TIPS)
    limits = {j.name: (j.lower, j.upper) for j in source.tree.joints}
    assert limits["t1"] == pytest.approx((-np.pi, np.pi))
    assert source.notes == ["joint t1 turns without end: limited to -pi .. pi"]


def test_a_velocity_that_rounds_above_the_urdfs_is_taken(tmp_path):
    text = robot(*FINGERS, links=LINKS).replace('velocity="2"', 'velocity="3.14159265"')
    assert take_in(written(tmp_path, text), "toy", TIPS).robot.velocity.max() == pytest.approx(3.1416)


@pytest.mark.parametrize("frozen", [{}, {"i1": 0.7}, {"i1": None}])
def test_a_joint_locked_by_equal_limits_is_taken_with_and_without_freeze(tmp_path, frozen):
    text = robot(*FINGERS, links=LINKS).replace(LIMIT, '<limit lower="0.7" upper="0.7"/>', 1)
    intake = take_in(written(tmp_path, text), "toy", TIPS, Options(frozen=frozen))
    assert "i1" not in intake.robot.joints
    assert 'name="i1" type="fixed"' in intake.urdf


def test_a_locked_joint_frozen_elsewhere_is_refused(tmp_path):
    text = robot(*FINGERS, links=LINKS).replace(LIMIT, '<limit lower="0.7" upper="0.7"/>', 1)
    with pytest.raises(EmbodimentError, match=r"freeze.i1: found 0.2, expected a position in \[0.7, 0.7\]"):
        read_source(written(tmp_path, text), TIPS, {"i1": 0.2})


def test_a_joint_that_mimics_a_fixed_one_is_fixed_at_its_offset(tmp_path):
    follow = '<axis xyz="-1 0 0"/>' + LIMIT + '<mimic joint="t1" multiplier="2" offset="0.3"/>'
    texts = [joint("i2", "i_a", "i_b", inside=follow) if 'name="i2"' in text else text for text in FINGERS]
    text = robot(*texts, links=LINKS).replace('name="t1" type="revolute"', 'name="t1" type="fixed"')
    follower = next(found for found in read_source(written(tmp_path, text), TIPS).tree.joints if found.name == "i2")
    assert follower.kind == "fixed"


@pytest.mark.parametrize("kind", ["fixed", "floating", "planar"])
def test_a_joint_that_can_only_be_fixed_is_taken_when_frozen(tmp_path, kind):
    text = robot(*FINGERS, links=LINKS).replace('name="i1" type="revolute"', f'name="i1" type="{kind}"')
    source = read_source(written(tmp_path, text), TIPS, {"i1": None})
    assert "i1" not in source.actuated and len(source.actuated) == 5


def test_a_chain_of_mimics_is_taken_in_as_followers_of_its_actuated_joint(tmp_path):
    follow = '<axis xyz="-1 0 0"/>' + LIMIT + '<mimic joint="{}" multiplier="{}"/>'
    second = joint("i2", "i_a", "i_b", inside=follow.format("i1", 1.1))
    third = joint("i3", "i_b", "i_c", inside=follow.format("i2", 0.6))
    rest = [text for text in FINGERS if 'name="i2"' not in text]
    text = robot(*rest, second, third, links=f"{LINKS} i_c").replace(
        '"i_b"/><child link="i_tip"', '"i_c"/><child link="i_tip"'
    )
    intake = take_in(written(tmp_path, text), "toy", TIPS)
    last = next(found for found in parse(intake.urdf).joints if found.name == "i3")
    assert last.mimic is not None
    assert (last.mimic.source, round(last.mimic.multiplier, 9)) == ("i1", 0.66)
    assert (last.lower, round(last.upper, 9)) == (0.0, 0.96)


def test_a_frozen_joint_stays_where_it_was_put(tmp_path):
    path = written(tmp_path, robot(*FINGERS, links=LINKS))
    free, frozen = read_source(path, TIPS), read_source(path, TIPS, {"i1": 0.7})
    q = np.array([0.7, 0.3, 0.1, 0.2, -0.4, 0.5])
    tips = [Kinematics(_text(s), s.actuated, s.tips).tip_positions(p) for s, p in ((free, q), (frozen, q[1:]))]
    np.testing.assert_allclose(tips[0], tips[1], atol=1e-9)


def test_a_point_in_a_link_can_be_a_fingertip(tmp_path):
    tips = TIPS | {"index": ("i_b", (0.0, 0.0, 0.04))}
    source = read_source(written(tmp_path, robot(*FINGERS, links=LINKS)), tips)
    reached = Kinematics(_text(source), source.actuated, {"a": "i_tip", "b": source.tips["index"]})
    a, b = reached.tip_positions(np.full(6, 0.4))
    np.testing.assert_allclose(a, b, atol=1e-12)


def test_directions_and_side_are_found_in_the_geometry(toy):
    flange = toy.robot.mount[:3, :3]
    np.testing.assert_allclose(flange @ [0, 0, 1], [0, 0, 1], atol=1e-6)  # fingers along z
    np.testing.assert_allclose(flange @ [0, 1, 0], [0, 1, 0], atol=1e-6)  # the palm faces y
    assert toy.report[0].startswith("a right hand")


def test_a_left_hand_is_kept_as_the_right_hand_it_mirrors(toy, tmp_path):
    text = robot(*FINGERS, links=LINKS).replace('"-0.02 0 0.1"', '"?"').replace('"0.02 0 0.1"', '"-0.02 0 0.1"')
    left = take_in(written(tmp_path, text.replace('"?"', '"0.02 0 0.1"')), "toy", TIPS)
    assert left.report[0].startswith("a left hand")
    q = np.full(6, 0.3)
    axes = [hand.mount[:3, :3] for hand in (toy.robot, left.robot)]
    tips = [hand.kinematics.tip_positions(q) @ turn.T for hand, turn in zip((toy.robot, left.robot), axes, strict=True)]
    np.testing.assert_allclose(tips[0], tips[1], atol=1e-6)


def test_fingers_that_bend_as_far_to_both_sides_need_a_palm(tmp_path):
    both = [finger.replace(LIMIT, LIMIT.replace('lower="0"', 'lower="-1.6"')) for finger in FINGERS[:6]]
    path = written(tmp_path, robot(*both, *FINGERS[6:], links=LINKS))
    with pytest.raises(EmbodimentError, match=r"palm: found fingertips that curl by .* give --palm X Y Z"):
        take_in(path, "toy", TIPS)
    assert take_in(path, "toy", TIPS, Options(palm=(0, 1, 0))).report[0].startswith("a right hand")


def test_a_wrist_that_bends_backwards_does_not_change_the_side(tmp_path):
    bends = '<axis xyz="-1 0 0"/><limit lower="-1.5" upper="0.2" velocity="2"/>'
    wrist = joint("w", "forearm", "palm", "0 0 0.1", bends)
    hand = take_in(written(tmp_path, robot(wrist, *FINGERS, links=f"forearm {LINKS}")), "toy", TIPS)
    assert hand.report[0].startswith("a right hand")


def sure_of(intake):
    return float(intake.report[0].split("(sure ")[1].split(" of 1)")[0])


def test_the_certainty_of_the_side_is_that_of_the_palm_too(toy, tmp_path):
    behind = [finger.replace('"0 0.02 0.02"', '"0 -0.05 0.02"') for finger in FINGERS]  # the thumb behind the fingers
    doubtful = take_in(written(tmp_path, robot(*behind, links=LINKS)), "toy", TIPS)
    assert sure_of(toy) > 0.9 and sure_of(doubtful) < 0.6


def tilt(degrees):
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def tilted(degrees):
    angle = np.radians(degrees)
    return joint("f", "base", "palm", "0 0 0.05", kind="fixed").replace("xyz=", f'rpy="{angle} 0 0" xyz=')


@pytest.mark.parametrize(("degrees", "straight"), [(6.0, True), (18.0, True), (30.0, False)])
def test_a_mount_that_is_nearly_straight_is_straight(toy, tmp_path, degrees, straight):
    text = robot(tilted(degrees), *FINGERS, links=f"base {LINKS}")
    hand = take_in(written(tmp_path, text), "toy", TIPS).robot
    assert np.allclose(np.abs(hand.mount[:3, :3]).max(0), 1.0, atol=1e-6) == straight
    turned = toy.robot.grasp_frame[:3, :3].T @ tilt(degrees).T @ hand.grasp_frame[:3, :3]
    np.testing.assert_allclose(turned, np.eye(3), atol=2e-3)  # the hand itself is not straightened


def test_a_direction_that_the_user_gives_is_not_straightened(tmp_path):
    text = robot(tilted(10.0), *FINGERS, links=f"base {LINKS}")
    hand = take_in(written(tmp_path, text), "toy", TIPS, Options(forward=tuple(tilt(10.0)[:, 2]))).robot
    np.testing.assert_allclose(hand.mount[:3, :3], tilt(10.0).T, atol=1e-6)


def heavy(mass):
    inertia = '<inertia ixx="0.01" ixy="0" ixz="0" iyy="0.01" iyz="0" izz="0.01"/>'
    body = f'<inertial><mass value="{mass}"/>{inertia}</inertial>'
    return robot(*FINGERS, links=LINKS).replace('<link name="palm"/>', f'<link name="palm">{body}</link>')


def test_a_hand_heavier_than_an_arm_carries_is_noted_with_the_arm(toy, tmp_path):
    notes = [line for line in take_in(written(tmp_path, heavy(2.4)), "toy", TIPS).report if "carries" in line]
    assert len(notes) == 1 and "g1_arm carries 2 kg" in notes[0] and "xarm7" not in notes[0]
    assert not any("carries" in line for line in toy.report)


def test_rotations_of_the_grasp_frame_are_those_of_the_shipped_hands(toy):
    inspire = embodiments.load("inspire")
    expected = (inspire.mount @ inspire.grasp_frame)[:3, :3]
    np.testing.assert_allclose((toy.robot.mount @ toy.robot.grasp_frame)[:3, :3], expected, atol=1e-6)


def test_the_same_urdf_gives_the_same_files(toy, tmp_path):
    again = take_in(written(tmp_path, robot(*FINGERS, links=LINKS)), "toy", TIPS)
    assert (again.urdf, again.description) == (toy.urdf, toy.description)


def test_what_is_kept_moves_like_the_original(leap):
    path, intake = leap
    hand = intake.robot
    tree = parse(path.read_text())
    original = Kinematics(path.read_text(), hand.joints, hand.tips)
    q = np.random.default_rng(0).uniform(hand.lower, hand.upper, (200, len(hand.joints)))
    np.testing.assert_allclose(hand.kinematics.tip_positions(q), original.tip_positions(q), atol=1e-6)
    assert set(hand.joints) == set(tree.actuated)
    assert hand.joints == tuple(str(number) for number in range(16))  # the order of the file, not of the tree


def test_what_is_kept_has_no_meshes_and_weighs_what_hands_weigh(leap):
    _, intake = leap
    assert "<mesh" not in intake.urdf
    masses = [float(part.split('"')[1]) for part in intake.urdf.split("<mass ")[1:]]
    assert 0.3 < sum(masses) < 1.5


def test_a_can_fits_into_the_hand_before_the_grasp_only(leap):
    hand = leap[1].robot
    gaps = {}
    for posture, q in hand.postures.items():
        tips = hand.kinematics.tip_positions(q)
        gaps[posture] = float(np.linalg.norm(tips[2] - tips[0]))
    assert gaps["grasp"] < 0.066 < 0.066 + 0.015 < gaps["pregrasp"] <= gaps["open"]


def test_postures_of_the_user_are_taken_as_they_are(tmp_path):
    urdf = written(tmp_path, robot(*FINGERS, links=LINKS))
    file = tmp_path / "postures.yaml"
    file.write_text("open: [0, 0, 0, 0, 0, 0]\npregrasp: {i1: 0.1, i2: 0.2, m1: 0.3, m2: 0.4, t1: 0.5, t2: 0.6}\n")
    hand = take_in(urdf, "toy", TIPS, Options(postures=file)).robot
    assert hand.postures["open"].tolist() == [0] * 6
    assert hand.postures["pregrasp"].tolist() == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    file.write_text("open: [0, 0]\n")
    with pytest.raises(EmbodimentError, match=r"postures.yaml: open: .*a number for each of i1, i2"):
        take_in(urdf, "toy", TIPS, Options(postures=file))


def test_a_gripper_gets_its_jaws_across_and_its_tool_between_them(tmp_path):
    slide = '<axis xyz="{} 0 0"/><limit lower="0" upper="0.05"/>'
    text = robot(
        joint("a", "base", "l", "0 0 0.1", slide.format(1), "prismatic"),
        joint("b", "base", "r", "0 0 0.1", slide.format(-1) + '<mimic joint="a"/>', "prismatic"),
        joint("lt", "l", "l_tip", kind="fixed"),
        joint("rt", "r", "r_tip", kind="fixed"),
        links="base l r l_tip r_tip",
    )
    tips = {"thumb": ("l_tip", ORIGIN), "index": ("r_tip", ORIGIN)}
    hand = take_in(written(tmp_path, text), "jaws", tips, Options(kind="gripper")).robot
    shipped = embodiments.load("xarm_gripper")
    np.testing.assert_allclose(
        (hand.mount @ hand.grasp_frame)[:3, :3], (shipped.mount @ shipped.grasp_frame)[:3, :3], atol=1e-6
    )
    np.testing.assert_allclose(hand.grasp_frame[:3, 3], [0, 0, 0.14], atol=1e-3)
    assert hand.postures["open"] == pytest.approx([0.05], abs=1e-3)
    assert hand.postures["grasp"] == pytest.approx([0.02], abs=1e-3)


def test_an_added_hand_is_found_in_the_folders_of_the_environment(toy, tmp_path, monkeypatch):
    assert "toy" not in embodiments.names()
    write(toy, tmp_path / "robots")
    monkeypatch.setenv(registry.FOLDERS_VARIABLE, os.pathsep.join(("relative", str(tmp_path / "robots"))))
    assert "toy" in embodiments.names("hand")
    assert embodiments.load("toy", "left").joints == ("i1", "i2", "m1", "m2", "t1", "t2")


def test_a_folder_of_robots_that_is_none_is_refused(monkeypatch):
    monkeypatch.setenv(registry.FOLDERS_VARIABLE, os.devnull)
    with pytest.raises(EmbodimentError, match=r"^CROSSHAND_EMBODIMENTS: found /dev/null, expected a folder of robots"):
        embodiments.names()


def test_what_is_no_file_in_a_folder_of_robots_is_no_robot(toy, tmp_path, monkeypatch):
    write(toy, tmp_path)
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "gone.yaml").symlink_to(tmp_path / "nothing")
    monkeypatch.setenv(registry.FOLDERS_VARIABLE, str(tmp_path))
    assert "toy" in embodiments.names("hand") and not {"pipe", "gone"} & set(embodiments.names())
    with pytest.raises(EmbodimentError, match="name: found pipe, expected one of"):
        embodiments.load("pipe")


def test_a_file_that_is_written_anew_is_read_anew(toy, tmp_path, monkeypatch):
    path = write(toy, tmp_path)
    monkeypatch.setenv(registry.FOLDERS_VARIABLE, str(tmp_path))
    before = float(embodiments.load("toy").velocity[0])
    content = yaml.safe_load(path.read_text())
    content["joints"][0]["velocity"] = before / 2
    path.write_text(yaml.safe_dump(content))
    os.utime(path, ns=(1, 1))
    assert embodiments.load("toy").velocity[0] == before / 2


def test_a_name_that_is_taken_is_refused(toy, tmp_path, monkeypatch):
    write(toy, tmp_path)
    with pytest.raises(EmbodimentError, match="name: found toy, expected a name that no robot has yet"):
        write(toy, tmp_path)
    write(toy, tmp_path, replace=True)
    for ending in ("yaml", "urdf"):
        (tmp_path / f"inspire.{ending}").write_text((registry.DATA / f"inspire.{ending}").read_text())
    monkeypatch.setenv(registry.FOLDERS_VARIABLE, str(tmp_path))
    with pytest.raises(EmbodimentError, match=r"inspire.yaml: name: found inspire, expected a name of its own"):
        embodiments.load("inspire")


def _text(source) -> str:
    from xml.etree import ElementTree

    return ElementTree.tostring(source.kinematics, encoding="unicode")
