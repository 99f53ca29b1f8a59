"""What the fault matrix is judged by: rest, motion and peaks of recorded joints; and a row of it, for real."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from system_tests.faults import motion
from system_tests.faults.catalogue import groups
from system_tests.faults.judge import OUTSIDE, Row
from system_tests.faults.matrix import chosen, main, part, verdict

REST = np.array([0.05, 0.05])


def track(speeds, period_s: float = 0.01) -> motion.Track:
    """Two joints, the second at rest, the first at these speeds."""
    speeds = np.asarray(speeds, float)
    return motion.Track(np.arange(len(speeds)) * period_s, np.stack([speeds, 0 * speeds], axis=1), REST)


def braking(start_s: float, stop_s: float, end_s: float = 2.0) -> motion.Track:
    """At 1 rad/s until `start_s`, then evenly slower until it stands at `stop_s`."""
    times = np.arange(0.0, end_s, 0.01)
    return track(np.clip((stop_s - times) / (stop_s - start_s), 0.0, 1.0))


@given(st.floats(0.1, 0.5), st.floats(0.05, 0.5), st.floats(0.0, 0.1))
def test_standstill_is_when_the_last_joint_came_to_rest(start, takes, since):
    found = motion.standstill_s(braking(start, start + takes), since)
    assert found == pytest.approx(start + takes - since - 0.05 * takes, abs=0.011)


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=200))
def test_standstill_holds_for_its_time_wherever_it_is_found(speeds):
    recorded = track(speeds)
    found = motion.standstill_s(recorded, 0.0)
    if found is not None:
        assert not recorded.part(found - 1e-9, found + 0.1).moving.any()


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=200), st.floats(0.0, 1.0))
def test_after_a_standstill_nothing_moves_for_the_required_time(speeds, within):
    recorded = track(speeds)
    found = motion.rest_s(recorded, 0.0, within)
    if found is not None:
        assert not recorded.part(found - 1e-9, found + 0.1).moving.any()
        assert not motion.moved_after(recorded, found, within)


def test_a_pause_before_the_stop_arrives_is_no_rest():
    speeds = np.zeros(200)
    speeds[15:30] = 1.0  # stopped immediately, then moved for .15 s
    assert motion.rest_s(track(speeds), 0.0, 0.4) == pytest.approx(0.3, abs=0.021)
    assert motion.rest_s(track(speeds), 0.0, 0.1) == 0.0 and motion.moved_after(track(speeds), 0.0)
    speeds[15:] = 1.0
    assert motion.rest_s(track(speeds), 0.0, 0.4) is None


def test_a_joint_that_never_rests_has_no_standstill():
    assert motion.standstill_s(track(np.ones(100)), 0.0) is None
    assert motion.standstill_s(track([]), 0.0) is None


def test_the_last_joint_to_rest_is_named():
    times = np.arange(0.0, 1.0, 0.01)
    speeds = np.stack([1.0 * (times < 0.3), 0.2 * (times < 0.5)], axis=1)
    recorded = motion.Track(times, speeds, REST)
    found = motion.standstill_s(recorded, 0.1)
    assert motion.last_to_rest(recorded, 0.1 + found) == 1
    assert motion.last_to_rest(recorded, 0.2) == 0  # the fastest of those that move
    assert motion.last_to_rest(track(np.zeros(10)), 0.1) is None


def test_renewed_motion_is_found_and_a_tremor_is_not():
    still, shiver, again = np.zeros(100), np.zeros(100), np.zeros(100)
    shiver[50:53], again[50:60] = 1.0, 1.0
    moved = [motion.moved_after(track(speeds), 0.2) for speeds in (still, shiver, again)]
    assert moved == [False, False, True]
    assert not motion.moved_after(track(again), 0.65)


def test_a_jump_is_motion_however_short_it_is():
    times = np.arange(0.0, 1.0, 0.005)
    targets, joints = np.zeros((2, len(times), 2))
    targets[100:, 0] = 0.25
    assert motion.moved_after(motion.commanded(times, joints, targets, REST), 0.1)
    assert not motion.moved_after(motion.commanded(times, joints, 0.4 * targets, REST), 0.1)
    gap = (times < 0.4) | (times > 0.6)  # no sample was taken when it happened
    assert motion.moved_after(motion.commanded(times[gap], joints[gap], targets[gap], REST), 0.1)


def test_a_target_that_returns_to_a_blocked_joint_is_no_motion():
    times = np.arange(0.0, 1.0, 0.005)
    targets, joints = np.zeros((2, len(times), 2))
    targets[:100, 0], targets[100:, 0] = 0.9, 0.1
    assert not motion.moved_after(motion.commanded(times, joints, targets, REST), 0.1)
    assert motion.moved_after(motion.commanded(times, joints + 0.5, targets, REST), 0.1)  # it passes the joint


@given(st.floats(0.11, 1.0), st.floats(0.0, 0.5))
def test_a_finger_kept_from_its_target_by_an_object_is_held_off(gap, rest_s):
    times, lag_s, least = np.arange(0.0, 1.0, 0.005), np.array([0.07, 0.07]), np.array([0.1, 0.1])
    errors = np.stack([np.full(times.size, gap), gap * np.exp(-np.maximum(times - rest_s, 0.0) / 0.07)], axis=1)
    assert motion.held_off(times, errors, rest_s, lag_s, least).tolist() == [True, False]
    recorded = times < rest_s + 0.1  # too soon to say
    assert not motion.held_off(times[recorded], errors[recorded], rest_s, lag_s, least).any()


def test_the_motion_of_a_finger_that_is_held_off_is_left_out():
    moving = track(np.ones(10))
    assert motion.without(moving, np.array([False, True])).moving.all()
    assert not motion.without(moving, np.array([True, False])).moving.any()


def test_a_motion_that_does_not_start_where_the_joint_was_is_found():
    times = np.arange(0.0, 1.0, 0.005)
    targets = np.zeros((len(times), 2))
    targets[:, 1] = 2.0 * np.maximum(times - 0.3, 0.0)
    assert not motion.starts_with_jump(motion.commanded(times, 0 * targets, targets, REST))
    late = targets + [[0.25, 0.0]] * (times > 0.6)[:, None]
    assert motion.starts_with_jump(motion.commanded(times, 0 * late, late, REST))
    assert not motion.starts_with_jump(motion.commanded(times[:1], 0 * late[:1], late[:1], REST))


@given(st.floats(0.1, 3.0), st.floats(1.0, 20.0))
def test_peaks_are_those_of_the_motion(speed, acceleration):
    times = np.arange(0.0, 3.0, 0.005)
    speeds = np.minimum(times * acceleration, speed)
    recorded = motion.Track(times, np.stack([speeds, -speeds / 2], axis=1), REST)
    assert motion.peak_velocity(recorded, 0.0) == pytest.approx([speeds.max(), speeds.max() / 2])
    if speed / acceleration > 2 * motion.SMOOTH_S:
        assert motion.peak_acceleration(recorded, 0.0) == pytest.approx([acceleration, acceleration / 2], rel=0.02)


def test_speeds_right_after_a_stall_of_the_world_are_left_out():
    times = np.arange(0.0, 2.0, 0.005)
    speeds = np.sin(times) + 1.0
    stalled = (times >= 0.5) & (times < 0.6)
    speeds[stalled] = speeds[np.flatnonzero(stalled)[0]]
    speeds[(times >= 0.6) & (times < 0.7)] += 9.0
    recorded = motion.Track(times, np.stack([speeds, speeds], axis=1), REST)
    kept = motion.without_stalls(recorded)
    assert motion.peak_velocity(recorded, 0.0).max() > 10.0
    assert motion.peak_velocity(kept, 0.0).max() == pytest.approx(2.0, abs=0.01)
    settling = (times >= 0.6) & (times < 0.6 + motion.SETTLE_S)
    assert set(times[~settling]) <= set(kept.times_s)


def test_a_joint_that_a_contact_kicks_is_not_driven():
    velocities = np.array([[0.0], [18.1], [25.7], [2.0], [2.0]])
    efforts = np.array([[0.001], [0.001], [-0.6], [0.3], [0.3]])  # a sample's effort is that before its step
    assert motion.driven(velocities, efforts)[:, 0].tolist() == [0.0, 0.0, 0.0, 2.0, 2.0]
    assert motion.driven(velocities[:0], efforts[:0]).shape == (0, 1)


def test_a_stall_of_20_ms_is_one():
    """Targets move on meanwhile: at 2.2 rad/s by .05 rad, and servos drove a joint to 1.8 of the permitted speed."""
    times = np.arange(0.0, 1.0, 0.005)
    speeds = 1.0 + np.arange(len(times)) * 1e-3
    speeds[100:105] = speeds[100]
    recorded = motion.Track(times, speeds[:, None], REST[:1])
    kept = motion.without_stalls(recorded).times_s
    assert not ((kept > times[104]) & (kept <= times[105] + motion.SETTLE_S)).any()
    assert (kept <= times[104]).sum() == 105


def test_without_a_stall_every_speed_is_kept():
    times = np.arange(0.0, 2.0, 0.005)
    recorded = motion.Track(times, np.stack([np.sin(times), np.cos(times)], axis=1), REST)
    assert np.array_equal(motion.without_stalls(recorded).times_s, times)
    none = motion.Track(times[:0], recorded.velocities[:0], REST)
    assert not motion.without_stalls(none).times_s.size


@given(st.floats(0.1, 3.0), st.floats(0.0, 1.0))
def test_a_joint_may_catch_up_with_a_target_that_is_ahead(fastest, behind):
    """A servo of time constant .1 s, whose joint was kept from its target and then freed."""
    times, lag_s = np.arange(0.0, 1.0, 0.005), 0.1
    errors = behind * np.exp(-times / lag_s)[:, None]
    limits, lags = np.array([fastest]), np.array([lag_s])
    assert motion.excess(errors / lag_s, errors, limits, lags).max() <= 1.0 + 1e-9
    too_fast = motion.excess(errors / lag_s + 1.5 * fastest, errors, limits, lags)
    assert too_fast[-1] >= 1.5 - 1e-9


def test_commands_that_come_in_steps_move_until_the_last_one():
    times = np.arange(0.0, 1.0, 0.005)
    steps = np.minimum(np.floor(times / 0.01), 30) * 0.01  # 1 rad/s in steps of 10 ms, until .3 s
    targets = np.stack([steps, 0 * steps], axis=1)
    found = motion.standstill_s(motion.commanded(times, 0.9 * targets, targets, REST), 0.05)
    assert found == pytest.approx(0.25, abs=0.02)


def test_every_fault_of_the_matrix_has_a_name_of_its_own():
    names = [fault.name for group in groups() for fault in group.faults]
    assert len(names) == len(set(names)) > 60


def test_a_part_of_the_matrix_keeps_the_graph_it_needs():
    (group,) = chosen(groups(), lambda fault: fault.name == "policy killed")
    assert [fault.name for fault in group.faults] == ["policy killed"] and group.arguments
    assert list(chosen(groups(), lambda fault: False)) == []


def row(fault: str, observed: str = "", stall_ms: float | None = 0.0, resumed: bool = False) -> Row:
    """A row that passed, or that failed with what was observed."""
    return Row(fault, "", observed, resumed=resumed, passed=not observed, scheduler_stall_ms=stall_ms)


def test_a_row_is_not_judged_during_a_scheduler_stall():
    passed = [row("a", stall_ms=300.0), row("b"), row("c")]
    late, cut = row("late", "commands stopped late", 150.0), row("cut", "broke off", 90.0)
    assert verdict([*passed, late, cut], 100.0) == (["cut"], ["late"])
    assert verdict([*passed, late, cut], float("inf")) == (["late", "cut"], [])
    assert verdict([*passed, row("unknown", "broke off", None)], 100.0) == (["unknown"], [])


def test_rows_that_protect_people_are_judged_despite_stalls():
    passed = [row("a"), row("b"), row("c")]
    wild, again = row("wild", f"2 {OUTSIDE}", 900.0), row("again", "moved again without a reset", 900.0, resumed=True)
    assert verdict([*passed, wild, again], 100.0) == (["wild", "again"], [])


def test_a_machine_on_which_most_rows_fail_proves_nothing():
    late = [row(name, "late", 900.0) for name in "abc"]
    assert verdict([row("d"), *late], 100.0) == ([], ["a", "b", "c"])
    assert verdict([row("d"), *late, row("e", "late", 900.0)], 100.0) == (["a", "b", "c", "e"], [])


def test_three_thirds_of_the_matrix_are_all_of_it():
    thirds = [[fault.name for group in part(groups(), first, 3) for fault in group.faults] for first in (1, 2, 3)]
    everything = [fault.name for group in groups() for fault in group.faults]
    assert sorted(name for third in thirds for name in third) == sorted(everything)
    assert max(map(len, thirds)) - min(map(len, thirds)) <= 1


@pytest.mark.parametrize("text", ["4/3", "0/3", "1", "a/b"])
def test_a_part_that_is_none_is_refused(text, capsys):
    assert main(["--part", text]) == 2
    assert f"found {text!r}, expected N/M" in capsys.readouterr().err


def test_rows_without_their_library_are_left_out_and_reported(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("device_emulators.addresses.find_spec", lambda name: None)
    file = tmp_path / "faults.json"
    assert main(["--only", "dex3", "--json", str(file)]) == 1  # no row passed
    report = json.loads(file.read_text())
    assert report["rows"] == [] and report["left_out"]["dex3 is silent"] == ["cyclonedds", "unitree_sdk2py"]
    assert "left out: dex3 is silent: cyclonedds and unitree_sdk2py not installed" in capsys.readouterr().out


@pytest.mark.system
def test_a_frozen_policy_stops_the_robots_which_then_resume(free_port, tmp_path):
    pytest.importorskip("xarm")
    pytest.importorskip("rh56_sdk")
    file = tmp_path / "faults.json"
    limits = ["--limit", "10.0"]  # for hanging: the bench judges how soon
    assert main(["--only", "policy frozen", *limits, "--json", str(file), f"port:={free_port}"]) == 0
    (row,) = json.loads(file.read_text())["rows"]
    assert "command timeout" in row["observed"]
    assert row["passed"] and not row["resumed"]
