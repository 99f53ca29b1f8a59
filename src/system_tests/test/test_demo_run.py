"""The whole demo with real nodes, a real codec and a policy that slowly raises both hands."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from bringup_helpers import CODEC, ArmSpeeds, alive, nodes_of
from drifting_policy import write_policy

from episodes.bag import EpisodeReader
from node_kit.testing import until

pytestmark = pytest.mark.system


class Demo:
    """One run of the demo in a folder of its own."""

    def __init__(self, folder: Path, port: int, seconds: float, namespace: str = "") -> None:
        self.report_file, self.folder = folder / "demo.json", folder
        policy = write_policy(folder / "policy", CODEC)
        argv = [sys.executable, "-m", "bringup.demo", f"codec:={CODEC}", f"policy:={policy}", f"port:={port}"]
        argv += [f"seconds:={seconds}", "--json", str(self.report_file)]
        argv += [f"namespace:={namespace}"] if namespace else []
        env = {**os.environ, "CROSSHAND_WS": str(folder)}
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)

    def finish(self, timeout_s: float) -> tuple[int, str, str]:
        out, errors = self.process.communicate(timeout=timeout_s)
        return self.process.returncode, out, errors

    def report(self) -> dict:
        return json.loads(self.report_file.read_text())


@pytest.mark.parametrize("namespace", ["", "hall/robot1"])
def test_the_demo_leaves_a_report_a_video_and_a_bag(tmp_path: Path, free_port: int, namespace: str) -> None:
    demo = Demo(tmp_path, free_port, 4.0, namespace)
    status, out, errors = demo.finish(90.0)
    assert status == 0, out + errors
    report = demo.report()
    assert (report["left_hand"], report["right_hand"]) == ("inspire", "ability")
    assert report["images"]["published"] > 10
    assert 0 < report["images"]["received"] <= report["images"]["published"]
    assert set(report["drivers"]) == {"left/arm", "left/hand", "right/arm", "right/hand"}
    assert report["latency_ms"]["camera_to_command"]["p50"] > 0.0
    assert "died" not in report
    run = next((tmp_path / "out").glob("run-*"))
    assert (run / "demo.mp4").stat().st_size > 1000
    with EpisodeReader(next(run.glob("bag/*/"))) as bag:
        assert bag.metadata is not None and bag.metadata.namespace == namespace
        assert bag.topics["/left/arm/command"].count > 0  # without the namespace
    assert "Traceback" not in out + errors + "".join(log.read_text() for log in run.glob("logs/*.log"))


def test_a_killed_policy_stops_motion_and_is_reported(tmp_path: Path, free_port: int, speeds: ArmSpeeds) -> None:
    demo = Demo(tmp_path, free_port, seconds=60.0)
    assert until(speeds.moving, 60.0)
    nodes, at = nodes_of(demo.process.pid), time.monotonic()
    os.kill(nodes["policy"], signal.SIGKILL)
    stopped = until(lambda: speeds.at_rest_since(at))  # how soon is judged by the fault bench
    status, _out, errors = demo.finish(60.0)
    assert stopped
    assert status == 1
    assert demo.report()["died"][0] == {"node": "policy", "cause": "was killed by SIGKILL"}
    assert "error: policy was killed by SIGKILL" in errors
    assert not any(alive(pid) for pid in nodes.values())
