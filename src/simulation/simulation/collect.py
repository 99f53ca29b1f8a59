"""Collect demonstrations without ROS, faster than real time: one MCAP bag an episode, with the live graph's topics."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.progress import Progress

from contracts import command_line
from contracts.progress import Lines
from contracts.station import DEFAULT_STATION, Station, load_station, station_file, station_with_hands
from embodiments.inverse_kinematics import ArmIK
from episodes.bag import EpisodeWriter, is_complete
from episodes.metadata import Embodiments, EpisodeMetadata
from simulation.demonstrator import Path as Motion
from simulation.demonstrator import Waypoint, astray, demonstrate
from simulation.looks import Looks, add_sleeves
from simulation.render import Renderer
from simulation.tasks.pick_place import PickPlace, load_task
from simulation.trials import Trials
from simulation.world import World

TIMESTEP_S = 0.002
CONTROL_S = 0.02
FRAME_EVERY = 5  # control steps between camera frames: the 10 Hz a policy is trained at
CHECK_EVERY = 3
HOME_NOISE_RAD = 0.06
ASTRAY = 0.35  # share of demonstrations that begin away from home, ...
PLACED = 0.25  # ... and of these, that begin with the can in its tray
REST_S = 1.0  # seconds at home with the work done: a policy has to learn to stay there


@dataclass(frozen=True)
class Job:
    """One episode to collect: everything about it follows from these fields; `looks`: hands look different in each."""

    station: Station
    out: Path
    seed: int
    index: int
    looks: bool = False

    @property
    def bag(self) -> Path:
        """Where it is written."""
        return self.out / f"{hands_of(self.station)}_{self.index:04d}"


def hands_of(station: Station) -> str:
    """The hands of a station as part of a file name."""
    return "-".join(part.hand.embodiment for _, part in sorted(station.sides.items()))


class Side:
    """The demonstrator's hold on one side: inverse kinematics that continue from the last command."""

    def __init__(self, world: World, side: str) -> None:
        robots = world.sides[side]
        self.name, self._world = side, world
        self._ik = ArmIK(robots.arm, robots.hand, robots.base)
        self.arm = self.hand = np.zeros(0)
        self._motion: Motion | None = None

    def begin(self, task: PickPlace, rng: np.random.Generator) -> None:
        """Start close to home, or astray, as after a mistake."""
        arm, hand = (getattr(self._world.sides[self.name], part) for part in ("arm", "hand"))
        home = self._ik.forward(arm.postures["home"])[:3, 3]
        self.arm = arm.postures["home"] + rng.uniform(-HOME_NOISE_RAD, HOME_NOISE_RAD, len(arm.joints))
        self.hand = hand.postures["open"]
        if rng.random() < ASTRAY:
            if rng.random() < PLACED:
                task.tidy(self._world, self.name)
            start = astray(self._world, task, self.name, rng)
            self.arm, _ = self._ik.solve(start.pose, self.arm, iterations=200)
            self.hand = start.posture
        self._world.place(f"{self.name}/arm", self.arm)
        self._world.place(f"{self.name}/hand", self.hand)
        start = Waypoint(0.0, self._ik.forward(self.arm), self.hand)
        self._motion = demonstrate(self._world, task, self.name, start, home, rng)

    @property
    def duration_s(self) -> float:
        """How long the demonstration takes."""
        assert self._motion is not None
        return self._motion.duration_s

    def act(self, time_s: float) -> None:
        """Command the world for `time_s` into the demonstration."""
        assert self._motion is not None
        pose, self.hand = self._motion.sample(time_s)
        self.arm, _ = self._ik.solve(pose, self.arm)
        self._world.write(f"{self.name}/arm", self.arm)
        self._world.write(f"{self.name}/hand", self.hand)


def record(world: World, renderers: dict[str, Renderer], job: Job, looks: Looks | None = None) -> dict[str, bool]:
    """Demonstrate one episode and write its bag; returns each side's success."""
    rng = np.random.default_rng([job.seed, job.index])
    if looks is not None:
        looks.change(np.random.default_rng([job.seed, job.index, 1]))  # the demonstration is the same without
    trials = Trials(world, world.task, rng)
    world.reset()
    trials.begin()
    sides = [Side(world, side) for side in world.sides]
    for side in sides:
        side.begin(world.task, rng)
    duration = max(side.duration_s for side in sides) + REST_S
    with EpisodeWriter(job.bag, metadata_of(job, world), overwrite_incomplete=True) as bag:
        for tick in range(round(duration / CONTROL_S)):
            for side in sides:
                side.act(trials.elapsed_s)
            if tick % FRAME_EVERY == 0:
                write_frame(bag, world, renderers, sides)
            world.step(round(CONTROL_S / world.model.opt.timestep))
            if tick % CHECK_EVERY == 0:
                trials.update()
        success = trials.finish()
        bag.metadata = bag.metadata.model_copy(update={"success": success})
    return success


def write_frame(bag: EpisodeWriter, world: World, renderers: dict[str, Renderer], sides: Sequence[Side]) -> None:
    """Images, measured joints and commands of this instant, under the live graph's topic names."""
    stamp_ns = world.stamp_ns
    for name, renderer in renderers.items():
        bag.write_image(f"/camera/{name}/image_raw", stamp_ns, renderer.render(world.data.qpos), name)
        bag.write_camera_info(f"/camera/{name}/camera_info", stamp_ns, renderer.size, renderer.fovy_deg, name)
    for side in sides:
        for part, command in (("arm", side.arm), ("hand", side.hand)):
            topic, joints = f"/{side.name}/{part}", world.parts[f"{side.name}/{part}"].joints
            position, velocity, effort = world.read(f"{side.name}/{part}")
            bag.write_joint_state(f"{topic}/joint_states", stamp_ns, joints, position, velocity, effort)
            bag.write_trajectory(f"{topic}/command", stamp_ns, joints, [0.0], command[None])


def metadata_of(job: Job, world: World) -> EpisodeMetadata:
    """Metadata of the bag."""
    parts = {
        side: Embodiments(arm=part.arm.embodiment, hand=part.hand.embodiment)
        for side, part in job.station.sides.items()
    }
    return EpisodeMetadata(
        task=job.station.task,
        embodiments=parts,
        bases={side: robots.base.tolist() for side, robots in world.sides.items()},
        station=job.station.name,
        seed=job.seed,
    )


def record_all(jobs: Sequence[Job]) -> list[dict[str, bool]]:
    """Episodes of one station, one world for all; complete bags are left as they are."""
    station = jobs[0].station
    world = World(station, load_task(station.task, station.sides), TIMESTEP_S, add_sleeves)
    renderers = {name: Renderer(world.model, name, c.width, c.height) for name, c in station.cameras.items()}
    looks = Looks(world.model, world.sides) if jobs[0].looks else None
    return [record(world, renderers, job, looks) for job in jobs]


def pairs_of(station: str) -> list[str]:
    """LEFT:RIGHT hands of a station, as they are and exchanged."""
    sides = load_station(station_file(station)).sides
    hands = [sides[name].hand.embodiment if name in sides else "" for name in ("left", "right")]
    return list(dict.fromkeys([":".join(hands), ":".join(reversed(hands))]))


def run(
    out: Annotated[Path, typer.Option(help="folder for the bags")],
    pairs: Annotated[
        str, typer.Option(help="LEFT:RIGHT hands, comma separated; empty: the station's, as they are and exchanged")
    ] = "",
    episodes: Annotated[int, typer.Option(min=1, help="episodes a pair")] = 100,
    task: str = "pick_place",
    seed: Annotated[int, typer.Option(min=0)] = 0,
    workers: Annotated[int, typer.Option(min=1, max=64)] = 2,
    station: Annotated[str, typer.Option(help="station to collect on: a file, or the name of a shipped one")] = (
        DEFAULT_STATION
    ),
    looks: Annotated[bool, typer.Option(help="draw anew how hands look in each episode")] = True,
) -> None:
    """Record scripted demonstrations; run again to resume, complete bags are kept."""
    batches = []
    for number, pair in enumerate(pairs.split(",") if pairs else pairs_of(station)):
        if pair.count(":") != 1:
            raise typer.BadParameter(f"--pairs: found {pair!r}, expected LEFT:RIGHT")
        left, _, right = pair.partition(":")
        described = station_with_hands(station, left, right, task)
        jobs = [Job(described, out, seed + 1000 * number, index, looks) for index in range(episodes)]
        missing = [job for job in jobs if not is_complete(job.bag)]
        batches += [missing[start : start + 10] for start in range(0, len(missing), 10)]
    out.mkdir(parents=True, exist_ok=True)
    done, good = 0, 0
    lines = Lines()
    with multiprocessing.get_context("spawn").Pool(workers) as pool, Progress(console=lines.console) as progress:
        bar = progress.add_task("demonstrations", total=sum(map(len, batches)))
        for results in pool.imap_unordered(record_all, batches):
            done, good = done + 2 * len(results), good + sum(sum(result.values()) for result in results)
            progress.update(bar, advance=len(results), description=f"demonstrations, {good}/{done} picks succeed")
            lines.show(f"demonstrations: {done // 2} of {sum(map(len, batches))}, {good}/{done} picks succeed")
    print(f"{done // 2} new episodes in {out}, {good} of {done} picks succeed")


def main() -> int:
    """Run the command line; returns the exit status."""
    return command_line.run(run, name="collect")


if __name__ == "__main__":
    raise SystemExit(main())
