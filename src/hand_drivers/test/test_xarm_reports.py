"""The reports of an xArm's control box, in whatever pieces they come."""

from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hand_drivers.devices.xarm_reports import Report, ReportStream


def report(mode: int, state: int, size: int = 135) -> bytes:
    return (struct.pack(">I", size) + bytes([mode << 4 | state])).ljust(size, b"\0")


@given(
    reports=st.lists(st.tuples(st.integers(0, 15), st.integers(0, 15), st.integers(5, 600)), min_size=1, max_size=8),
    piece=st.integers(1, 700),
)
def test_the_newest_of_reports_in_pieces_is_found(reports, piece):
    data, stream, newest = b"".join(report(*each) for each in reports), ReportStream(), None
    for start in range(0, len(data), piece):
        newest = stream.feed(data[start : start + piece]) or newest
    assert newest == Report(*reports[-1][:2])


def test_a_part_of_a_report_is_none():
    assert ReportStream().feed(report(1, 2)[:-1]) is None


@given(st.lists(st.binary(max_size=50), max_size=10))
def test_any_bytes_are_reports_or_an_error(parts):
    stream = ReportStream()
    with contextlib.suppress(ValueError):
        for part in parts:
            found = stream.feed(part)
            assert found is None or (0 <= found.mode <= 15 and 0 <= found.state <= 15)


@pytest.mark.parametrize("length", [0, 4, 2049, 2**32 - 1])
def test_an_impossible_length_is_an_error(length):
    with pytest.raises(ValueError, match=f"found a report of {length} bytes, expected 5 to 2048"):
        ReportStream().feed(struct.pack(">I", length) + b"\x12")
