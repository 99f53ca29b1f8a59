"""Modbus TCP: each response is matched to its request, however late the others are."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hand_drivers.devices.modbus_tcp import OFFSETS, ModbusError, Transactions


def answer(request: bytes, offset: int, body: bytes) -> bytes:
    """The response of a hand whose transaction ids are off."""
    number, _, _, unit = struct.unpack_from(">HHHB", request)
    return struct.pack(">HHHB", (number + offset) % 65536, 0, len(body) + 1, unit) + body


@given(
    offset=st.sampled_from(OFFSETS),
    delays=st.lists(st.integers(0, 3), min_size=1, max_size=40),
    cut=st.integers(1, 9),
)
def test_no_late_response_is_taken_for_that_to_a_later_request(offset, delays, cut):
    """A response comes with the request so many after its own; the first in time, as the ids are learned from it."""
    transactions, wire = Transactions(1), {}
    for number, delay in enumerate([0, *delays]):
        mine = struct.pack(">BI", 3, number)
        wire.setdefault(number + delay, []).append(answer(transactions.request(b"\x03"), offset, mine))
        received, found = b"".join(wire.pop(number, [])), None
        for start in range(0, len(received), cut):
            found = transactions.response(received[start : start + cut]) or found
        assert found == (mine if delay == 0 else None)


@given(st.lists(st.binary(max_size=20), max_size=10))
def test_any_bytes_are_a_response_none_or_an_error_of_the_protocol(parts):
    transactions = Transactions(1)
    transactions.request(b"\x03")
    for part in parts:
        try:
            transactions.response(part)
        except ModbusError:
            return


def test_responses_are_matched_across_the_wrap_of_the_ids():
    transactions = Transactions(1)
    for _ in range(65537):
        request = transactions.request(b"\x03")
        assert transactions.response(answer(request, 1, b"\x03\x00")) == b"\x03\x00"


@pytest.mark.parametrize("head", [b"\0\1\0\1\0\3\1\3\0", b"\0\1\0\0\xff\xff\1\3\0", b"\0\1\0\0\0\3\2\3\0"])
def test_another_protocol_length_or_unit_is_an_error(head):
    transactions = Transactions(1)
    transactions.request(b"\x03")
    with pytest.raises(ModbusError, match="expected the head of a response"):
        transactions.response(head)
