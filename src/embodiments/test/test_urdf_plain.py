"""Locked joints and mimics of mimics: rewritten to what every library reads, with the same motion."""

from __future__ import annotations

import numpy as np
import pytest

from embodiments.kinematics import Kinematics
from embodiments.urdf import parse
from embodiments.urdf_plain import plain

LEADER = '<limit lower="-1" upper="1.5"/>'


def joint(name: str, parent: str, child: str, inside: str, kind: str = "revolute") -> str:
    place = '<origin xyz="0 0 0.1" rpy="0.3 0 0.2"/><axis xyz="0 0.6 0.8"/>'
    return f'<joint name="{name}" type="{kind}"><parent link="{parent}"/><child link="{child}"/>{place}{inside}</joint>'


def chain(*inside: str, kind: str = "revolute") -> str:
    """A serial robot of links a, b, c, d with joints 1, 2, 3."""
    joints = [joint(str(i + 1), "abc"[i], "bcd"[i], text, kind) for i, text in enumerate(inside)]
    return '<robot name="r">' + "".join(f'<link name="{link}"/>' for link in "abcd") + "".join(joints) + "</robot>"


def follows(leader: str, lower: float, upper: float, multiplier: float, offset: float) -> str:
    rule = f'<mimic joint="{leader}" multiplier="{multiplier}" offset="{offset}"/>'
    return f'<limit lower="{lower}" upper="{upper}"/>{rule}'


def tip(text: str, joints: tuple[str, ...], q: list[float]) -> np.ndarray:
    return Kinematics(text, joints, {"thumb": "d"}).tip_positions(np.array(q))[0]


@pytest.mark.parametrize("multipliers", [(1.1, 0.6), (-0.8, 0.6), (0.9, -1.3)])
def test_a_chain_of_mimics_moves_as_each_of_its_rules_says(multipliers: tuple[float, float]) -> None:
    second, third = follows("1", -0.4, 0.7, multipliers[0], 0.1), follows("2", -0.3, 0.5, multipliers[1], -0.05)
    text, free = chain(LEADER, second, third), chain(LEADER, LEADER, LEADER)
    assert parse(text).actuated == ("1",)
    for q in np.linspace(-1, 1.5, 26):
        q2 = np.clip(multipliers[0] * q + 0.1, -0.4, 0.7)
        q3 = np.clip(multipliers[1] * q2 - 0.05, -0.3, 0.5)
        np.testing.assert_allclose(tip(text, ("1",), [q]), tip(free, ("1", "2", "3"), [q, q2, q3]), atol=1e-9)


@pytest.mark.parametrize("kind", ["revolute", "prismatic"])
def test_a_joint_with_equal_limits_is_fixed_where_it_is_locked(kind: str) -> None:
    text = chain(LEADER, '<limit lower="0.4" upper="0.4"/>', LEADER, kind=kind)
    assert parse(text).actuated == ("1", "3")
    free = chain(LEADER, LEADER, LEADER, kind=kind)
    np.testing.assert_allclose(
        tip(text, ("1", "3"), [0.2, -0.3]), tip(free, ("1", "2", "3"), [0.2, 0.4, -0.3]), atol=1e-9
    )


def test_joints_that_mimic_a_locked_joint_are_fixed_with_it() -> None:
    text = chain('<limit lower="0.5" upper="0.5"/>', follows("1", 0, 0.2, 2, 0), follows("2", -1, 1, 3, 0.1))
    tree = parse(text)
    assert [found.kind for found in tree.joints] == ["fixed"] * 3
    first, second, third = (found.origin for found in tree.joints)
    expected = tip(chain(LEADER, LEADER, LEADER), ("1", "2", "3"), [0.5, 0.2, 0.7])
    np.testing.assert_allclose((first @ second @ third)[:3, 3], expected, atol=1e-9)


def test_a_urdf_without_either_stays_the_same_text() -> None:
    text = chain(LEADER, follows("1", 0, 1, 1, 0), LEADER)
    assert plain(text, "toy.urdf") is text
