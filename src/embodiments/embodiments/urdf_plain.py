"""Rewrites what URDFs may contain and not every library understands: locked joints, and mimics of mimics.

A joint with equal limits becomes fixed at its limit, and with it what mimics it or a fixed joint. A joint that mimics
another that itself mimics one follows the actuated joint directly, with the rules multiplied out and its limits clipped
to what the joints between can reach.
"""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree import ElementTree

import numpy as np

from contracts.transforms import matrix_rpy, rpy_matrix
from embodiments.errors import EmbodimentError
from embodiments.urdf_joint import MOVING, Joint, read_joint
from embodiments.urdf_xml import parse_robot

MAX_JOINTS = 200


def plain(text: str, source: str) -> str:
    """Return a URDF with the rewritten joints; the text itself where there are none.

    Args:
        text: XML.
        source: The file's name, for messages.

    Raises:
        EmbodimentError: Not a URDF of at most MAX_JOINTS joints, or a mimic without an actuated joint at its end.
    """
    robot = parse_robot(text, source)
    return ElementTree.tostring(robot, encoding="unicode") if make_plain(robot, source) else text


def make_plain(robot: ElementTree.Element, source: str) -> bool:
    """Rewrite the joints of a <robot> element; returns whether there were any. See `plain`."""
    elements = robot.findall("joint")
    if len(elements) > MAX_JOINTS:
        raise EmbodimentError(source, "joints", len(elements), f"at most {MAX_JOINTS}")
    named = [(element, read_joint(element, source)) for element in elements]
    joints = {joint.name: joint for _, joint in named}
    rewritten = [_rewrite(element, joint, joints, source) for element, joint in named]
    return any(rewritten)


def numbers(values: object) -> str:
    """Numbers as an attribute of a URDF, to a tenth of a nanometre."""
    return " ".join(f"{value + 0.0:.10g}" for value in np.asarray(values, dtype=float))


def _rewrite(element: ElementTree.Element, joint: Joint, joints: Mapping[str, Joint], source: str) -> bool:
    if joint.kind not in MOVING:
        return False
    if joint.lower == joint.upper:
        _fix(element, joint, joint.lower)
        return True
    if joint.mimic is None:
        return False
    leader, multiplier, offset, lower, upper = _rule(joint, joints, source)
    if leader.lower == leader.upper:
        lower = upper = float(np.clip(multiplier * leader.lower + offset, lower, upper))
    if lower == upper:
        _fix(element, joint, lower)
        return True
    if leader.name == joint.mimic.source:
        return False
    rule, limit = element.find("mimic"), element.find("limit")
    assert rule is not None and limit is not None  # read_joint has read them
    rule.attrib |= {"joint": leader.name, "multiplier": repr(multiplier), "offset": repr(offset)}
    limit.attrib |= {"lower": repr(lower), "upper": repr(upper)}
    return True


def _rule(joint: Joint, joints: Mapping[str, Joint], source: str) -> tuple[Joint, float, float, float, float]:
    """The first joint above that mimics none or cannot move; multiplier, offset, limits in terms of its position."""
    assert joint.mimic is not None
    multiplier, offset, lower, upper = joint.mimic.multiplier, joint.mimic.offset, joint.lower, joint.upper
    leader, passed = _leader(joint, joints, source), {joint.name}
    while leader.mimic is not None and leader.lower < leader.upper:
        if leader.name in passed:
            raise EmbodimentError(source, f"joint {joint.name}.mimic", leader.name, "an actuated joint, not a circle")
        passed.add(leader.name)
        reached = sorted((multiplier * leader.lower + offset, multiplier * leader.upper + offset))
        lower, upper = (float(limit) for limit in np.clip(reached, lower, upper))
        multiplier, offset = multiplier * leader.mimic.multiplier, multiplier * leader.mimic.offset + offset
        leader = _leader(leader, joints, source)
    return leader, multiplier, offset, lower, upper


def _leader(joint: Joint, joints: Mapping[str, Joint], source: str) -> Joint:
    assert joint.mimic is not None
    leader = joints.get(joint.mimic.source)
    if leader is None:
        raise EmbodimentError(source, f"joint {joint.name}.mimic", joint.mimic.source, "the name of a joint")
    return leader


def _fix(element: ElementTree.Element, joint: Joint, value: float) -> None:
    pose = joint.origin @ _motion(joint.kind, joint.axis, value)
    for child in [e for e in element if e.tag in ("origin", "axis", "limit", "mimic")]:
        element.remove(child)
    element.set("type", "fixed")
    ElementTree.SubElement(element, "origin", xyz=numbers(pose[:3, 3]), rpy=numbers(matrix_rpy(pose[:3, :3])))


def _motion(kind: str, axis: np.ndarray, value: float) -> np.ndarray:
    pose = np.eye(4)
    if kind == "prismatic":
        pose[:3, 3] = axis * value
        return pose
    helper = np.cross(axis, np.eye(3)[np.argmin(np.abs(axis))])
    basis = np.stack((helper / np.linalg.norm(helper), np.cross(axis, helper) / np.linalg.norm(helper), axis), axis=1)
    pose[:3, :3] = basis @ rpy_matrix((0, 0, value)) @ basis.T
    return pose
