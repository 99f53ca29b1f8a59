"""The way of a chunk: notes of all nodes, joined by stamp."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.hops import CAMERA, CODEC, DRIVER, HOPS, KEY, MOST_NOTES, POLICY, SOURCE_TO_SINK, HopLog, HopTable

STAMP_NS, US = 1_764_445_346_123_456_789, 1000
NODES = {"camera/front": CAMERA, "policy": POLICY, "codec/left": CODEC, "driver/left/arm": DRIVER}
durations = st.lists(st.integers(0, 50_000), min_size=len(HOPS), max_size=len(HOPS))


def reports(durations_us, stamp_ns=STAMP_NS) -> dict[str, str]:
    """What each node says of one chunk whose hops took so long."""
    texts, now_ns, hops = {}, stamp_ns, iter(durations_us)
    for node, ends in NODES.items():
        times_ns = []
        for _ in ends:
            now_ns += next(hops) * US
            times_ns.append(now_ns)
        log = HopLog(ends)
        log.add(stamp_ns, *times_ns)
        texts[node] = log.values()[KEY]
    return texts


def joined(texts: dict[str, str], order=tuple(NODES)) -> HopTable:
    table = HopTable()
    for node in order:
        table.receive(node, texts[node])
    return table


def took(table: HopTable, hop: str, part: str = "arm") -> float:
    return table.traces[part][hop].summary()["mean"]


@given(durations, st.permutations(list(NODES)))
def test_hops_of_a_chunk_add_up_to_the_whole_in_any_order_of_reports(durations_us, order):
    table = joined(reports(durations_us), order)
    for hop, us in zip(HOPS, durations_us, strict=True):
        assert took(table, hop) == pytest.approx(us / US)
    assert took(table, "whole") == pytest.approx(sum(durations_us) / US)
    assert took(table, "source_to_sink") == pytest.approx(
        took(table, "whole") - (durations_us[0] + durations_us[-1]) / US
    )


def test_a_chunk_counts_once_a_driver_and_only_when_all_nodes_told():
    texts = reports(range(len(HOPS)))
    table = joined(texts, [node for node in NODES if node != "policy"])
    assert table.traces["arm"]["whole"].summary()["count"] == 0
    for _ in range(2):
        table.receive("policy", texts["policy"])
    assert table.traces["arm"]["whole"].summary()["count"] == 1
    table.receive("driver/left/hand", texts["driver/left/arm"])
    assert table.traces["hand"]["whole"].summary()["count"] == 1


def test_a_side_does_not_count_with_the_codec_of_the_other():
    texts = reports(range(len(HOPS)))
    texts["driver/right/arm"] = texts.pop("driver/left/arm")
    assert joined(texts, texts).traces["arm"]["whole"].summary()["count"] == 0


@pytest.mark.parametrize("text", ["", "x:1", "1:", "1:1,2", "1:1,2,3,x", "::", "5"])
def test_notes_that_cannot_be_read_are_left_out(text):
    table = HopTable()
    table.receive("driver/left/arm", text)
    table.receive("someone/else", text)
    assert not table._ages


def test_a_note_is_given_out_once_and_their_number_is_bounded():
    log = HopLog(CAMERA)
    for count in range(MOST_NOTES + 5):
        log.add(count, count)
    assert len(log.values()[KEY].split()) == MOST_NOTES
    assert log.values()[KEY] == ""


def test_stamps_that_nobody_completes_are_forgotten():
    table = HopTable()
    for stamp in range(2 * HopTable.MOST_STAMPS):
        table.receive("camera/front", f"{stamp}:5")
    assert len(table._ages) == HopTable.MOST_STAMPS


def test_source_to_sink_leaves_out_capture_and_write():
    assert (HOPS[0], *SOURCE_TO_SINK, HOPS[-1]) == HOPS
