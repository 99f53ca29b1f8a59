"""What is available at a frame: the newest value not newer than its stamp, never an invented one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from episodes import messages, streams
from episodes.bag import Record
from episodes.metadata import EpisodeError
from episodes.sampling import Limits, choose_frames, trim

MS = 1_000_000
NAMES = ("a", "b")
instants = st.lists(st.integers(-1000, 1000), min_size=1, max_size=40, unique=True).map(sorted)


def state_records(stamps, names=NAMES, values=None) -> list[Record]:
    values = [[stamp, -stamp] for stamp in stamps] if values is None else values
    made = [messages.joint_state(s + 2000, names, np.array(v)) for s, v in zip(stamps, values, strict=True)]
    return [record("/s", messages.JOINT_STATE, index, message) for index, message in enumerate(made)]


def chunk_record(log_ns: int, stamp_ns: int, times, points, names=NAMES) -> Record:
    message = messages.trajectory(stamp_ns, names, times, np.asarray(points, dtype=float))
    return record("/c", messages.TRAJECTORY, log_ns, message)


def record(topic: str, msgtype: str, log_ns: int, message: object) -> Record:
    return Record(topic, msgtype, log_ns, bytes(messages.typestore().serialize_cdr(message, msgtype)))


@given(stamps=instants, frames=instants, order=st.randoms())
def test_the_state_at_a_frame_is_the_newest_not_newer_than_it(stamps, frames, order):
    shuffled = order.sample(stamps, len(stamps))  # the order of arrival decides nothing
    stream = streams.state_stream("/s", state_records(shuffled))
    values, ages = stream.sample(np.array(frames) + 2000)
    for at, value, age in zip(frames, values, ages, strict=True):
        known = [stamp for stamp in stamps if stamp <= at]
        if known:
            assert value.tolist() == [max(known), -max(known)]
            assert age == pytest.approx((at - max(known)) * 1e-9)
        else:
            assert np.isnan(value).all()
            assert age == np.inf


@given(arrivals=instants, frames=instants)
def test_the_command_at_a_frame_is_of_the_newest_chunk_received_by_then(arrivals, frames):
    records = [chunk_record(at + 2000, 0, [0.0], [[at, at]]) for at in arrivals]
    values, ages = streams.command_stream("/c", records, NAMES).sample(np.array(frames) + 2000)
    for at, value, age in zip(frames, values, ages, strict=True):
        known = [arrival for arrival in arrivals if arrival <= at]
        assert value.tolist() == [max(known)] * 2 if known else (np.isnan(value).all() and age == np.inf)


def test_a_live_chunk_is_interpolated_from_the_stamp_of_its_observation():
    chunk = chunk_record(50 * MS, 0, [0.1, 0.2, 0.3], [[1.0, 10.0], [2.0, 30.0], [4.0, 40.0]])
    stream = streams.command_stream("/c", [chunk], NAMES)
    values, _ = stream.sample(np.array([40, 50, 100, 150, 250, 300, 900]) * MS)
    assert np.isnan(values[0]).all(), "not received yet"
    assert values[1:, 0] == pytest.approx([1.0, 1.0, 1.5, 3.0, 4.0, 4.0])
    assert values[1:, 1] == pytest.approx([10.0, 10.0, 20.0, 35.0, 40.0, 40.0])


def test_a_chunk_received_during_another_one_replaces_it_immediately():
    old = chunk_record(0, 0, [0.1, 0.3], [[0.0, 0.0], [2.0, 2.0]])
    new = chunk_record(200 * MS, 100 * MS, [0.1, 0.3], [[10.0, 10.0], [12.0, 12.0]])
    values, ages = streams.command_stream("/c", [old, new], NAMES).sample(np.array([199, 200, 300]) * MS)
    assert values[:, 0] == pytest.approx([0.99, 10.0, 11.0])
    assert ages == pytest.approx([0.199, 0.0, 0.1])


def test_a_first_point_still_ahead_is_approached_from_the_target_in_force():
    old = chunk_record(0, 0, [0.0, 0.4], [[0.0, 0.0], [4.0, 8.0]])
    new = chunk_record(200 * MS, 180 * MS, [0.12, 0.22], [[5.0, 5.0], [6.0, 6.0]])
    last = chunk_record(250 * MS, 240 * MS, [0.11], [[0.0, 0.0]])
    values, _ = streams.command_stream("/c", [old, new, last], NAMES).sample(np.array([200, 225, 300, 350]) * MS)
    assert values == pytest.approx(np.array([[2.0, 4.0], [2.75, 4.25], [1.75, 2.25], [0.0, 0.0]]))


def test_command_columns_follow_the_order_of_the_state():
    chunk = chunk_record(0, 0, [0.0], [[1.0, 2.0]], names=("b", "a"))
    values, _ = streams.command_stream("/c", [chunk], NAMES).sample(np.array([0]))
    assert values.tolist() == [[2.0, 1.0]]


@pytest.mark.parametrize(
    ("times", "points", "names", "reason"),
    [
        ([0.2, 0.1], [[0, 0], [1, 1]], NAMES, "do not ascend"),
        ([0.1], [[np.nan, 0]], NAMES, "not finite"),
        ([], np.zeros((0, 2)), NAMES, "points: found none"),
        ([0.1], [[0, 0]], ("a", "c"), "joints a, c, expected a, b"),
        ([0.1], [[0, 0]], ("a", "a"), "named twice"),
    ],
)
def test_unfit_commands_are_refused_by_name(times, points, names, reason):
    with pytest.raises(EpisodeError, match=f"^/c: .*{reason}"):
        streams.command_stream("/c", [chunk_record(0, 0, times, points, names)], NAMES)


@pytest.mark.parametrize(
    ("records", "reason"),
    [
        (state_records([1, 2], values=[[0, 0], [0, np.inf]]), "not finite"),
        (state_records([1]) + state_records([2], names=("b", "a")), "change"),
        (state_records([1], names=("a", "a")), "named twice"),
    ],
)
def test_unfit_states_are_refused_by_name(records, reason):
    with pytest.raises(EpisodeError, match=f"^/s: .*{reason}"):
        streams.state_stream("/s", records)


def test_a_camera_at_the_sampling_rate_gives_every_frame():
    stamps = np.arange(20) * 100 * MS + np.arange(20) % 3 * MS
    assert choose_frames("/cam", stamps, 0.1).tolist() == list(range(20))


@given(phase=st.integers(0, 32), jitter=st.lists(st.integers(-4, 4), min_size=61, max_size=61))
def test_of_a_faster_camera_the_frames_nearest_to_the_instants_are_taken(phase, jitter):
    stamps = (np.arange(61) * 100 // 3 + np.array(jitter) + phase) * MS
    chosen = stamps[choose_frames("/cam", stamps, 0.1)]
    assert np.abs(chosen - chosen[0] - np.arange(len(chosen)) * 100 * MS).max() <= 21 * MS
    assert (np.diff(chosen) > 0).all()


def test_a_pause_of_the_camera_is_refused_with_its_place():
    stamps = np.delete(np.arange(20) * 100 * MS, [7, 8])
    with pytest.raises(EpisodeError, match=r"^/cam: found a gap of 0\.300 s 0\.60 s after the first frame"):
        choose_frames("/cam", stamps, 0.1)


def test_a_slow_camera_and_a_doubled_stamp_are_refused():
    with pytest.raises(EpisodeError, match=r"^/cam: found 7\.1 frames/s, expected at least 10\.0"):
        choose_frames("/cam", np.arange(20) * 140 * MS, 0.1)
    with pytest.raises(EpisodeError, match="same stamp"):
        choose_frames("/cam", np.array([0, 100, 100, 200]) * MS, 0.1)


@given(good=st.lists(st.booleans(), min_size=3, max_size=30))
def test_only_the_ends_are_cut(good):
    steps = np.arange(len(good)) * 100 * MS
    ages = {"/s": np.where(good, 0.01, np.inf), "/c": np.zeros(len(good))}
    limits = dict.fromkeys(ages, Limits().state_age_s)
    inside = "".join("x" if each else "." for each in good).strip(".")
    if not inside or "." in inside:
        with pytest.raises(EpisodeError, match=r"^/s: "):
            trim(steps, ages, limits, 30.0)
    else:
        kept = trim(steps, ages, limits, 30.0)
        assert kept == slice(good.index(True), good.index(True) + len(inside))
