"""Recording without ROS: a bounded queue, and a thread that compresses and writes."""

from __future__ import annotations

import shutil
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rosbags.interfaces import Qos

from episodes.bag import EpisodeWriter
from episodes.metadata import LOSSES_KEY, EpisodeMetadata, Losses
from episodes.storage import MIN_FREE_BYTES

QUEUE_BYTES = 64 << 20  # 9 s of 320x240 images at 30 Hz
WAIT_S = 0.5
FLUSH_S = 2.0  # at most so much is lost when the recorder is killed
_ITEM_BYTES = 256  # memory of a queued message beside its bytes


@dataclass(frozen=True)
class _Item:
    topic: str
    msgtype: str
    log_ns: int
    raw: bytes
    qos: Sequence[Qos]

    @property
    def cost(self) -> int:
        return len(self.raw) + _ITEM_BYTES


class Recording:
    """A bag that is being written. `offer` does not block: messages beyond the queue's limit are dropped and counted.

    A full disk or another failure of writing ends the recording and sets `failure`; the bag is closed as it is. The
    counts of `dropped` and `lost` messages by topic are written into the bag.

    Args:
        path: Folder of the bag.
        metadata: What the episode is.
        queue_bytes: Limit of the queue, including the messages that are being written.
        min_free_bytes: Free disk space at which the recording ends.
        on_failure: Called once with the failure, by the thread that writes.

    Attributes:
        failure: Why the recording ended, "" while it runs.
        dropped: Messages that the queue had no place for.
        lost: Messages lost in transport, set by the caller.
    """

    def __init__(
        self,
        path: Path,
        metadata: EpisodeMetadata,
        *,
        queue_bytes: int = QUEUE_BYTES,
        min_free_bytes: int = MIN_FREE_BYTES,
        on_failure: Callable[[str], None] = lambda failure: None,
    ) -> None:
        self.path = path
        self.failure: str = ""
        self.dropped: Counter[str] = Counter()
        self.lost: Counter[str] = Counter()
        self._writer = EpisodeWriter(path, metadata)
        self._queue: deque[_Item] = deque()
        self._queued = 0
        self._limit, self._min_free, self._on_failure = queue_bytes, min_free_bytes, on_failure
        self._condition = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="bag writer", daemon=True)
        self._thread.start()

    @property
    def messages(self) -> int:
        """Messages written so far."""
        return sum(self._writer.counts.values())

    @property
    def bytes(self) -> int:
        """Bytes of the messages written so far, before compression."""
        return self._writer.bytes

    def offer(self, topic: str, msgtype: str, log_ns: int, raw: bytes, qos: Sequence[Qos] = ()) -> bool:
        """Queue one serialized message; False, and counted, if the queue is full or the recording has ended."""
        with self._condition:
            item = _Item(topic, msgtype, log_ns, raw, qos)
            if self._closing or self.failure or self._queued + item.cost > self._limit:
                self.dropped[topic] += 1
                return False
            self._queue.append(item)
            self._queued += item.cost
            self._condition.notify()
        return True

    def close(self) -> None:
        """Write what is queued, close the bag and wait for it."""
        with self._condition:
            self._closing = True
            self._condition.notify()
        self._thread.join()

    def _run(self) -> None:
        due = time.monotonic() + FLUSH_S
        try:
            while self._wait():
                if self._queue:
                    self._check_space()
                    self._write_all()
                if time.monotonic() >= due:
                    self._writer.flush()
                    due = time.monotonic() + FLUSH_S
        except Exception as error:  # ends the recording; the node reports it
            self._fail(error)
        self._finish()

    def _wait(self) -> bool:
        """Wait a while for a message; False when closing and the queue is empty."""
        with self._condition:
            if not self._queue and not self._closing:
                self._condition.wait(WAIT_S)
            return bool(self._queue) or not self._closing

    def _write_all(self) -> None:
        """Write what is queued now. A message leaves the queue, and its limit, when it is in the bag."""
        for _ in range(len(self._queue)):
            self._write(self._queue[0])
            with self._condition:
                self._queued -= self._queue.popleft().cost

    def _write(self, item: _Item) -> None:
        if item.topic not in self._writer.counts:
            self._writer.add_topic(item.topic, item.msgtype, item.qos)
        self._writer.write(item.topic, item.msgtype, item.log_ns, item.raw)

    def _check_space(self) -> None:
        free = shutil.disk_usage(self.path).free
        if free < self._min_free:
            raise OSError(f"{self.path}: {free >> 20} MiB free on the disk, expected {self._min_free >> 20} or more")

    def _finish(self) -> None:
        losses = Losses(dropped=dict(self.dropped), lost=dict(self.lost))
        try:
            self._writer.notes[LOSSES_KEY] = losses.model_dump_json()
            self._writer.close()
        except Exception as error:  # a bag that cannot be closed must not end the node
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        with self._condition:
            is_first = not self.failure
            self.failure = self.failure or " ".join(str(error).split()) or type(error).__name__
            for item in self._queue:
                self.dropped[item.topic] += 1
            self._queue.clear()
        if is_first:
            self._on_failure(self.failure)
