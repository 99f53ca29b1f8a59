"""No input crashes a parser or a node; and the fuzzer detects one that crashes."""

from __future__ import annotations

import itertools
import json
from random import Random

import numpy as np
import pytest

from hand_drivers.guard import MotionLimits, MotionState, guard
from system_tests.fuzz import bench, parsing
from system_tests.fuzz.frames import DAMAGES, Frames, in_pieces
from system_tests.fuzz.outcome import ACCEPTED, Outcome, Wrong
from system_tests.fuzz.parsing import Connection, Target
from system_tests.fuzz.watch import Watch

FRAMES, MESSAGES = 400, 150
SEED = 1


@pytest.mark.parametrize("name", sorted(bench.frame_jobs()))
def test_damaged_frames_are_refused_or_read_right_and_crash_nothing(name):
    found = bench.frame_jobs()[name](FRAMES, SEED)
    if found.skipped:
        pytest.skip(found.note)
    assert found.ok, found.failures
    assert found.accepted + sum(found.refused.values()) == found.frames


@pytest.mark.graph
@pytest.mark.parametrize("name", bench.message_jobs())
def test_random_messages_are_refused_or_executed_within_all_limits(name):
    found = bench.message_jobs()[name](MESSAGES, SEED)
    assert found.ok, found.failures
    assert found.frames >= MESSAGES and found.accepted and found.refused


def parser(feed, state=None, finish=lambda: None) -> Target:
    """A parser of frames that begin with a U."""
    return Target("parser", lambda rng: b"U" + rng.randbytes(9), lambda: Connection(feed, state, finish))


def read_a_length(data: bytes) -> str:
    """Accepts every value unchecked, as faulty parsers do."""
    if data[:1] == b"U" and len(data) > 2:
        data[data[1]]
        return ACCEPTED
    return "no frame"


def test_a_parser_that_crashes_is_caught_with_the_frames_that_did_it():
    found = parsing.fuzz(parser(read_a_length), 2000, SEED)
    assert found.failed and not found.ok
    assert "crash: IndexError" in found.failures[0]
    frames = [bytes.fromhex(word) for word in found.failures[0].split(" after ")[1].split()]
    with pytest.raises(IndexError):
        [read_a_length(frame) for frame in frames]


def test_a_parser_that_does_not_end_is_interrupted(monkeypatch):
    monkeypatch.setattr(parsing, "HANG_S", 0.1)

    def spin(data: bytes) -> str:
        for _ in itertools.count():
            if data != data[:]:
                break
        return ACCEPTED

    found = parsing.fuzz(parser(spin), 1, SEED)
    assert found.failed and "hang: no end in 0.1 s" in found.failures[0]


def test_a_parser_that_keeps_all_its_input_is_caught():
    received: dict[str, bytearray] = {"buffer": bytearray()}

    def hoard(data: bytes) -> str:
        received["buffer"] += data * 50
        return "no frame"

    found = parsing.fuzz(parser(hoard, received), 2000, SEED)
    assert found.failed and "wrong: keeps" in found.failures[0]


def test_a_parser_that_reads_values_not_sent_is_caught():
    def finish() -> None:
        raise Wrong("read something else")

    found = parsing.fuzz(parser(lambda data: ACCEPTED, finish=finish), 10, SEED)
    assert found.failed == 1 and "read something else" in found.failures[0]


def test_the_same_seed_gives_the_same_frames():
    def supply() -> Frames:
        return Frames.of(Random("7"), lambda rng: rng.randbytes(12), lambda data: data + b"!")

    frames, again = supply(), supply()
    received = [frames.next() for _ in range(3000)]
    assert received == [again.next() for _ in range(3000)]
    assert any(frame in frames.seeds for frame in received) and any(frame.endswith(b"!") for frame in received)
    whole, other = bytes(range(12)), bytes(range(100, 112))
    for damage in DAMAGES:
        assert any(damage(Random(number), whole, other) != whole for number in range(20)), damage.__name__


def test_a_stream_comes_whole_in_whatever_pieces():
    data = bytes(range(40))
    cut = [in_pieces(Random(number), data) for number in range(300)]
    assert all(b"".join(pieces) == data for pieces in cut)
    assert {len(pieces) for pieces in cut} >= {1, 2, 3, 40}


LIMITS = MotionLimits(np.full(2, -1.0), np.full(2, 1.0), np.full(2, 2.0), np.full(2, 10.0))
DT = 0.01


def guarded(watch: Watch, steps: int, target: float, state: MotionState) -> MotionState:
    for _ in range(steps):
        state, _ = guard(np.full(2, target), state, LIMITS, DT)
        watch.command(state.position)
    return state


def test_what_the_guard_lets_through_is_within_limits_as_seen_from_outside():
    watch = Watch(LIMITS, DT, lambda: 0)
    watch.start(np.zeros(2))
    state = guarded(watch, 100, 5.0, MotionState.at_rest(np.zeros(2)))
    guarded(watch, 200, -5.0, state)
    assert not watch.found and watch.peaks() == "100% of velocity, 100% of acceleration"


@pytest.mark.parametrize(
    ("step", "broken"), [(0.0011, "acceleration"), (0.021, "velocity"), (1.1, "position"), (np.nan, "position")]
)
def test_a_command_beyond_a_limit_is_noticed(step, broken):
    watch = Watch(LIMITS, DT, lambda: 0)
    watch.start(np.zeros(2))
    watch.command(np.array([0.0, step]))
    with pytest.raises(Wrong, match=broken):
        watch.settle()


def test_a_reset_permits_to_begin_at_what_was_measured_and_nowhere_else():
    for begin, allowed in ((0.5, True), (0.6, False)):
        watch = Watch(LIMITS, DT, lambda: 0)
        watch.start(np.zeros(2))
        watch.reading(np.full(2, 0.5))
        watch.permit(1)
        guarded(watch, 50, 1.0, MotionState.at_rest(np.full(2, begin)))
        assert (not watch.found) is allowed


@pytest.mark.parametrize(("gap_s", "allowed"), [(0.06, True), (0.02, False)])
def test_a_gap_permits_to_begin_at_rest_at_the_last_command(gap_s, allowed):
    now_ns = [0]
    watch = Watch(LIMITS, DT, lambda: now_ns[0])
    watch.start(np.zeros(2))
    state = guarded(watch, 50, 1.0, MotionState.at_rest(np.zeros(2)))
    now_ns[0] += round(1e9 * gap_s)
    guarded(watch, 50, 1.0, MotionState.at_rest(state.position))
    assert (not watch.found) is allowed


def test_the_command_prints_a_row_a_target_and_writes_the_same_figures(tmp_path, capsys):
    file = tmp_path / "out" / "fuzz.json"
    assert bench.main(["--frames", "50", "--messages", "50", "--only", "simulation targets", "--json", str(file)]) == 0
    found = json.loads(file.read_text())
    assert [one["name"] for one in found["targets"]] == ["simulation targets"] and not found["callbacks"]
    assert found["targets"][0]["frames"] == 50 and found["targets"][0]["ok"]
    assert "simulation targets" in capsys.readouterr().out


def test_the_command_fails_when_a_check_fails(monkeypatch, capsys):
    failed = Outcome("parser", frames=1)
    failed.fail("crash: IndexError after 55ff00")
    monkeypatch.setattr(bench, "frame_jobs", lambda: {"parser": lambda frames, seed: failed})
    assert bench.main(["--only", "parser"]) == 1
    assert "55ff00" in capsys.readouterr().out


def test_an_unknown_target_is_refused_in_one_line(capsys):
    assert bench.main(["--only", "toaster"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
