"""Why robots do not move, and what to do about it, from the diagnostics of the nodes."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict

from bringup.monitor import Status

ERROR = 2
RELEASE = "./ws run bringup release"
_REMEDIES = {"stopped": "check the robot", "lost": "restore the device's power and connection"}


class Impediment(BaseModel):
    """A part of the graph that keeps robots from moving: its state with the reason, and what to do."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    part: str
    state: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.part}: {self.state}; to do: {self.remedy}"


def find(statuses: Mapping[str, Status], idle: bool = False) -> list[Impediment]:
    """What keeps robots from moving now.

    Args:
        statuses: The newest status of each part, by name.
        idle: Whether a driver that has not accepted any command counts, too.
    """
    found = [impediment for name in sorted(statuses) if (impediment := of_part(statuses[name]))]
    if idle and not found:
        found = [_without_command(statuses, name) for name in sorted(statuses) if _is_idle(statuses[name])]
    return found


def of_part(status: Status) -> Impediment | None:
    """Why one part keeps robots from moving; None if it does not."""
    reason = status.values.get("reason", "")
    state = status.values.get("state", "")
    if status.name.startswith("driver/") and state in _REMEDIES:
        remedy = f"{_REMEDIES[state]}, then {release_command(status.node)}"
        return Impediment(part=status.name, state=f"{state}: {reason}" if reason else state, remedy=remedy)
    if status.level >= ERROR:
        text = f"{status.message}: {reason}" if reason else status.message
        return Impediment(part=status.name, state=text, remedy="see its log in the run directory")
    return None


def release_command(node: str) -> str:
    """What releases the station of a node of this full name."""
    namespace = node.strip("/").rpartition("/")[0]
    return f"{RELEASE} namespace:={namespace}" if namespace else RELEASE


def _is_idle(status: Status) -> bool:
    return status.name.startswith("driver/") and status.number("chunks") == 0


def _without_command(statuses: Mapping[str, Status], name: str) -> Impediment:
    side = name.split("/")[1]
    sources = [statuses[part] for part in (f"codec/{side}", "policy") if part in statuses]
    reasons = [f"{part.name} refuses: {reason}" for part in sources if (reason := part.values.get("reason", ""))]
    remedy = "; ".join(reasons) or "see the logs of policy and codec in the run directory"
    return Impediment(part=name, state="has not accepted any command", remedy=remedy)
