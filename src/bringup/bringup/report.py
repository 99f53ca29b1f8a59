"""The report of a run, from the diagnostics of the nodes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from bringup import impediments
from bringup.impediments import Impediment
from bringup.monitor import Status
from bringup.processes import Exit
from contracts.station import Station

Statuses = Mapping[str, Status]
SETTLED_S = 20.0  # in a run of this length every driver has accepted commands


class Schema(BaseModel):
    """Base of the parts of the report."""

    model_config = ConfigDict(extra="forbid")


class Latency(Schema):
    """Milliseconds over the whole run; of several parts, the largest. None: not reported."""

    p50: float | None
    p99: float | None
    max: float | None


class Hop(Schema):
    """Milliseconds of one hop between the stamp of an image and the first write, or of a sum of hops."""

    p50: float
    p99: float
    max: float
    mean: float
    count: int


class Latencies(Schema):
    """Latencies of the whole path and of its parts."""

    image_to_write: Latency
    camera_to_command: Latency
    inference: Latency
    codec: Latency


class Driver(Schema):
    """Figures of a driver's servo loop."""

    rate_hz: float | None
    period_jitter_ms_p99: float | None
    overruns: int | None


class Images(Schema):
    """Images published by all cameras, and those received by the policy; the field of view that it reports."""

    published: int
    received: int
    field_of_view: str = ""


class Guard(Schema):
    """How often motion was limited, held because commands were missing, or refused, over all drivers."""

    limited: int
    held: int
    refused: int


class Death(Schema):
    """A process that ended unexpectedly."""

    node: str
    cause: str


class Report(Schema):
    """`cpu_percent` is that of one core, over all processes of the graph; `died` is present only if a process ended.

    `impediments` is present only if something kept robots from moving at the end.

    `hops_ms` are by part ("arm", "hand") and hop, see `contracts.hops`.
    """

    task: str
    left_hand: str | None
    right_hand: str | None
    policy_sha256: str
    codec_sha256: str
    picks: int
    successes: int
    real_time_factor: float | None
    latency_ms: Latencies
    hops_ms: dict[str, dict[str, Hop]]
    drivers: dict[str, Driver]
    images: Images
    guard: Guard
    cpu_percent: float
    died: list[Death] | None = None
    impediments: list[Impediment] | None = None

    @property
    def failed(self) -> bool:
        """Whether a process ended, or robots could not move."""
        return bool(self.died or self.impediments)

    def text(self) -> str:
        """The report as JSON."""
        absent = {name for name in ("died", "impediments") if not getattr(self, name)}
        return self.model_dump_json(indent=2, exclude=absent) + "\n"


def build(
    station: Station,
    statuses: Statuses,
    images: Images,
    hashes: Mapping[str, str],
    cpu_percent: float,
    rates: Mapping[str, float],
    hops: Mapping[str, Mapping[str, Mapping[str, float]]],
    died: Iterable[Exit] = (),
) -> Report:
    """The report of a run of `station`; `hashes` are the sha256 of the bundles "policy" and "codec".

    `rates` are mean rates, Hz, by the names of the statuses: the newest status covers only one second. `hops` are
    the figures of a `HopTable`.
    """
    drivers = _named(statuses, "driver/")
    simulation = statuses.get("simulation", Status("simulation"))
    hands = {side: parts.hand.embodiment for side, parts in station.sides.items()}
    return Report(
        task=station.task,
        left_hand=hands.get("left"),
        right_hand=hands.get("right"),
        policy_sha256=hashes["policy"],
        codec_sha256=hashes["codec"],
        picks=_count(simulation, "picks"),
        successes=_count(simulation, "successes"),
        real_time_factor=simulation.number("real_time_factor"),
        latency_ms=Latencies(
            image_to_write=_latency(drivers.values(), "age_after_write_ms"),
            camera_to_command=_latency(drivers.values(), "camera_to_command_ms"),
            inference=_latency(_named(statuses, "policy").values(), "inference_ms"),
            codec=_latency(_named(statuses, "codec/").values(), "codec_ms"),
        ),
        hops_ms={part: {hop: Hop.model_validate(ms) for hop, ms in found.items()} for part, found in hops.items()},
        drivers={name.removeprefix("driver/"): _driver(status, rates) for name, status in drivers.items()},
        images=images,
        guard=Guard(**{key: sum(_count(s, key) for s in drivers.values()) for key in ("limited", "held", "refused")}),
        cpu_percent=round(cpu_percent, 1),
        died=[Death(node=end.name, cause=end.cause) for end in died] or None,
        impediments=impediments.find(statuses, idle=station.seconds >= SETTLED_S) or None,
    )


def images(statuses: Statuses) -> Images:
    """Numbers of images published by all cameras and received by the policy."""
    published = sum(_count(status, "published") for status in _named(statuses, "camera/").values())
    policy = statuses.get("policy", Status("policy"))
    return Images(
        published=published,
        received=_count(policy, "images_received"),
        field_of_view=policy.values.get("field_of_view", ""),
    )


def sha256_of(directory: Path) -> str:
    """The hash of a bundle: that of its manifest, which contains the hash of every file."""
    from contracts.bundle import bundle_sha256

    return bundle_sha256(directory)


def _named(statuses: Statuses, prefix: str) -> dict[str, Status]:
    return {name: statuses[name] for name in sorted(statuses) if name.startswith(prefix)}


def _count(status: Status, key: str) -> int:
    return int(status.number(key) or 0)


def _driver(status: Status, rates: Mapping[str, float]) -> Driver:
    rate, overruns = rates.get(status.name), status.number("overruns")
    return Driver(
        rate_hz=None if rate is None else round(rate, 2),
        period_jitter_ms_p99=status.number("period_jitter_ms_p99"),
        overruns=None if overruns is None else int(overruns),
    )


def _latency(statuses: Iterable[Status], key: str) -> Latency:
    reported = list(statuses)

    def worst(quantile: str) -> float | None:
        values = [value for status in reported if (value := status.number(f"{key}_{quantile}")) is not None]
        return max(values) if values else None

    return Latency(p50=worst("p50"), p99=worst("p99"), max=worst("max"))
