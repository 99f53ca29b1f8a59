"""What the codec node refuses, and where inverse kinematics starts."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from contracts.axes import latent_axes
from latent_codec.gate import Gate, Seed

NOW = 1_700_000_000_000_000_000
MS = 1_000_000
GATE = Gate("crosshand@0123456789ab", latent_axes(16), max_chunk_age_s=0.5, max_state_age_s=0.2)


def check(frame_id=GATE.latent_space, status="ok", age_ms=20) -> str:
    return GATE.chunk(frame_id, status, NOW - age_ms * MS, NOW)


def states(arm_ms=5, hand_ms=5):
    ages = {"arm": arm_ms, "hand": hand_ms}
    return {name: SimpleNamespace(stamp_ns=NOW - age * MS) for name, age in ages.items() if age is not None}


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
    seed.remember(NOW, 0.1 * np.arange(1, 17), PATH)
    np.testing.assert_allclose(seed.at(NOW + 300 * MS, PATH[2] + 0.05), PATH[2])


def test_a_solution_far_from_the_arm_or_past_is_forgotten():
    seed = Seed()
    seed.remember(NOW, 0.1 * np.arange(1, 17), PATH)
    far = PATH[2] + 0.6
    assert np.array_equal(seed.at(NOW + 300 * MS, far), far)
    assert np.array_equal(seed.at(NOW + 1700 * MS, PATH[2]), PATH[2])
    seed.clear()
    assert np.array_equal(seed.at(NOW + 300 * MS, PATH[3]), PATH[3])
