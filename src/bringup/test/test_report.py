"""The report has the figures that the nodes reported, and null for those they did not."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from bringup import impediments, report, station
from bringup.cpu import TICKS_PER_S, CpuMeter, cpu_seconds
from bringup.monitor import Monitor, Status
from bringup.processes import Exit

HASHES = {"policy": "a" * 64, "codec": "b" * 64}
# One second of /diagnostics of a whole graph.
RECORDED = {
    "simulation": {"task": "pick_place", "picks": "22", "successes": "20", "real_time_factor": "0.998"},
    "policy": {
        "field_of_view": "35.0 degrees, 35.0 in the training",
        "inference_ms_p50": "18.2",
        "inference_ms_p99": "25.1",
        "inference_ms_max": "40",
        "images_received": "4500",
        "hops": "7:2000,3000,9000,9500",
    },
    "camera/front": {"published": "4500", "rate_hz": "30.0", "state": "streaming", "hops": "7:1000"},
    **{
        f"codec/{side}": {"codec_ms_p50": p50, "codec_ms_p99": "3.0", "codec_ms_max": "5.0", "hops": "7:10000,12000"}
        for side, p50 in (("left", "1.1"), ("right", "1.3"))
    },
    **{
        f"driver/{side}/{part}": {
            "rate_hz": "100.0",
            "period_jitter_ms_p99": "0.7",
            "overruns": "1",
            "limited": "2",
            "held": "3",
            "refused": "0",
            "hops": "7:12500,14500,15000,15500",
            "age_after_write_ms_p50": "15.5",
            "camera_to_command_ms_p50": "25.0" if part == "arm" else "24.0",
            "camera_to_command_ms_p99": "40.0",
            "camera_to_command_ms_max": "61.5" if side == "left" else "50.0",
        }
        for side in ("left", "right")
        for part in ("arm", "hand")
    },
}


def message(content: dict[str, dict[str, str]]) -> DiagnosticArray:
    statuses = []
    for name, values in content.items():
        status = DiagnosticStatus(level=DiagnosticStatus.OK, name=name, message="fine")
        status.values = [KeyValue(key=key, value=value) for key, value in values.items()]
        statuses.append(status)
    return DiagnosticArray(status=statuses)


def received(content: dict[str, dict[str, str]]) -> dict[str, Status]:
    monitor = Monitor()
    monitor.receive(message(content))
    return monitor.snapshot()


def rates(*seconds: dict[str, dict[str, str]]) -> dict[str, float]:
    monitor = Monitor()
    for second in seconds:
        monitor.receive(message(second))
    return monitor.mean_rates()


def hops(*seconds: dict[str, dict[str, str]]) -> dict[str, dict[str, dict[str, float]]]:
    monitor = Monitor()
    for second in seconds:
        monitor.receive(message(second))
    return monitor.hop_figures()


def built(content: dict[str, dict[str, str]], died: tuple[Exit, ...] = ()) -> dict[str, object]:
    statuses = received(content)
    made = report.build(
        station.load("dual_xarm7"),
        statuses,
        report.images(statuses),
        HASHES,
        123.45,
        rates(content),
        hops(content),
        died,
    )
    return json.loads(made.text())


def test_the_report_of_a_whole_run_has_every_figure() -> None:
    content = built(RECORDED)
    assert list(content) == [
        "task", "left_hand", "right_hand", "policy_sha256", "codec_sha256", "picks", "successes", "real_time_factor",
        "latency_ms", "hops_ms", "drivers", "images", "guard", "cpu_percent",
    ]  # fmt: skip
    assert (content["task"], content["left_hand"], content["right_hand"]) == ("pick_place", "inspire", "ability")
    assert (content["picks"], content["successes"], content["real_time_factor"]) == (22, 20, 0.998)
    view = "35.0 degrees, 35.0 in the training"
    assert content["images"] == {"published": 4500, "received": 4500, "field_of_view": view}
    assert content["guard"] == {"limited": 8, "held": 12, "refused": 0}
    assert set(content["drivers"]) == {"left/arm", "left/hand", "right/arm", "right/hand"}
    assert content["drivers"]["left/arm"] == {"rate_hz": 100.0, "period_jitter_ms_p99": 0.7, "overruns": 1}


def test_of_several_parts_the_worst_latency_is_reported() -> None:
    latency = built(RECORDED)["latency_ms"]
    assert latency["camera_to_command"] == {"p50": 25.0, "p99": 40.0, "max": 61.5}
    assert latency["codec"]["p50"] == 1.3
    assert latency["inference"] == {"p50": 18.2, "p99": 25.1, "max": 40.0}


def test_the_report_has_the_hops_of_chunks_that_all_nodes_reported() -> None:
    content = built(RECORDED)
    arm = content["hops_ms"]["arm"]
    assert (arm["capture"]["mean"], arm["inference"]["mean"], arm["command_wait"]["mean"]) == (1.0, 6.0, 2.0)
    assert (arm["whole"]["mean"], arm["whole"]["count"], arm["source_to_sink"]["mean"]) == (15.5, 2, 14.0)
    assert content["latency_ms"]["image_to_write"]["p50"] == 15.5
    assert built({})["hops_ms"] == {}


def test_rates_are_means_of_the_whole_run_and_not_of_its_last_second() -> None:
    assert rates(*({"driver/left/arm": {"rate_hz": rate}} for rate in ("100", "94"))) == {"driver/left/arm": 97.0}


def test_figures_that_were_not_reported_are_null_and_not_zero() -> None:
    content = built({"policy": {"inference_ms_p50": "nan"}})
    assert content["real_time_factor"] is None
    assert content["latency_ms"]["inference"]["p50"] is None
    assert content["drivers"] == {}


def test_ended_processes_are_named_in_the_order_of_their_ends() -> None:
    died = (Exit("policy", -signal.SIGKILL), Exit("front_camera", 1))
    assert built(RECORDED, died)["died"] == [
        {"node": "policy", "cause": "was killed by SIGKILL"},
        {"node": "front_camera", "cause": "ended with exit status 1"},
    ]


def test_a_monitor_is_bounded_and_separates_new_from_old() -> None:
    monitor = Monitor()
    monitor.receive(message({f"part/{i}": {} for i in range(2 * Monitor.LIMIT)}))
    assert len(monitor.snapshot()) == Monitor.LIMIT
    assert monitor.wait_for_news(["part/0"], 0.0, 0.0)
    assert not monitor.wait_for_news(["part/0"], time.monotonic(), 0.05)


def test_a_device_lost_at_bring_up_is_in_the_report_with_its_remedy() -> None:
    lost = {**RECORDED["driver/left/arm"], "state": "stopped", "reason": "the device was lost and is back"}
    content = built({**RECORDED, "driver/left/arm": lost})
    assert content["impediments"] == [
        {
            "part": "driver/left/arm",
            "state": "stopped: the device was lost and is back",
            "remedy": "check the robot, then ./ws run bringup release",
        }
    ]


def test_a_run_without_any_command_is_no_success_and_names_who_refuses() -> None:
    idle = {name: values | {"chunks": "0"} for name, values in RECORDED.items() if name.startswith("driver/left")}
    statuses = received({**RECORDED, **idle, "policy": {"reason": "no_image"}})
    assert [str(each) for each in impediments.find(statuses)] == []
    assert [str(each) for each in impediments.find(statuses, idle=True)] == [
        f"driver/left/{part}: has not accepted any command; to do: policy refuses: no_image" for part in ("arm", "hand")
    ]


def test_a_run_in_which_all_moved_has_no_impediments() -> None:
    assert "impediments" not in built(RECORDED)


def test_the_processor_time_of_a_group_is_counted_with_its_children() -> None:
    burn = "import time; t = time.process_time() + 0.3\nwhile time.process_time() < t: pass"
    nested = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}]); sys.stdin.read()"
    child = subprocess.Popen([sys.executable, "-c", nested], stdin=subprocess.PIPE, start_new_session=True)
    meter = CpuMeter([child.pid])
    try:
        deadline = time.monotonic() + 20.0
        while cpu_seconds([child.pid]) < 0.3 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert cpu_seconds([child.pid]) >= 0.3
        assert 0.0 < meter.percent() < 400.0
    finally:
        child.communicate()
    assert cpu_seconds([child.pid]) == 0.0


def test_a_process_with_a_strange_name_does_not_confuse_the_count(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    ticks = "100 50 0 0"
    (tmp_path / "7" / "stat").write_text(f"7 (a b) c) S 1 7 7 0 -1 0 0 0 0 0 {ticks} 20 0 1 0\n")
    assert cpu_seconds([7], tmp_path) == 150 / TICKS_PER_S
