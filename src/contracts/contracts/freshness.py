"""Freshness: whether something is young enough to act on. Policy, codec and driver all decide it here.

Times are int nanoseconds on one axis; stamps are those of the observation.
"""

from __future__ import annotations

from enum import Enum

from contracts.chunk import SECOND

# How far in the future a stamp may lie. Clocks of machines that NTP keeps together differ by a few ms, over a wireless
# network by a few tens; a stamp further ahead comes from a clock whose ages mean nothing. What is accepted that early
# is followed this much longer than its maximum age, so the lead has to be small beside the command timeout, .2 s.
LEAD_S = 0.05


class Freshness(str, Enum):
    """Whether an age lies within [-lead, maximum age]."""

    FRESH = "fresh"
    STALE = "stale"
    FROM_FUTURE = "from_future"

    def __str__(self) -> str:
        return self.value


def freshness(stamp_ns: int, now_ns: int, max_age_s: float, lead_s: float = LEAD_S) -> Freshness:
    """Whether the age of what has the stamp `stamp_ns` lies within [-lead_s, max_age_s] at `now_ns`."""
    age_ns = now_ns - stamp_ns
    if age_ns > max_age_s * SECOND:
        return Freshness.STALE
    return Freshness.FROM_FUTURE if age_ns < -lead_s * SECOND else Freshness.FRESH


def refusal(what: str, stamp_ns: int, now_ns: int, max_age_s: float) -> str:
    """Why `what` is not fresh, as `what_stale: found ..., expected ...`; empty if it is fresh."""
    status, age_s = freshness(stamp_ns, now_ns, max_age_s), (now_ns - stamp_ns) / SECOND
    if status is Freshness.STALE:
        return f"{what}_stale: found {age_s:.3f} s, expected at most {max_age_s:g} s"
    if status is Freshness.FROM_FUTURE:
        return f"{what}_from_the_future: found {age_s:.3f} s, expected at least {-LEAD_S:g} s"
    return ""
