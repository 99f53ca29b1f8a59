"""Accounts for every chunk from the nodes' counts: each is executed or refused with a reason, and none is lost."""

from __future__ import annotations

from collections.abc import Mapping

from bringup.monitor import Status
from system_tests.load.checks import Check

PARTS = ("arm", "hand")
STANDING = ("holding", "tracking")  # states of a driver that is not stopped


def chunks(statuses: Mapping[str, Status]) -> list[Check]:
    """Check the counts of every side, from the policy to both drivers, at a time without messages in transport.

    The policy sends each chunk to every side, and the codec each decoded one to both drivers. A chunk that was
    superseded in a receiver's queue is counted there.
    """
    sent, checks = _count(statuses, "policy", "chunks"), []
    for side in sorted(name.partition("/")[2] for name in statuses if name.startswith("codec/")):
        codec = f"codec/{side}"
        received, decoded = _count(statuses, codec, "received"), _count(statuses, codec, "chunks")
        refused = _count(statuses, codec, "chunks_refused")
        dropped = _count(statuses, codec, "dropped")
        checks.append(_balance(f"policy to {codec}", sent, {"received": received, "dropped": dropped}))
        checks.append(_balance(codec, received, {"decoded": decoded, "refused": refused}))
        for part in PARTS:
            driver = f"driver/{side}/{part}"
            names = {"accepted": "chunks", "refused": "refused", "dropped": "dropped"}
            counts = {name: _count(statuses, driver, key) for name, key in names.items()}
            checks.append(_balance(f"{codec} to {driver}", decoded, counts))
    return checks or [Check("chunks", "no codec has reported", "one a side", False)]


def drivers(statuses: Mapping[str, Status]) -> list[Check]:
    """Check the state of every driver."""
    found = [status for name, status in sorted(statuses.items()) if name.startswith("driver/")]
    checks = [Check(f"{s.name}: state", _state(s), "holding or tracking", s.message in STANDING) for s in found]
    return checks or [Check("drivers", "none has reported", "all", False)]


def _state(status: Status) -> str:
    reason = status.values.get("reason", "")
    return f"{status.message}: {reason}" if reason else status.message


def _balance(what: str, given: int | None, taken: Mapping[str, int | None]) -> Check:
    """Check that all `given` chunks are in the counts of `taken`; without any chunk, the check fails."""
    known = [count for count in taken.values() if count is not None]
    if given is None or len(known) < len(taken):
        return Check(what, "not reported", "all chunks", False)
    lost = given - sum(known)
    words = [f"{count} {name}" for name, count in taken.items()] + ([f"{lost} lost"] if lost else [])
    return Check(what, f"{given}: {', '.join(words)}", "all chunks", lost == 0 and given > 0)


def _count(statuses: Mapping[str, Status], name: str, key: str) -> int | None:
    number = statuses[name].number(key) if name in statuses else None
    return None if number is None else int(number)
