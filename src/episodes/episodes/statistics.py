"""Figures of a recorded bag by topic: rates, gaps, ages, losses."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from episodes import clock, messages
from episodes.bag import EpisodeReader, Topic
from episodes.metadata import LOSSES_KEY, Losses, parse_losses
from episodes.storage import CDR

MISSED = 1.5  # multiple of the median interval from which messages count as missing


@dataclass(frozen=True)
class TopicFigures:
    """Figures of one topic, times in s; None if unknown.

    Intervals are between acquisition stamps, or between receptions if messages have none.

    Attributes:
        topic: Name.
        msgtype: Type of the messages.
        count: Number of messages.
        rate_hz: Mean rate.
        max_gap_s: Longest interval.
        gap_at_s: Start of the longest interval after the bag's first message.
        holes: Number of messages missing in an otherwise regular stream.
        age_p50_s: Median age, from acquisition to reception.
        age_p99_s: 99th percentile of the age.
        age_max_s: Largest age.
        disordered: Number of stamps older than the previous one.
        lost: Messages lost in transport, as counted by the recorder.
        dropped: Messages dropped by the recorder.
        serialization: How its messages are serialized.
        clock: Where times of reception or stamps go back because a clock was set; "" for nowhere.
    """

    topic: str
    msgtype: str
    count: int
    rate_hz: float | None
    max_gap_s: float | None
    gap_at_s: float | None
    holes: int | None
    age_p50_s: float | None
    age_p99_s: float | None
    age_max_s: float | None
    disordered: int | None
    lost: int | None
    dropped: int | None
    serialization: str = CDR
    clock: str = ""


def figures(reader: EpisodeReader) -> list[TopicFigures]:
    """Figures of every topic of an open bag, sorted by name.

    Raises:
        EpisodeError: If the bag is damaged.
    """
    received: dict[str, list[int]] = {topic: [] for topic in reader.topics}
    stamped: dict[str, list[int]] = {topic: [] for topic in reader.topics}
    for record in reader.records(as_written=True):
        received[record.topic].append(record.log_ns)
        if record.serialization == CDR and has_header(record.msgtype):
            stamped[record.topic].append(messages.header_stamp_ns(record.raw))
    start = reader.span_ns[0]
    known = losses(reader)
    return [
        _figures(topic, reader.topics[topic], received[topic], stamped[topic], start, known)
        for topic in sorted(reader.topics)
    ]


def has_header(msgtype: str) -> bool:
    """Whether messages of a type begin with a header; False for types that are not standard ones."""
    fields = messages.typestore().fielddefs.get(msgtype)
    if fields is None:
        return False
    members = fields[1]
    return bool(members) and members[0][0] == "header"


def losses(reader: EpisodeReader) -> Losses | None:
    """Losses that the recorder counted; None for bags of other writers."""
    text = reader.custom.get(LOSSES_KEY)
    if text is None:
        return None
    found = parse_losses(text, str(reader.path / "metadata.yaml"))
    counts = ({reader.name(topic): count for topic, count in kind.items()} for kind in (found.dropped, found.lost))
    return Losses(**dict(zip(("dropped", "lost"), counts, strict=True)))


def as_json(found: list[TopicFigures]) -> list[dict[str, Any]]:
    """The figures as values for JSON."""
    return [asdict(each) for each in found]


def _figures(
    topic: str, about: Topic, received: list[int], stamped: list[int], start: int, known: Losses | None
) -> TopicFigures:
    log, stamps = np.array(received, dtype=np.int64), np.array(stamped, dtype=np.int64)
    age = (log - stamps) * 1e-9 if len(stamps) else np.zeros(0)
    gap, gap_at, rate, holes = _intervals(np.sort(stamps if len(stamps) else log), start)
    jump = clock.jump(log) or (clock.stamp_jump(log, stamps) if len(stamps) else None)
    return TopicFigures(
        topic=topic,
        msgtype=about.msgtype,
        count=len(log),
        rate_hz=rate,
        max_gap_s=gap,
        gap_at_s=gap_at,
        holes=holes,
        age_p50_s=float(np.percentile(age, 50)) if len(age) else None,
        age_p99_s=float(np.percentile(age, 99)) if len(age) else None,
        age_max_s=float(age.max()) if len(age) else None,
        disordered=int((np.diff(stamps) < 0).sum()) if len(stamps) else None,
        lost=known.lost.get(topic, 0) if known else None,
        dropped=known.dropped.get(topic, 0) if known else None,
        serialization=about.serialization,
        clock=str(jump or ""),
    )


def _intervals(times: np.ndarray, start: int) -> tuple[float | None, float | None, float | None, int | None]:
    """Widest interval and its place (s), rate (Hz) and missing messages of ascending `times` (K,) ns."""
    if len(times) < 3:
        return None, None, None, None
    intervals = np.diff(times) * 1e-9
    widest, median = int(np.argmax(intervals)), float(np.median(intervals))
    rate = (len(times) - 1) / float(intervals.sum()) if intervals.sum() > 0 else None
    if median <= 0:
        return float(intervals[widest]), (int(times[widest]) - start) * 1e-9, rate, None
    missed = np.round(intervals[intervals > MISSED * median] / median) - 1
    return float(intervals[widest]), (int(times[widest]) - start) * 1e-9, rate, int(missed.sum())
