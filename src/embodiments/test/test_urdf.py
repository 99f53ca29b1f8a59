"""Only one clean tree passes; everything else is refused by name."""

from __future__ import annotations

import pytest

from embodiments import EmbodimentError
from embodiments.urdf import parse

LIMIT = '<limit lower="0" upper="1" effort="1" velocity="1"/>'


def joint(name: str, parent: str, child: str, inside: str = LIMIT, kind: str = "revolute") -> str:
    return f'<joint name="{name}" type="{kind}"><parent link="{parent}"/><child link="{child}"/>{inside}</joint>'


def robot(*joints: str, links: str = "abc") -> str:
    return '<robot name="r">' + "".join(f'<link name="{link}"/>' for link in links) + "".join(joints) + "</robot>"


def mimic(source: str, **values: str) -> str:
    attributes = "".join(f' {key}="{value}"' for key, value in values.items())
    return f'{LIMIT}<mimic joint="{source}"{attributes}/>'


def test_joints_are_sorted_parents_first_whatever_their_order_in_the_file():
    tree = parse(robot(joint("2", "b", "c"), joint("1", "a", "b")))
    assert (tree.root, tree.actuated, tree.links) == ("a", ("1", "2"), ("a", "b", "c"))


def test_a_mimic_without_numbers_has_multiplier_one_and_offset_zero():
    follower = parse(robot(joint("1", "a", "b"), joint("2", "b", "c", mimic("1")))).joints[1]
    assert (follower.mimic.source, follower.mimic.multiplier, follower.mimic.offset) == ("1", 1.0, 0.0)


CHAIN = joint("1", "a", "b")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<robot", "xml: .*well-formed XML"),
        ("<model/>", "xml: found model, expected the root element <robot>"),
        (robot(CHAIN, joint("2", "b", "d")), "joint 2.child: found d, expected one of the links a, b, c"),
        (robot(CHAIN, joint("2", "x", "c")), "joint 2.parent: found x"),
        (robot(CHAIN, joint("1", "b", "c")), "joint 1: found two of that name"),
        (robot(CHAIN, links="abb"), "link b: found two of that name"),
        (
            robot(CHAIN, joint("2", "a", "b"), links="ab"),
            "joint 2.child: found b, expected a link that is no other's",
        ),
        (robot(CHAIN), r"links: found \['a', 'c'\], expected exactly one root"),
        (robot(CHAIN, joint("2", "b", "a"), links="ab"), r"links: found \[\], expected exactly one root link .none: a"),
        (
            robot(joint("1", "b", "c"), joint("2", "c", "b")),
            r"joints: found \['1', '2'\], expected a tree without cycles",
        ),
        (robot(CHAIN, joint("2", "b", "c", "")), "joint 2.limit: found nothing, expected <limit lower"),
        (robot(CHAIN, joint("2", "b", "c", '<limit lower="0"/>')), "joint 2.limit: found"),
        (robot(CHAIN, joint("2", "b", "c", '<limit lower="2" upper="1"/>')), r"joint 2.limit: found \[2.0, 1.0\]"),
        (robot(CHAIN, joint("2", "b", "c", '<limit lower="x" upper="1"/>')), "joint 2.limit.lower: found x"),
        (robot(CHAIN, joint("2", "b", "c", kind="continuous")), "joint 2.type: found continuous, expected revolute"),
        (robot(CHAIN, joint("2", "b", "c", LIMIT + '<axis xyz="0 0 0"/>')), "joint 2.axis: .*not zero"),
        (
            robot(CHAIN, joint("2", "b", "c", LIMIT + '<origin xyz="0 0"/>')),
            "joint 2.origin.xyz: found 0 0, expected 3",
        ),
        (robot(CHAIN, joint("2", "b", "c", LIMIT + '<origin rpy="0 0 nan"/>')), "joint 2.origin.rpy: .*3 finite"),
        (robot(CHAIN, joint("2", "b", "c", mimic("9"))), "joint 2.mimic: found 9, expected the name of a joint"),
        (robot(CHAIN, joint("2", "b", "c", mimic("1", multiplier="0"))), "joint 2.mimic.multiplier: found 0.0"),
        (
            robot(joint("1", "a", "b", mimic("2")), joint("2", "b", "c", mimic("1"))),
            "joint 1.mimic: found 1, expected an actuated joint, not a circle",
        ),
        (robot(CHAIN, joint("2", "b", "c", mimic("2"))), "joint 2.mimic: found 2, expected an actuated joint"),
        (robot('<joint name="2" type="fixed"><child link="b"/></joint>'), "joint 2: .*an element <parent"),
    ],
)
def test_a_bad_urdf_is_refused_by_name(text, message):
    with pytest.raises(EmbodimentError, match="robot.urdf: " + message):
        parse(text, "robot.urdf")
