"""Evaluate a policy bundle without ROS, faster than real time, with the very objects the nodes run.

Camera frames go to the policy's loop, its chunks through the codec to the drivers' cores, and their commands through
the motion guard to the physics. Only the transport is missing; the delay it and the inference cause is simulated.
"""

from __future__ import annotations

import json
import math
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from contracts import command_line, results
from contracts.bundle import BundleError, bundle_sha256
from contracts.errors import FileError
from contracts.files import write_atomic
from contracts.image_contract import check_camera
from contracts.manifest import MANIFEST_NAME
from contracts.progress import track
from contracts.rendering import RenderError
from contracts.station import DEFAULT_STATION, station_with_hands
from latent_codec.codec import Codec
from latent_policy_node.loop import LoopSettings, PolicyLoop
from latent_policy_node.policy import Policy
from simulation.render import Renderer
from simulation.rollout import Rollout, Side
from simulation.tasks.pick_place import load_task
from simulation.trials import Trials
from simulation.world import World


def wilson(successes: int, count: int, z: float = 1.959964) -> tuple[float, float]:
    """95 % confidence interval of a success rate (Wilson 1927)."""
    if count == 0:
        return 0.0, 1.0
    rate, square = successes / count, z * z / count
    centre = (rate + square / 2) / (1 + square)
    half = z * math.sqrt(rate * (1 - rate) / count + square / (4 * count)) / (1 + square)
    return max(0.0, centre - half), min(1.0, centre + half)


@dataclass(frozen=True)
class Bench:
    """A world and everything that drives it, ready to roll out; `labels` describe it in the report."""

    world: World
    sides: list[Side]
    rollout: Rollout
    labels: dict[str, Any]


def assemble(
    left: str, right: str, task: str, bundles: tuple[Path, Path], station_name: str = DEFAULT_STATION
) -> Bench:
    """Load all that an evaluation needs; ValueError, OSError or RenderError when something is wrong with it."""
    station = station_with_hands(station_name, left, right, task)
    hands = {f"{name}_hand": side.hand.embodiment for name, side in station.sides.items()}
    policy, codec = Policy.load(bundles[0]), Codec.load(bundles[1], set(hands.values()))
    if policy.latent_space != codec.latent_space:
        raise BundleError(bundles[0] / MANIFEST_NAME, "latent_space", policy.latent_space, codec.latent_space)
    (name,) = policy.cameras
    if name not in station.cameras:
        raise FileError("station", "cameras", ", ".join(station.cameras), f"{name}, the policy's camera, among them")
    camera = station.cameras[name]
    check_camera(f"cameras.{name}", camera, policy.trained, camera.fovy_deg)
    world = World(station, load_task(station.task, station.sides))
    renderer = Renderer(world.model, name, camera.width, camera.height)
    sides = [Side(world, side, codec, station.servo) for side in world.sides]
    hashes = {"policy_sha256": bundle_sha256(bundles[0]), "codec_sha256": bundle_sha256(bundles[1])}
    labels = {"station": station.name, "task": station.task, **hands, **hashes}
    return Bench(
        world, sides, Rollout(world, PolicyLoop(policy, LoopSettings(image_fit=camera.fit)), sides, renderer), labels
    )


def roll_out(bench: Bench, episodes: int, seed: int, continuous: bool) -> dict[str, Any]:
    """The report of `episodes` on what `assemble` made: each from home or, `continuous`, where the last one ended."""
    trials = Trials(bench.world, bench.world.task, np.random.default_rng(seed))
    began, simulated = time.monotonic(), 0.0
    if continuous:
        bench.rollout.begin(trials)
    for _ in track(range(episodes), _hands(bench.labels)):
        before = bench.world.time_s if continuous else 0.0
        (bench.rollout.go_on if continuous else bench.rollout.run)(trials)
        simulated += bench.world.time_s - before
    return {
        **bench.labels,
        "episodes": episodes,
        "seed": seed,
        "continuous": continuous,
        "seconds_per_round": round(simulated / episodes, 2),
        **summary(trials, bench.sides),
        "faults": len(bench.rollout.faults),
        "times_real_time": round(simulated / (time.monotonic() - began), 2),
    }


def summary(trials: Trials, sides: list[Side]) -> dict[str, Any]:
    """Success of both sides together and of each."""
    outcomes = {side.name: sum(result[side.name] for result in trials.results) for side in sides}
    low, high = wilson(trials.successes, trials.picks)
    return {
        "picks": trials.picks,
        "successes": trials.successes,
        "success_rate": round(trials.successes / max(trials.picks, 1), 4),
        "wilson_95": [round(low, 4), round(high, 4)],
        "successes_by_side": outcomes,
        "chunks_refused": sum(side.codec.counts.chunks_refused for side in sides),
    }


def run(
    left: Annotated[str, typer.Option(help="left hand; empty: the station's")] = "",
    right: Annotated[str, typer.Option(help="right hand; empty: the station's")] = "",
    task: Annotated[str, typer.Option(help="task; empty: the station's")] = "",
    episodes: Annotated[int, typer.Option(min=1, help="each has one pick a side")] = 50,
    seed: Annotated[int, typer.Option(min=0)] = 7,
    continuous: Annotated[
        bool, typer.Option("--continuous", help="one episode after the other, as live: the arms have to come home")
    ] = False,
    station: Annotated[str, typer.Option(help="a station's file, or the name of a shipped one")] = DEFAULT_STATION,
    policy: Annotated[Path, typer.Option(help="policy bundle")] = Path("models/policy"),
    codec: Annotated[Path, typer.Option(help="codec bundle")] = Path("models/codec"),
    report: Annotated[Path | None, typer.Option("--json", help="write the report here")] = None,
    markdown: Annotated[Path | None, typer.Option(help="write a row for this pair into this page")] = None,
) -> None:
    """Success rate of a policy with any two hands, with its 95 % Wilson interval."""
    try:
        bench = assemble(left, right, task, (policy, codec), station)
        if report is not None:  # better now than after the work
            report.parent.mkdir(parents=True, exist_ok=True)
            report.touch()
    except (ValueError, OSError, RenderError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        raise typer.Exit(2) from None
    result = roll_out(bench, episodes, seed, continuous)
    low, high = result["wilson_95"]
    rate = f"{result['successes']}/{result['picks']} picks succeed, 95 % interval {low:.2f}-{high:.2f}"
    print(f"{_hands(result)} on {result['station']}: {rate}")
    print(
        f"{result['seconds_per_round']} s a round; {result['times_real_time']} x real time; "
        f"by side {result['successes_by_side']}"
    )
    results.write_row(markdown, *_row(result))
    if report is not None:
        write_atomic(report, json.dumps(result, indent=2) + "\n")


def _hands(labels: dict[str, Any]) -> str:
    return " | ".join(labels[key] for key in ("left_hand", "right_hand") if key in labels)


def _row(result: dict[str, Any]) -> tuple[str, str, list[str], list[object]]:
    """What `results.write_row` takes: block, command, columns, cells."""
    mode = " --continuous" if result["continuous"] else ""
    command = f"./ws run simulation evaluate --left LEFT --right RIGHT{mode} --episodes {result['episodes']}"
    low, high = result["wilson_95"]
    by_side = ", ".join(f"{side} {count}" for side, count in result["successes_by_side"].items())
    cells = {
        "left": result.get("left_hand", ""),
        "right": result.get("right_hand", ""),
        "picks in the tray": f"{result['successes']} of {result['picks']}",
        "by side": by_side,
        "95 % Wilson": f"{low:.2f} - {high:.2f}",
        "seconds a round": result["seconds_per_round"],
        "times real time": result["times_real_time"],
    }
    name = "evaluate continuous" if result["continuous"] else "evaluate"
    return name, f"{command} --seed {result['seed']}", list(cells), list(cells.values())


def main() -> int:
    """Run the command line; returns the exit status."""
    return command_line.run(run, name="evaluate")


if __name__ == "__main__":
    raise SystemExit(main())
