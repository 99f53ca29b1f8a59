"""The simulated camera as a `camera_node` source: reads the shared-memory world and renders in its own process."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from camera_node.source import Frame, SourceError, parse_options
from contracts.station import load_station
from simulation.realtime import TICK_S
from simulation.render import Renderer
from simulation.shared_world import SharedWorldReader, WorldError
from simulation.tasks.pick_place import load_task
from simulation.world import World


class SimulatedCameraOptions(BaseModel):
    """Selects a camera of a station."""

    model_config = ConfigDict(extra="forbid")

    station: str = Field(min_length=1, description="path of the station's YAML file")
    camera: str = Field(min_length=1, description="name of a camera in it")


class SimulatedCamera:
    """Frames of one camera of the world at the station's rate, stamped with the time of the world's state.

    Args:
        options: Those of SimulatedCameraOptions.
    """

    always_changes = False  # a world at rest gives equal frames

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options = parse_options(SimulatedCameraOptions, options)
        self._renderer: Renderer | None = None
        self._port = 0
        self._world: SharedWorldReader | None = None
        self.rate_hz = self.fovy_deg = 0.0

    def open(self) -> None:
        """Build the world's model and render once.

        Raises:
            SourceError: If the station has no such camera.
        """
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
        """The next frame at its time, after at most one period; None while no world runs.

        Raises:
            SourceError: If the world is that of another station.
        """
        assert self._renderer is not None, "open() comes first"
        now_s = time.monotonic()
        period_s = 1.0 / self.rate_hz
        self._due_s = max(self._due_s + period_s, now_s - period_s)
        time.sleep(max(0.0, self._due_s - now_s))
        try:
            # A stopped world gives no frame: its last state again would be that of a frozen camera.
            self._world = world = self._world or SharedWorldReader(self._port, 0.9 * period_s)
            world.wait_for_step(2.0 * TICK_S)  # the state is then as new as possible
            stamp_ns, qpos = world.coordinates()
        except WorldError:
            self._world = None  # the next one may be another world
            return None
        if qpos.shape != (self._renderer.nq,):
            raise SourceError(
                f"the world has {qpos.size} coordinates, this station {self._renderer.nq}: another one runs"
            )
        return Frame(stamp_ns, self._renderer.render(qpos))

    def close(self) -> None:
        """Release the world and the OpenGL context."""
        if self._renderer is not None:
            self._renderer.close()
        self._renderer = self._world = None
