"""The codec node in a process of its own: what it publishes, and what it refuses."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool
from trajectory_msgs.msg import JointTrajectory

import embodiments
from contracts.transforms import pose
from latent_codec.side import SideCodec
from node_kit import messages, qos
from node_kit.testing import NodeProcess, Peer

pytestmark = pytest.mark.graph

SHIPPED = Path(__file__).resolve().parents[3] / "models" / "codec"
ARM = np.array([0.1, -0.2, 0.05, 1.2, 0.1, 1.3, -0.1])
TIMES = 0.1 * np.arange(1, 17)


PARAMETERS = {"autostart": True, "side": "left", "arm": "xarm7", "hand": "inspire", "base_xyz": [0.0, 0.4, 0.0]}
PARAMETERS |= {"bundle": str(SHIPPED)}
# How old states and chunks may be is tested in test_loop, on a clock of its own. Here the machine may be slow.
PARAMETERS |= {"max_state_age_s": 5.0, "max_chunk_age_s": 5.0}


def new_process(directory: Path, name: str = "left_codec") -> NodeProcess:
    return NodeProcess(directory, "latent_codec.node", name, status="codec/left")


class Graph:
    """The codec, and the rest of the graph: drivers that publish joint states, a policy, subscriptions."""

    def __init__(self, side: SideCodec, codec: NodeProcess) -> None:
        self.side, self.codec = side, codec
        self.hand = side.hand.postures["pregrasp"]
        self.states = [
            codec.node.create_publisher(JointState, f"/left/{part}/joint_states", qos.STATE) for part in ("arm", "hand")
        ]
        self.action = codec.node.create_publisher(JointTrajectory, "/left/latent_action", qos.COMMAND)
        self.received = {
            part: codec.collect(JointTrajectory, f"/left/{part}/command", qos.STATE) for part in ("arm", "hand")
        }
        self.received["state"] = codec.collect(JointState, "/left/latent_state", qos.STATE)
        codec.node.create_timer(0.02, self.report_states)
        codec.start(PARAMETERS)

    def report_states(self) -> None:
        """Publish joint states of now; the hand's a little older than the arm's."""
        now = time.time_ns()
        self.sent = (now, now - 3_000_000)
        robots = (self.side.arm, ARM), (self.side.hand, self.hand)
        for publisher, (robot, position), stamp in zip(self.states, robots, self.sent, strict=True):
            publisher.publish(messages.joint_state(robot.joints, stamp, position))

    def chunk(self) -> np.ndarray:
        return np.repeat(self.side.latent_state(ARM, self.hand)[None], len(TIMES), axis=0)

    def act(self, points=None, stamp=None, frame_id=None, names=None) -> int:
        """Publish a latent action and return its stamp."""
        stamp = time.time_ns() - 30_000_000 if stamp is None else stamp
        frame_id = self.side.codec.latent_space if frame_id is None else frame_id
        points = self.chunk() if points is None else points
        self.action.publish(messages.joint_trajectory(names or self.side.axes, stamp, TIMES, points, frame_id))
        return stamp

    def diagnosis(self) -> dict[str, str]:
        """Newest values of the status codec/left."""
        return self.codec.status

    def refusal(self, **action) -> str:
        """Publish an action that must be refused; returns the reason. No command may come of it."""
        self.codec.wait_for(lambda: self.diagnosis() != {}, "diagnostics")
        before = int(self.diagnosis()["refused"])
        commands = len(self.received["arm"]) + len(self.received["hand"])
        self.act(**action)
        self.codec.wait_for(lambda: int(self.diagnosis()["refused"]) > before, "refusal")
        assert len(self.received["arm"]) + len(self.received["hand"]) == commands
        return self.diagnosis()["reason"]


@pytest.fixture(scope="module")
def graph(codec, tmp_path_factory) -> Iterator[Graph]:
    arm, hand = embodiments.load("xarm7", "left"), embodiments.load("inspire", "left")
    process = new_process(tmp_path_factory.mktemp("codec"))
    try:
        graph = Graph(SideCodec(codec, arm, hand, pose((0, 0.4, 0))), process)
        process.wait_for(lambda: len(graph.received["state"]) > 0, "latent state")
        yield graph
        assert process.signal(signal.SIGINT) == 0
        assert "Traceback" not in process.stderr, process.stderr
    finally:
        process.close()


def test_the_latent_state_has_the_axes_the_space_and_the_older_stamp(graph):
    graph.received["state"].clear()
    graph.codec.wait_for(lambda: len(graph.received["state"]) > 2, "latent state")
    message = graph.received["state"][-1]
    assert tuple(message.name) == graph.side.axes
    assert message.header.frame_id == graph.side.codec.latent_space
    assert messages.stamp_ns(message.header) <= graph.sent[1]
    np.testing.assert_allclose(message.position, graph.side.latent_state(ARM, graph.hand), atol=1e-5)


def test_a_chunk_becomes_commands_with_the_stamp_of_its_observation(graph):
    graph.codec.wait_for(lambda: graph.action.get_subscription_count() > 0, "subscriber")
    stamp = graph.act()
    for part, robot, expected in (("arm", graph.side.arm, ARM), ("hand", graph.side.hand, graph.hand)):
        graph.codec.wait_for(lambda part=part: len(graph.received[part]) > 0, f"{part} command")
        found, status = messages.read_chunk(graph.received[part][-1], robot.joints)
        assert status is messages.MessageStatus.OK and found.stamp_ns == stamp
        np.testing.assert_allclose(found.times_s, TIMES, atol=1e-6)
        np.testing.assert_allclose(found.points, np.repeat(expected[None], 16, axis=0), atol=0.03)


def test_another_latent_space_is_refused(graph):
    reason = graph.refusal(frame_id="crosshand@000000000000")
    assert reason.startswith("wrong_latent_space: found 'crosshand@000000000000'")


def test_other_axes_are_refused(graph):
    assert graph.refusal(names=[f"joint{index}" for index in range(25)]).startswith("wrong_axes")


def test_a_chunk_that_is_not_finite_is_refused(graph):
    points = graph.chunk()
    points[4, 11] = np.nan
    assert graph.refusal(points=points) == "not_finite"


def test_a_latent_outside_of_the_space_is_refused_with_point_and_figures(graph):
    points = graph.chunk()
    points[4, 11] += 6.0
    reason = graph.refusal(points=points)
    assert reason.startswith("latent_outside: point 4, score -") and "threshold" in reason


def test_an_old_chunk_is_refused(graph):
    assert graph.refusal(stamp=time.time_ns() - 10_000_000_000).startswith("chunk_stale")


def test_a_wrist_out_of_reach_is_refused(graph):
    points = graph.chunk()
    points[:, 0] += 3.0
    assert graph.refusal(points=points).startswith("wrist_unreachable")


def test_after_refusals_a_good_chunk_is_executed_and_the_latency_is_traced(graph):
    graph.received["arm"].clear()
    stamp = graph.act()
    graph.codec.wait_for(lambda: len(graph.received["arm"]) > 0, "arm command")
    assert messages.stamp_ns(graph.received["arm"][-1].header) == stamp
    graph.codec.wait_for(
        lambda: graph.diagnosis()["reason"] == "" and int(graph.diagnosis()["chunks"]) >= 2, "good diagnostics"
    )
    assert float(graph.diagnosis()["codec_ms_max"]) > 0


def test_a_second_policy_stops_robots_in_motion_and_both_are_named(graph):
    commands, stops = graph.received["arm"], graph.codec.collect(Bool, "/estop", qos.LATCHED)
    other = Peer("second_policy")
    graph.codec.wait_for(lambda: graph.codec.node.count_publishers("/estop") == 1, "the codec's emergency stop")
    before = len(commands)
    graph.codec.wait_for(lambda: graph.act() and len(commands) > before, "a command")
    other.node.create_publisher(JointTrajectory, "/left/latent_action", qos.COMMAND)
    graph.codec.wait_for(lambda: graph.act() and stops, "the emergency stop")
    expected = "two publishers of /left/latent_action: second_policy and test"
    graph.codec.wait_for(lambda: graph.act() and graph.diagnosis()["reason"] == expected, "the reason")
    before = len(commands)
    other.close()
    graph.codec.wait_for(lambda: graph.act() and len(commands) > before, "a command of the policy that remains")
    assert all(stop.data for stop in stops)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hand": "tentacle"}, "tentacle"),
        ({"bundle": "/nowhere"}, "/nowhere/manifest.yaml"),
        ({"side": "middle"}, "parameter 'side': found 'middle'"),
    ],
)
def test_bad_parameters_are_one_line_and_a_failure(tmp_path, changes, message):
    process = new_process(tmp_path, "refused_codec")
    process.start({**PARAMETERS, **changes})
    assert process.exit_code() != 0
    lines = [line for line in process.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 and message in lines[0] and "Traceback" not in process.stderr
    process.close()
