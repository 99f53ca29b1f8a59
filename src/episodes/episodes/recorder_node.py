"""The recorder: raw bytes of the configured topics into one bag an episode."""

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
from episodes.metadata import Embodiments, EpisodeError, EpisodeMetadata, parse_metadata
from episodes.recording import MIN_FREE_BYTES, Recording
from episodes.taps import Taps
from node_kit import diagnostics, log
from node_kit.lifecycle import Lifecycle
from node_kit.main import spin
from node_kit.parameters import Parameters as Schema

DISCOVERY_S = 0.2
STOP_DEADLINE_S = 3.0
Topic = Annotated[str, Field(pattern=r"^(/[A-Za-z_][A-Za-z0-9_]*)+$", max_length=255)]

NICENESS = 5  # a recording must not delay the motion it records


class RecorderParameters(BagSettings, Schema):
    """Parameters of the recorder node."""

    topics: list[Topic] = Field(min_length=1, max_length=256, description="full names of the topics to record")
    station: str = Field("", description="station file; task, robots and bases are taken from it")
    metadata: str = Field("", description="JSON of the episode's metadata, instead of a station")
    source: str = Field("policy", pattern="^(demonstration|policy|teleoperation)$", description="who moves the robots")
    autorecord: bool = Field(True, description="start a bag at activation; otherwise ~/start does")
    poll_s: float = Field(0.05, gt=0, le=0.2, description="time between two looks at the subscriptions, seconds")
    min_free_bytes: int = Field(MIN_FREE_BYTES, ge=0, description="recording ends when the disk has less left")


class RecorderNode(Lifecycle):
    """Records from activation on, or between the services `~/start` and `~/stop`; every start is a new bag."""

    Parameters = RecorderParameters

    def configure(self, parameters: RecorderParameters) -> None:
        self._settings = parameters
        self._metadata = episode_metadata(parameters)
        Path(parameters.directory).mkdir(parents=True, exist_ok=True)
        self._recording: Recording | None = None
        self._taps: Taps | None = None
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()
        self._lock = threading.Lock()  # guards _recording and _taps between the services and the polling thread
        self._trouble = ""
        self.keep(self.create_service(Trigger, "~/start", self._on_start))
        self.keep(self.create_service(Trigger, "~/stop", self._on_stop))
        self.keep(diagnostics.DiagnosticsPublisher(self, "recorder", self._report))

    def activate(self) -> None:
        self._ended.clear()
        self._trouble = ""
        self._taps = Taps(self._settings.topics, self.context)
        if self._settings.autorecord:
            self._begin()
        self._thread = threading.Thread(target=self._poll, name="recorder taps", daemon=True)
        self._thread.start()

    def deactivate(self) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join(STOP_DEADLINE_S)
        self._end()
        if self._taps is not None:
            self._taps.close()
        self._taps = self._thread = None

    def _poll(self) -> None:
        self._guarded(self._poll_until_ended)

    def _guarded(self, step: Callable[[], None]) -> None:
        try:
            step()
        except Exception as error:  # the boundary of the thread: the node reports it and still closes the bag
            self._trouble = " ".join(str(error).split()) or type(error).__name__
            log.error(self, self._trouble)

    def _poll_until_ended(self) -> None:
        due = 0.0
        last = False
        while not last:
            last = self._ended.wait(self._settings.poll_s)
            with self._lock:
                if time.monotonic() >= due:
                    self._taps.discover()
                    due = time.monotonic() + DISCOVERY_S
                self._drain()

    def _drain(self) -> None:
        """Hand over everything that has arrived; the lock is held."""
        for message in self._taps.poll():
            if self._recording is not None:
                self._recording.offer(*message)
        self._account()

    def _account(self) -> None:
        """Note what was lost since the recording began (the taps count from activation)."""
        if self._recording is not None and self._taps.lost != self._lost_before:
            self._recording.lost = self._taps.lost - self._lost_before

    def _begin(self) -> str:
        with self._lock:
            if self._recording is not None:
                return f"already recording {self._recording.path}"
            self._drain()  # what came before is not of this episode
            self._lost_before = self._taps.lost.copy()
            path = new_path(Path(self._settings.directory), self._metadata)
            self._recording = Recording(path, self._metadata, min_free_bytes=self._settings.min_free_bytes)
        return ""

    def _end(self) -> Path | None:
        with self._lock:
            if self._recording is not None:
                self._guarded(self._drain)
            recording, self._recording = self._recording, None
        if recording is None:
            return None
        recording.close()
        return recording.path

    def _on_start(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        try:
            problem = self._begin() if self.active else "the recorder is not active"
        except (EpisodeError, OSError) as error:
            problem = str(error)
        response.success = not problem
        response.message = problem or str(self._recording.path)
        return response

    def _on_stop(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        path = self._end()
        response.success = path is not None
        response.message = str(path) if path else "not recording"
        return response

    def _report(self) -> diagnostics.Report:
        recording, taps = self._recording, self._taps
        if self._trouble:
            return diagnostics.ERROR, f"failed: {self._trouble}", {}
        if recording is None or taps is None:
            return diagnostics.OK, "stopped", {}
        values = {
            "messages": recording.messages,
            "dropped": sum(recording.dropped.values()),
            "lost": sum(recording.lost.values()),
            "bytes": recording.bytes,
            "path": str(recording.path),
            "missing": " ".join(taps.missing),
        }
        return *_state(recording, taps), values


def _state(recording: Recording, taps: Taps) -> tuple[bytes, str]:
    if recording.failure:
        return diagnostics.ERROR, f"failed: {recording.failure}"
    if taps.unreadable:
        return diagnostics.WARN, f"recording without {', '.join(sorted(taps.unreadable))}: unknown message types"
    # copies: the polling thread goes on counting
    if gone := Counter(dict(recording.lost)) + Counter(dict(recording.dropped)):
        return diagnostics.WARN, "recording with losses: " + ", ".join(f"{t} {n}" for t, n in sorted(gone.items()))
    return diagnostics.OK, "recording"


def episode_metadata(parameters: RecorderParameters) -> EpisodeMetadata:
    """What the bags will say about themselves. Raises EpisodeError or FileError of one line."""
    if parameters.metadata:
        return parse_metadata(parameters.metadata, "parameter 'metadata'")
    if not parameters.station:
        raise EpisodeError("", "parameter 'station'", None, "a station file (or 'metadata')")
    return station_metadata(load_station(parameters.station), parameters.source)


def station_metadata(station: Station, source: str = "policy") -> EpisodeMetadata:
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
    """A folder that does not exist yet, named by time, task and hands."""
    hands = "-".join(parts.hand for _, parts in sorted(metadata.embodiments.items()))
    about = re.sub(r"[^A-Za-z0-9_.-]+", "_", f"{metadata.task}_{hands}")[:100]  # a task is free text
    stem = f"{now or datetime.now():%Y%m%d-%H%M%S}_{about}"
    tries = (directory / (stem if i == 0 else f"{stem}_{i}") for i in range(1000))
    return next(path for path in tries if not path.exists())


def main() -> int:
    """Entry point."""
    os.nice(NICENESS)
    return spin(RecorderNode, "recorder")


if __name__ == "__main__":
    raise SystemExit(main())
