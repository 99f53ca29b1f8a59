"""The codec's loop: what it refuses, where inverse kinematics starts, and that only stamps decide."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import embodiments
from contracts.axes import latent_axes
from contracts.chunk import Chunk
from contracts.transforms import pose
from latent_codec.loop import CodecLoop, CodecSettings, Gate, Seed, State
from latent_codec.side import SideCodec

NOW = 1_700_000_000_000_000_000
MS = 1_000_000
GATE = Gate("crosshand@0123456789ab", latent_axes(16), CodecSettings(max_chunk_age_s=0.5, max_state_age_s=0.2))


def check(frame_id=GATE.latent_space, status="ok", age_ms=20) -> str:
    return GATE.chunk(frame_id, status, NOW - age_ms * MS, NOW)


def states(arm_ms=5, hand_ms=5):
    ages = {"arm": arm_ms, "hand": hand_ms}
    return {name: State(NOW - age * MS, np.zeros(1)) for name, age in ages.items() if age is not None}


def test_a_fresh_chunk_of_this_space_passes():
    assert check() == ""


@pytest.mark.parametrize("frame_id", ["", "crosshand@000000000000", "world"])
def test_a_chunk_of_another_latent_space_is_refused(frame_id):
    assert check(frame_id=frame_id).startswith("wrong_latent_space: found ")


@pytest.mark.parametrize("status", ["not_finite", "wrong_shape", "not_ascending"])
def test_a_chunk_that_cannot_be_read_is_refused_with_the_reader_s_reason(status):
    assert check(status=status) == status


def test_other_axes_are_refused():
    assert check(status="wrong_names").startswith("wrong_axes: expected wrist.x .. z15")


def test_an_old_chunk_is_refused():
    assert check(age_ms=501).startswith("chunk_stale: found 0.501 s, expected at most 0.5 s")


def test_a_chunk_from_the_future_is_refused():
    assert check(age_ms=-51).startswith("chunk_from_the_future")


def test_without_joint_states_nothing_is_decoded():
    assert GATE.states({}, NOW) == "arm_joint_states_missing"
    assert GATE.states(states(hand_ms=None), NOW) == "hand_joint_states_missing"


def test_old_joint_states_of_either_part_are_refused():
    assert GATE.states(states(), NOW) == ""
    assert GATE.states(states(arm_ms=201), NOW).startswith("arm_joint_states_stale")
    assert GATE.states(states(hand_ms=201), NOW).startswith("hand_joint_states_stale")


PATH = np.arange(16)[:, None] * np.full(7, 0.02)


def test_the_seed_is_the_measurement_while_there_is_no_solution():
    assert np.array_equal(Seed().at(NOW, np.ones(7)), np.ones(7))


def test_the_seed_continues_the_previous_solution_at_the_new_time():
    seed = Seed()
    seed.remember(Chunk(NOW, 0.1 * np.arange(1, 17), PATH))
    np.testing.assert_allclose(seed.at(NOW + 300 * MS, PATH[2] + 0.05), PATH[2])


def test_a_solution_far_from_the_arm_or_past_is_discarded():
    seed = Seed()
    seed.remember(Chunk(NOW, 0.1 * np.arange(1, 17), PATH))
    far = PATH[2] + 0.6
    assert np.array_equal(seed.at(NOW + 300 * MS, far), far)
    assert np.array_equal(seed.at(NOW + 1700 * MS, PATH[2]), PATH[2])
    seed.clear()
    assert np.array_equal(seed.at(NOW + 300 * MS, PATH[3]), PATH[3])


ARM = np.array([0.1, -0.2, 0.05, 1.2, 0.1, 1.3, -0.1])
PERIOD_MS = 20  # of joint states


@pytest.fixture(scope="module")
def side(codec) -> SideCodec:
    arm, hand = embodiments.load("xarm7", "left"), embodiments.load("inspire", "left")
    return SideCodec(codec, arm, hand, pose((0, 0.4, 0)))


def joint_states(side: SideCodec, count: int = 12) -> list[tuple[str, int, np.ndarray]]:
    """Of an arm and a hand that move, the hand's 3 ms before the arm's: part, stamp, positions; up to NOW."""
    found = []
    for index in range(count):
        stamp, share = NOW - (count - 1 - index) * PERIOD_MS * MS, index / count
        postures = side.hand.postures
        hand = (1 - share) * postures["open"] + share * postures["grasp"]
        found += [("hand", stamp - 3 * MS, hand), ("arm", stamp, ARM + 0.1 * share)]
    return found


def chunk_of(side: SideCodec, stamp_ns: int, points: int = 6) -> Chunk:
    """A latent action that moves the wrist a little."""
    latents = np.repeat(side.latent_state(ARM, side.hand.postures["pregrasp"])[None], points, axis=0)
    latents[:, 2] += 0.005 * np.arange(points)
    return Chunk(stamp_ns, 0.03 + 0.1 * np.arange(points), latents)


def loop_with(side: SideCodec, states: list[tuple[str, int, np.ndarray]]) -> CodecLoop:
    loop = CodecLoop(side)
    for state in states:
        loop.observe(*state)
    return loop


def test_a_chunk_becomes_commands_of_its_stamp_and_times(side):
    chunk = chunk_of(side, NOW - 30 * MS)
    commands, reason = loop_with(side, joint_states(side)).decode(chunk, side.codec.latent_space, NOW)
    assert reason == "" and list(commands) == ["arm", "hand"]
    for part, command in commands.items():
        assert command.stamp_ns == chunk.stamp_ns and np.array_equal(command.times_s, chunk.times_s)
        assert command.points.shape == (6, len(getattr(side, part).joints))


def test_the_latent_state_has_the_older_stamp_and_is_given_once(side):
    loop = loop_with(side, joint_states(side))
    state = loop.latent_state(NOW)
    *_, (_, hand_ns, hand), (_, arm_ns, arm) = joint_states(side)
    assert hand_ns < arm_ns and state.stamp_ns == hand_ns
    assert np.array_equal(state.position, side.latent_state(arm, hand))
    assert loop.latent_state(NOW) is None


def test_a_late_call_gives_the_same_latent_state_as_an_early_one(side):
    states = joint_states(side)
    early = loop_with(side, states).latent_state(NOW)
    late = loop_with(side, [*states, ("arm", NOW + 20 * MS, ARM)]).latent_state(NOW)
    assert late.stamp_ns == early.stamp_ns and np.array_equal(late.position, early.position)


def test_no_latent_state_while_an_earlier_joint_state_may_have_been_missed(side):
    (_, hand_ns, hand), (_, arm_ns, arm) = joint_states(side)[-2:]
    loop = loop_with(side, [("hand", hand_ns, hand), ("arm", arm_ns, arm)])
    assert hand_ns < arm_ns and loop.latent_state(NOW) is None
    loop.observe("hand", hand_ns + PERIOD_MS * MS, hand)
    assert loop.latent_state(NOW).stamp_ns == arm_ns


def test_states_after_a_clock_was_set_back_replace_those_before(side):
    loop = loop_with(side, joint_states(side))
    for part, stamp, position in joint_states(side)[-4:]:
        loop.observe(part, stamp - 10_000 * MS, position)
    state = loop.latent_state(NOW - 10_000 * MS)
    assert state.stamp_ns == NOW - 10_003 * MS


def test_a_chunk_seen_before_all_joint_states_is_refused(side):
    loop = loop_with(side, joint_states(side, count=2))
    commands, reason = loop.decode(chunk_of(side, NOW - 60 * MS), side.codec.latent_space, NOW)
    assert commands == {} and reason.startswith("arm_joint_states_missing")


def test_every_chunk_is_counted_as_decoded_or_refused(side):
    loop, space = loop_with(side, joint_states(side)), side.codec.latent_space
    loop.decode(chunk_of(side, NOW - 30 * MS), "other@000000000000", NOW)
    loop.decode(chunk_of(side, NOW - 900 * MS), space, NOW)
    loop.decode(chunk_of(side, NOW - 30 * MS), space, NOW, "not_finite")
    loop.refuse("arm_joint_states_wrong_names")
    assert loop.counts.refused == {
        "wrong_latent_space": 1,
        "chunk_stale": 1,
        "not_finite": 1,
        "arm_joint_states_wrong_names": 1,
    }
    loop.ignore()
    assert loop.counts.reason == "arm_joint_states_wrong_names"
    loop.decode(chunk_of(side, NOW - 30 * MS), space, NOW)
    counts = loop.counts
    assert (counts.received, counts.decoded, counts.chunks_refused, counts.reason) == (5, 1, 4, "")


def test_a_refused_chunk_leaves_the_seed_of_the_next_as_it_was(side):
    states, space = joint_states(side), side.codec.latent_space
    first, second = chunk_of(side, NOW - 130 * MS), chunk_of(side, NOW - 30 * MS)
    away = Chunk(NOW - 80 * MS, first.times_s, first.points + np.eye(1, first.points.shape[1]) * 3.0)
    plain, disturbed = loop_with(side, states), loop_with(side, states)
    for loop in (plain, disturbed):
        loop.decode(first, space, NOW)
    assert disturbed.decode(away, space, NOW)[1].startswith("wrist_unreachable")
    wanted, found = (loop.decode(second, space, NOW)[0] for loop in (plain, disturbed))
    assert all(np.array_equal(wanted[part].points, found[part].points) for part in wanted)


@given(order=st.randoms(use_true_random=False), looks=st.lists(st.integers(0, 40), max_size=8))
@settings(max_examples=30)
def test_commands_are_the_same_whatever_the_order_of_calls(side, order, looks):
    """Arm, hand and chunks keep their own order; a chunk comes after the states up to its stamp."""
    states, space = joint_states(side), side.codec.latent_space
    chunks = [chunk_of(side, NOW - 60 * MS), chunk_of(side, NOW - 20 * MS)]
    calm = loop_with(side, states)
    wanted = [calm.decode(chunk, space, NOW)[0] for chunk in chunks]
    loop, found = CodecLoop(side), []
    queues = [[s for s in states if s[0] == part] for part in ("arm", "hand")] + [list(chunks)]
    for call in range(len(states) + len(chunks)):
        ready = [queue for queue in queues[:2] if queue]
        due = queues[2] and all(not queue or queue[0][1] > queues[2][0].stamp_ns for queue in queues[:2])
        queue = order.choice(ready + [queues[2]] * bool(due)) if ready or due else []
        if call in looks:
            loop.latent_state(NOW)
        if queue:
            item = queue.pop(0)
            if isinstance(item, Chunk):
                found.append(loop.decode(item, space, NOW)[0])
            else:
                loop.observe(*item)
    values = lambda commands: [{part: c.points.tolist() for part, c in parts.items()} for parts in commands]  # noqa: E731
    assert len(found) == 2 and values(found) == values(wanted)
