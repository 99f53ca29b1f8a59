"""The node of the simulated world: steps the physics and reports; robots and cameras are other nodes."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from contracts.station import load_station
from node_kit.diagnostics import ERROR, OK, DiagnosticsPublisher, Report
from node_kit.lifecycle import Lifecycle
from node_kit.main import spin
from node_kit.parameters import Parameters
from node_kit.scheduling import prompt
from simulation.realtime import RealTime
from simulation.tasks.pick_place import load_task
from simulation.trials import Trials
from simulation.world import World


class SimulationParameters(Parameters):
    """Parameters of the simulation node."""

    station: str = Field(min_length=1, description="path of the station's YAML file")


class SimulationNode(Lifecycle):
    """Steps the world in real time while active."""

    Parameters = SimulationParameters
    _running: RealTime | None = None

    def configure(self, parameters: SimulationParameters) -> None:
        """Build the world and create its shared memory."""
        station = load_station(parameters.station)
        task = load_task(station.task, station.sides)
        world = World(station, task)
        self._rounds = Trials(world, task, np.random.default_rng(station.simulation.seed))
        self._task_name = station.task
        self._running = RealTime(world, self._rounds, station.simulation.port)
        self.keep(DiagnosticsPublisher(self, "simulation", self._report))

    def activate(self) -> None:
        """Start the physics."""
        assert self._running is not None
        self._running.start()

    def deactivate(self) -> None:
        """Stop the physics."""
        if self._running is not None:
            self._running.stop()

    def cleanup(self) -> None:
        """Remove the shared memory."""
        if self._running is not None:
            self._running.close()
            self._running = None

    def _report(self) -> Report:
        assert self._running is not None
        values = {
            "task": self._task_name,
            "picks": self._rounds.picks,
            "successes": self._rounds.successes,
            "real_time_factor": round(self._running.factor, 4),
        }
        if self.active and not self._running.running:
            return ERROR, "physics has stopped", values
        return OK, "running" if self.active else "inactive", values


def main() -> int:
    """Run the node."""
    prompt()
    return spin(SimulationNode, "simulation", moved=True)


if __name__ == "__main__":
    raise SystemExit(main())
