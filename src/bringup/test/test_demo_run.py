"""The whole demo with real nodes, a real codec and a policy that slowly raises both hands."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rclpy
from bringup_helpers import alive, nodes_of, until
from drifting_policy import write_policy
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import JointState

from bringup import paths
from node_kit.qos import STATE

CODEC = paths.workspace() / "models" / "codec"
pytestmark = pytest.mark.skipif(not (CODEC / "manifest.yaml").exists(), reason="the codec bundle is not there")

AT_REST_RAD_PER_S = 0.02


class Demo:
    """One run of the demo in a folder of its own."""

    def __init__(self, folder: Path, port: int, seconds: float) -> None:
        self.report_file, self.folder = folder / "demo.json", folder
        policy = write_policy(folder / "policy", CODEC)
        argv = [sys.executable, "-m", "bringup.demo", f"codec:={CODEC}", f"policy:={policy}", f"port:={port}"]
        argv += [f"seconds:={seconds}", "--json", str(self.report_file)]
        env = {**os.environ, "CROSSHAND_WS": str(folder)}
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)

    def finish(self, timeout_s: float) -> tuple[int, str, str]:
        out, errors = self.process.communicate(timeout=timeout_s)
        return self.process.returncode, out, errors

    def report(self) -> dict:
        return json.loads(self.report_file.read_text())


class Speeds:
    """Fastest joint of all arms, as their drivers report it."""

    def __init__(self) -> None:
        self._newest: dict[str, tuple[float, float]] = {}
        self._context = rclpy.Context()
        rclpy.init(args=[], context=self._context)
        self._node = rclpy.create_node("speeds", context=self._context)
        for side in ("left", "right"):
            topic = f"/{side}/arm/joint_states"
            self._node.create_subscription(JointState, topic, lambda m, s=side: self._receive(s, m), STATE)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._thread = threading.Thread(target=self._executor.spin, daemon=True)
        self._thread.start()

    def _receive(self, side: str, message: JointState) -> None:
        self._newest[side] = (time.monotonic(), float(np.max(np.abs(message.velocity))))

    def moving(self) -> bool:
        return len(self._newest) == 2 and all(speed > AT_REST_RAD_PER_S for _, speed in self._newest.values())

    def at_rest_since(self, at: float) -> bool:
        """Whether both arms have reported rest after `at`."""
        return all(when > at and speed < AT_REST_RAD_PER_S for when, speed in self._newest.values())

    def close(self) -> None:
        self._executor.shutdown()
        self._thread.join(2.0)
        self._node.destroy_node()
        rclpy.shutdown(context=self._context)


@pytest.fixture
def speeds() -> Iterator[Speeds]:
    speeds = Speeds()
    yield speeds
    speeds.close()


def test_the_demo_leaves_a_report_a_video_and_a_bag(tmp_path: Path, free_port: int) -> None:
    demo = Demo(tmp_path, free_port, seconds=4.0)
    status, out, errors = demo.finish(90.0)
    assert status == 0, out + errors
    report = demo.report()
    assert (report["left_hand"], report["right_hand"]) == ("inspire", "ability")
    assert report["images"]["published"] > 30
    assert report["images"]["published"] == report["images"]["received"]
    assert set(report["drivers"]) == {"left/arm", "left/hand", "right/arm", "right/hand"}
    assert report["latency_ms"]["camera_to_command"]["p50"] > 0.0
    assert "died" not in report
    run = next((tmp_path / "out").glob("run-*"))
    assert (run / "demo.mp4").stat().st_size > 1000
    assert list(run.glob("bag/*/*.mcap"))
    assert "Traceback" not in out + errors + "".join(log.read_text() for log in run.glob("logs/*.log"))


def test_a_killed_policy_stops_motion_within_300_ms_and_is_reported(
    tmp_path: Path, free_port: int, speeds: Speeds
) -> None:
    demo = Demo(tmp_path, free_port, seconds=60.0)
    assert until(speeds.moving, 60.0)
    nodes, at = nodes_of(demo.process.pid), time.monotonic()
    os.kill(nodes["policy"], signal.SIGKILL)
    stopped = until(lambda: speeds.at_rest_since(at), 1.0)
    took = time.monotonic() - at
    status, out, errors = demo.finish(30.0)
    assert stopped and took < 0.3
    assert status == 1
    assert demo.report()["died"][0] == {"node": "policy", "cause": "was killed by SIGKILL"}
    assert "error: policy was killed by SIGKILL" in errors
    assert not any(alive(pid) for pid in nodes.values())
