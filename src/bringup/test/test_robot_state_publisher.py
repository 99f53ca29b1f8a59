"""What RViz, Foxglove and MoveIt read of a station: description, joint states and transforms."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sensor_msgs.msg import JointState
from std_msgs.msg import String

from bringup import station
from contracts.transforms import pose
from embodiments.assembly import assemble
from episodes.messages import typestore
from node_kit import cdr, messages, qos
from node_kit.testing import NodeProcess
from node_kit.tf_message import HASH, TFMessage

ANGLES = st.tuples(st.floats(-3, 3), st.floats(-1.5, 1.5), st.floats(-3, 3))
NAMES = st.text(st.characters(codec="ascii", exclude_characters="\0"), min_size=1, max_size=9)


def transforms(message: bytes) -> list[Any]:
    return list(typestore().deserialize_cdr(message, "tf2_msgs/msg/TFMessage").transforms)


def matrix(transform: Any) -> np.ndarray:
    move, turn = transform.translation, transform.rotation
    x, y, z, w = turn.x, turn.y, turn.z, turn.w
    found = np.eye(4)
    found[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    found[:3, 3] = move.x, move.y, move.z
    return found


@given(st.lists(st.tuples(NAMES, NAMES, ANGLES), max_size=5), st.integers(0, 2**31 * 10**9 - 1))
def test_transforms_as_written_here_are_read_by_another_reader(frames, stamp_ns):
    poses = np.array([pose((1, -2, number), rpy) for number, (_, _, rpy) in enumerate(frames)]).reshape(-1, 4, 4)
    message = cdr.Transforms([frame[:2] for frame in frames]).message(stamp_ns, poses)
    read = transforms(message)
    assert [(each.header.frame_id, each.child_frame_id) for each in read] == [frame[:2] for frame in frames]
    assert {messages.stamp_ns(each.header) for each in read} <= {stamp_ns}
    for each, expected in zip(read, poses, strict=True):
        assert matrix(each.transform) == pytest.approx(expected, abs=1e-12)


def test_the_hash_of_the_type_is_that_of_ros():
    assert typestore().hash_rihs01("tf2_msgs/msg/TFMessage") == f"RIHS01_{HASH.hex()}"


@pytest.mark.graph
def test_the_station_is_described_and_shown_below_its_namespace(tmp_path: Path) -> None:
    resolved = station.load("dual_xarm7", {"namespace": "robot1"})
    file = tmp_path / "station.yaml"
    file.write_text(station.dump(resolved))
    node = NodeProcess(tmp_path, "bringup.robot_state_publisher", "robot_state_publisher", "robot_state", "robot1")
    try:
        assembly, part = assemble(resolved), assemble(resolved).parts[0]
        fixed, moving, states = [], [], node.collect(JointState, "joint_states", qos.STATE)
        node.node.create_subscription(TFMessage, "tf", moving.append, qos.STATE, raw=True)
        node.start({"autostart": True, "station": str(file)})
        node.wait_for_status(message="running")
        # after they were published: both are kept for those who come late
        descriptions = node.collect(String, "robot_description", qos.LATCHED)
        node.node.create_subscription(TFMessage, "tf_static", fixed.append, qos.LATCHED, raw=True)
        node.wait_for(lambda: descriptions and fixed, "the description and the fixed frames")
        assert descriptions[0].data == assembly.urdf()
        assert [each.child_frame_id for each in transforms(fixed[0])] == [frame.name for frame in assembly.fixed()]
        q, stamp_ns = np.array(part.robot.postures["home"]) + 0.1, time.time_ns()
        node.publisher(JointState, part.topic, qos.STATE).publish(messages.joint_state(part.robot.joints, stamp_ns, q))
        node.wait_for(lambda: moving and states, "the moving frames")
    finally:
        node.close()
    assert tuple(states[0].name) == part.joints and states[0].position.tolist() == q.tolist()
    assert messages.stamp_ns(states[0].header) == stamp_ns
    for found, expected in zip(transforms(moving[0]), part.transforms(q), strict=True):
        assert messages.stamp_ns(found.header) == stamp_ns
        assert matrix(found.transform) == pytest.approx(expected, abs=1e-9)
