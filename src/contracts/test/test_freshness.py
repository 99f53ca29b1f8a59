"""Ages that may be acted on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.freshness import LEAD_S, Freshness, freshness, refusal

MS = 1_000_000
NOW = 1_700_000_000_000 * MS


@pytest.mark.parametrize(
    ("age_ms", "expected"),
    [
        (0, Freshness.FRESH),
        (200, Freshness.FRESH),
        (201, Freshness.STALE),
        (-50, Freshness.FRESH),
        (-51, Freshness.FROM_FUTURE),
    ],
)
def test_an_age_between_lead_and_maximum_is_fresh(age_ms, expected):
    assert freshness(NOW - age_ms * MS, NOW, 0.2) is expected


@given(st.integers(-(10**12), 10**12), st.floats(0.001, 10), st.floats(0, 1))
def test_exactly_the_ages_in_the_interval_are_fresh(age_ns, max_age_s, lead_s):
    fresh = freshness(NOW - age_ns, NOW, max_age_s, lead_s) is Freshness.FRESH
    assert fresh == (-lead_s * 1e9 <= age_ns <= max_age_s * 1e9)


def test_a_refusal_names_what_was_found_and_expected():
    assert refusal("chunk", NOW - 501 * MS, NOW, 0.5) == "chunk_stale: found 0.501 s, expected at most 0.5 s"
    ahead = refusal("chunk", NOW + 51 * MS, NOW, 0.5)
    assert ahead == f"chunk_from_the_future: found -0.051 s, expected at least {-LEAD_S:g} s"
    assert refusal("chunk", NOW, NOW, 0.5) == ""
