"""The simulated camera as a `camera_node` source: it looks at the world's board and renders in its own process."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from camera_node.source import Frame, SourceError, parse_options
from contracts.station import load_station
from simulation.realtime import TICK_S
from simulation.render import Renderer
from simulation.shared_world import View, WorldError
from simulation.tasks.pick_place import load_task
from simulation.world import World


class SimulatedCameraOptions(BaseModel):
    """Which camera of which station."""

    model_config = ConfigDict(extra="forbid")

    station: str = Field(min_length=1, description="path of the station's YAML file")
    camera: str = Field(min_length=1, description="name of a camera in it")


class SimulatedCamera:
    """Frames of one camera of the world at the station's rate; a frame's stamp is the instant of the world in it."""

    always_changes = False  # a world at rest looks the same for ever

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options = parse_options(SimulatedCameraOptions, options)
        self._renderer: Renderer | None = None
        self._port, self._view = 0, None
        self.rate_hz = self.fovy_deg = 0.0

    def open(self) -> None:
        """Build the same model as the world's and render once; raises SourceError."""
        station = load_station(self._options.station)
        camera = station.cameras.get(self._options.camera)
        if camera is None:
            known = ", ".join(station.cameras)
            raise SourceError(f"{self._options.station}: cameras: no {self._options.camera!r}, expected one of {known}")
        model = World(station, load_task(station.task, station.sides)).model
        self._renderer = Renderer(model, self._options.camera, camera.width, camera.height)
        self._port = station.simulation.port
        self.rate_hz, self.fovy_deg = camera.rate_hz, camera.fovy_deg
        self._due_s = time.monotonic()

    def read(self) -> Frame | None:
        """The next frame when it is due (waits at most one period); None while no world moves on."""
        assert self._renderer is not None, "open() comes first"
        now_s = time.monotonic()
        period_s = 1.0 / self.rate_hz
        self._due_s = max(self._due_s + period_s, now_s - period_s)
        time.sleep(max(0.0, self._due_s - now_s))
        try:
            # Of a world that has stopped there is no picture: its last one, once more, would be a frozen camera's.
            self._view = self._view or View(self._port, 0.9 * period_s)
            self._view.await_step(2.0 * TICK_S)  # its picture is then as new as one can be
            stamp_ns, qpos = self._view.coordinates()
        except WorldError:
            self._view = None  # it may be another one when it is back
            return None
        if qpos.shape != (self._renderer.nq,):
            raise SourceError(
                f"the world has {qpos.size} coordinates, this station {self._renderer.nq}: another one runs"
            )
        return Frame(stamp_ns, self._renderer.render(qpos))

    def close(self) -> None:
        """Look away and release the OpenGL context."""
        if self._renderer is not None:
            self._renderer.close()
        self._renderer = self._view = None
