"""The recorder node: writes the serialized messages of topics into one bag per episode."""

from __future__ import annotations

import os
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated

from pydantic import Field
from std_srvs.srv import Trigger

from contracts.station import BagSettings, Station, load_station
from episodes.metadata import Embodiments, EpisodeError, EpisodeMetadata, Source, parse_metadata
from episodes.raw_subscriptions import RawSubscriptions
from episodes.recording import MIN_FREE_BYTES, Recording
from node_kit import diagnostics, log
from node_kit.emergency_stop import EmergencyStop
from node_kit.lifecycle import Lifecycle
from node_kit.main import spin
from node_kit.parameters import Parameters as Schema

DISCOVERY_S = 0.2
LISTENING_S = 2.0  # longest wait of an activation until everything that is published arrives
QUIET_S = 0.25  # everything arrives where no other topic begins to for so long: what moves robots has 50 Hz and more
STOP_DEADLINE_S = 3.0
Topic = Annotated[str, Field(pattern=r"^/?[A-Za-z_][A-Za-z0-9_]*(/[A-Za-z_][A-Za-z0-9_]*)*$", max_length=255)]

NICENESS = 5  # a recording must not delay the motion it records


class RecorderParameters(BagSettings, Schema):
    """Parameters of the recorder node."""

    topics: list[Topic] = Field(
        min_length=1, max_length=256, description="topics to record, those without a leading slash in the namespace"
    )
    station: str = Field(default="", description="station file, which gives task, robots and bases")
    metadata: str = Field(default="", description="metadata of the episode as JSON, instead of a station")
    source: Source = Field(default="policy", description="what commands the robots")
    autorecord: bool = Field(default=True, description="start a bag at activation; otherwise ~/start does")
    poll_s: float = Field(default=0.05, gt=0, le=0.2, description="period at which the subscriptions are polled, s")
    min_free_bytes: int = Field(default=MIN_FREE_BYTES, ge=0, description="free disk space at which recording ends")


class RecorderNode(Lifecycle):
    """Records from activation on, or between the services `~/start` and `~/stop`; every start is a new bag.

    It is active once it receives what is published: a graph that activates its policy later is recorded from its first
    decision on, however long the middleware takes to connect.

    Attributes:
        incomplete: Whether a recording failed since the start of the process.
    """

    Parameters = RecorderParameters
    incomplete = False

    def configure(self, parameters: RecorderParameters) -> None:
        """Read the metadata, and create the folder and the services."""
        self._settings = parameters
        namespace = self.get_namespace().strip("/")
        self._metadata = episode_metadata(parameters).model_copy(update={"namespace": namespace})
        Path(parameters.directory).mkdir(parents=True, exist_ok=True)
        self._recording: Recording | None = None
        self._inputs: RawSubscriptions | None = None
        self._thread: threading.Thread | None = None
        self._ended, self._listening = threading.Event(), threading.Event()
        self._lock = threading.Lock()  # guards _recording and _inputs between the services and the polling thread
        self._fault = ""
        # It subscribes to /estop, so a short-lived publisher may have discovered this node alone: it repeats the stop.
        self.keep(EmergencyStop(self))
        self.keep(self.create_service(Trigger, "~/start", self._on_start))
        self.keep(self.create_service(Trigger, "~/stop", self._on_stop))
        self.keep(diagnostics.DiagnosticsPublisher(self, "recorder", self._report))

    def activate(self) -> None:
        """Start polling, and with `autorecord` a bag; wait until what is published arrives."""
        self._ended.clear()
        self._listening.clear()
        self._fault = ""
        topics = [self.resolve_topic_name(topic) for topic in self._settings.topics]
        self._inputs = subscriptions = RawSubscriptions(topics, self.context)
        if self._settings.autorecord:
            self._begin(subscriptions)
        self._thread = threading.Thread(target=self._poll, args=(subscriptions,), name="recorder poll", daemon=True)
        self._thread.start()
        if not self._listening.wait(LISTENING_S):
            self._listening.set()  # from now on it searches for what is missing at its usual pace

    def deactivate(self) -> None:
        """Stop polling, and close the bag."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(STOP_DEADLINE_S)
        self._end()
        if self._inputs is not None:
            self._inputs.close()
        self._inputs = self._thread = None

    def _poll(self, subscriptions: RawSubscriptions) -> None:
        self._guarded(lambda: self._poll_until_ended(subscriptions))

    def _guarded(self, step: Callable[[], None]) -> None:
        try:
            step()
        except Exception as error:  # ends the thread; the node reports it and still closes the bag
            self._fault = " ".join(str(error).split()) or type(error).__name__
            self._on_failure(self._fault)

    def _on_failure(self, failure: str) -> None:
        """Log that a recording failed; the exit status says it, too."""
        self.incomplete = True
        log.error(self, f"recording failed: {failure}; the bag ends there: make room or remove the cause, record again")

    def _poll_until_ended(self, subscriptions: RawSubscriptions) -> None:
        due, changed, received = 0.0, time.monotonic(), 0
        last = False
        while not last:
            last = self._ended.wait(self._settings.poll_s)
            now = time.monotonic()
            with self._lock:
                if now >= due:
                    subscriptions.discover()
                    due = now + (DISCOVERY_S if self._listening.is_set() else 0.0)
                self._drain(subscriptions)
                if subscriptions.topics_received != received or not subscriptions.connected:
                    received, changed = subscriptions.topics_received, now
                elif now - changed > QUIET_S:
                    self._listening.set()

    def _drain(self, subscriptions: RawSubscriptions) -> None:
        """Record all received messages, and the losses since the start of the recording; the lock is held."""
        for message in subscriptions.poll():
            if self._recording is not None:
                self._recording.offer(*message)
        if self._recording is not None and subscriptions.lost != self._lost_before:
            self._recording.lost = subscriptions.lost - self._lost_before

    def _begin(self, subscriptions: RawSubscriptions) -> str:
        """Start a bag; returns why not, "" if it was started."""
        with self._lock:
            if self._recording is not None and not self._recording.failure:
                return f"already recording {self._recording.path}"
            self._drain(subscriptions)  # earlier messages are not of this episode
            self._lost_before = subscriptions.lost.copy()
            path = new_path(Path(self._settings.directory), self._metadata)
            self._recording = Recording(
                path,
                self._metadata,
                min_free_bytes=self._settings.min_free_bytes,
                on_failure=lambda failure: self._on_failure(_named(path, failure)),
            )
        return ""

    def _end(self) -> Recording | None:
        """Close the bag; returns what was recorded, None if nothing was."""
        with self._lock:
            if self._recording is not None and (subscriptions := self._inputs) is not None:
                self._guarded(lambda: self._drain(subscriptions))
            recording, self._recording = self._recording, None
        if recording is not None:
            recording.close()
        return recording

    def _on_start(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        try:
            found = self._inputs if self.active else None
            problem = "the recorder is not active" if found is None else self._fault or self._begin(found)
        except (EpisodeError, OSError) as error:
            problem = str(error)
        response.success = not problem
        response.message = problem or str(self._recording and self._recording.path)
        return response

    def _on_stop(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        recording = self._end()
        failure = "" if recording is None else recording.failure or self._fault
        response.success = recording is not None and not failure
        response.message = "not recording" if recording is None else _named(recording.path, failure)
        return response

    def _report(self) -> diagnostics.Report:
        recording, subscriptions = self._recording, self._inputs
        if self._fault:
            return diagnostics.ERROR, f"failed: {self._fault}", {}
        if recording is None or subscriptions is None:
            return diagnostics.OK, "stopped", {}
        values = {
            "messages": recording.messages,
            "dropped": sum(recording.dropped.values()),
            "lost": sum(recording.lost.values()),
            "bytes": recording.bytes,
            "path": str(recording.path),
            "missing": " ".join(subscriptions.missing),
        }
        return *_state(recording, subscriptions), values


def _named(path: Path, failure: str) -> str:
    """The path of a bag, and why its recording failed, if it did."""
    if not failure:
        return str(path)
    return failure if str(path) in failure else f"{path}: {failure}"


def _state(recording: Recording, subscriptions: RawSubscriptions) -> tuple[bytes, str]:
    if recording.failure:
        return diagnostics.ERROR, f"failed: {recording.failure}"
    if subscriptions.unreadable:
        missing = ", ".join(sorted(subscriptions.unreadable))
        return diagnostics.WARN, f"recording without {missing}: unknown message types"
    # of copies, as the polling thread goes on counting
    if gone := Counter(dict(recording.lost)) + Counter(dict(recording.dropped)):
        return diagnostics.WARN, "recording with losses: " + ", ".join(f"{t} {n}" for t, n in sorted(gone.items()))
    return diagnostics.OK, "recording"


def episode_metadata(parameters: RecorderParameters) -> EpisodeMetadata:
    """Metadata for the bags.

    Raises:
        FileError: If there is none, or it is invalid, in one line.
    """
    if parameters.metadata:
        return parse_metadata(parameters.metadata, "parameter 'metadata'")
    if not parameters.station:
        raise EpisodeError("", "parameter 'station'", None, "a station file (or 'metadata')")
    return station_metadata(load_station(parameters.station), parameters.source)


def station_metadata(station: Station, source: Source = "policy") -> EpisodeMetadata:
    """The metadata of episodes recorded at a station."""
    sides = station.sides.items()
    return EpisodeMetadata(
        task=station.task,
        embodiments={s: Embodiments(arm=side.arm.embodiment, hand=side.hand.embodiment) for s, side in sides},
        bases={s: side.base.matrix().tolist() for s, side in sides},
        source=source,
        station=station.name,
    )


def new_path(directory: Path, metadata: EpisodeMetadata, now: datetime | None = None) -> Path:
    """A folder that does not exist, named by time, task and hands."""
    hands = "-".join(parts.hand for _, parts in sorted(metadata.embodiments.items()))
    about = re.sub(r"[^A-Za-z0-9_.-]+", "_", f"{metadata.task}_{hands}")[:100]  # a task is free text
    stem = f"{now or datetime.now():%Y%m%d-%H%M%S}_{about}"
    tries = (directory / (stem if i == 0 else f"{stem}_{i}") for i in range(1000))
    return next(path for path in tries if not path.exists())


def main() -> int:
    """Entry point; the exit status is 1 also where a recording failed."""
    os.nice(NICENESS)
    nodes: list[RecorderNode] = []

    def make(name: str) -> RecorderNode:
        nodes.append(RecorderNode(name))
        return nodes[-1]

    return spin(make, "recorder") or int(any(node.incomplete for node in nodes))


if __name__ == "__main__":
    raise SystemExit(main())
