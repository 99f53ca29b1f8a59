"""The node that emulates the devices of a station; ~/fault takes faults as text, such as `left/hand silent 1`."""

from __future__ import annotations

from pydantic import Field
from std_msgs.msg import String

from contracts.station import Station, load_station
from device_emulators.world.emulated import Emulators
from node_kit import log
from node_kit.diagnostics import OK, WARN, DiagnosticsPublisher, Report
from node_kit.lifecycle import Lifecycle
from node_kit.main import spin
from node_kit.parameters import Parameters
from node_kit.scheduling import DEVICE_PRIORITY, prompt, schedule_in_real_time


class EmulatorsParameters(Parameters):
    """Parameters of the emulators node."""

    station: str = Field(min_length=1, description="path of the station's YAML file")


class EmulatorsNode(Lifecycle):
    """Serves the emulators of a station while active; the simulated world has to run."""

    Parameters = EmulatorsParameters
    _emulators: Emulators | None = None

    def configure(self, parameters: EmulatorsParameters) -> None:
        """Load the station."""
        self._station: Station = load_station(parameters.station)
        self._refused = 0
        self.keep(self.create_subscription(String, "~/fault", self._on_fault, 10))
        self.keep(DiagnosticsPublisher(self, "emulators", self._report))

    def activate(self) -> None:
        """Start the emulators."""
        self._emulators = Emulators(self._station)

    def deactivate(self) -> None:
        """Stop the emulators."""
        if self._emulators is not None:
            self._emulators.close()
            self._emulators = None

    def _on_fault(self, message: String) -> None:
        part, _, setting = message.data.strip().partition(" ")
        faults = self._emulators.faults if self._emulators else {}
        wrong = faults[part].set(setting) if part in faults else f"found {part!r}, expected one of {', '.join(faults)}"
        self._refused += bool(wrong)
        log.warning(self, f"~/fault: {wrong or message.data}")

    def _report(self) -> Report:
        faults = self._emulators.faults if self._emulators else {}
        faulty = [part for part, found in faults.items() if found.any]
        values = {"devices": len(faults), "faulty": ", ".join(faulty), "refused": self._refused}
        return (WARN if faulty else OK), "faulty" if faulty else "running" if self.active else "inactive", values


def main() -> int:
    """Run the node."""
    prompt()
    schedule_in_real_time(DEVICE_PRIORITY, inherited=True)
    return spin(EmulatorsNode, "emulators", moved=True)


if __name__ == "__main__":
    raise SystemExit(main())
