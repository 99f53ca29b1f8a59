"""Evaluate a policy bundle without ROS, faster than real time, with the very objects the nodes run.

Camera frames go to the policy's loop, its chunks through the codec to the drivers' cores, and their commands through
the motion guard to the physics. Only the transport is missing; the delay it and the inference cause is simulated.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.progress import track

from hand_drivers.device import JointSample
from hand_drivers.driver import Driver, DriverSettings
from hand_drivers.guard import MotionLimits
from latent_codec.bundle import BundleError, bundle_sha256
from latent_codec.codec import Codec
from latent_codec.side import SideCodec
from latent_policy_node.loop import LoopSettings, PolicyLoop
from latent_policy_node.policy import Policy
from latent_policy_node.schedule import Chunk
from simulation.render import Renderer
from simulation.rounds import Rounds
from simulation.stations import DEFAULT_STATION, station_with_hands
from simulation.task import load_task
from simulation.world import World

EPOCH_NS = 1_000_000_000
SERVO_S = 0.01
CAMERA_EVERY = 10  # servo periods between frames: 10 Hz
CHECK_EVERY = 5
DELAY_S = 0.03  # from a frame's stamp to its chunk at the drivers, as the live graph takes


class WorldDevice:
    """A part of a world in this process as a device."""

    def __init__(self, world: World, part: str) -> None:
        self.joints = world.parts[part].joints
        self._world, self._part = world, part

    def connect(self) -> None:
        """Nothing to open."""

    def read(self) -> JointSample:
        """The exact state."""
        return JointSample(now_ns(self._world), *self._world.read(self._part))

    def write(self, position: np.ndarray) -> None:
        """Set the targets."""
        self._world.write(self._part, position)

    def stop(self) -> None:
        """Hold."""
        self.write(self.read().position)

    def fault(self) -> str | None:
        """Never."""
        return None

    def clear_fault(self) -> None:
        """Nothing to clear."""

    def disconnect(self) -> None:
        """Nothing to close."""


def now_ns(world: World) -> int:
    """Simulated time as a stamp."""
    return EPOCH_NS + round(world.time_s * 1e9)


class Side:
    """One side's codec and drivers."""

    def __init__(self, world: World, side: str, codec: Codec) -> None:
        robots = world.sides[side]
        self.name, self._world = side, world
        self.codec = SideCodec(codec, robots.arm, robots.hand, robots.base)
        self.drivers = {}
        for part in ("arm", "hand"):
            robot = getattr(robots, part)
            limits = MotionLimits(robot.lower, robot.upper, robot.velocity, robot.acceleration)
            settings = DriverSettings(rate_hz=1 / SERVO_S)
            self.drivers[part] = Driver(WorldDevice(world, f"{side}/{part}"), limits, settings)
        self.refused = 0

    def begin(self) -> None:
        """Take the robots over where they stand."""
        for driver in self.drivers.values():
            driver.end()
            driver.start()

    def state(self) -> np.ndarray:
        """The latent state (axes,) now."""
        arm, hand = (self._world.read(f"{self.name}/{part}")[0] for part in ("arm", "hand"))
        return self.codec.latent_state(arm, hand)

    def command(self, chunk: Chunk) -> None:
        """Decode a chunk and hand it to the drivers, as the codec node does."""
        seed = self._world.read(f"{self.name}/arm")[0]
        arm, hand, status = self.codec.decode_chunk(chunk.points, seed)
        if not status.ok:
            self.refused += 1
            return
        for part, points in (("arm", arm), ("hand", hand)):
            self.drivers[part].accept_chunk(chunk.stamp_ns, chunk.times_s, points, now_ns(self._world))

    def tick(self) -> None:
        """One servo period."""
        for driver in self.drivers.values():
            driver.tick(now_ns(self._world))


@dataclass
class Rollout:
    """A policy in a world."""

    world: World
    loop: PolicyLoop
    sides: list[Side]
    renderer: Renderer

    def run(self, rounds: Rounds) -> dict[str, bool]:
        """One episode from home to its end; each side's success."""
        self.world.reset()
        rounds.begin()
        self.loop.reset()
        for side in self.sides:
            side.begin()
        due: list[tuple[int, dict[str, Chunk]]] = []
        tick, over = 0, False
        while not over:
            if tick % CAMERA_EVERY == 0:
                due.append((now_ns(self.world) + round(DELAY_S * 1e9), self._decide()))
            while due and due[0][0] <= now_ns(self.world):
                chunks = due.pop(0)[1]
                for side in self.sides:
                    if side.name in chunks:
                        side.command(chunks[side.name])
            for side in self.sides:
                side.tick()
            self.world.step(round(SERVO_S / self.world.model.opt.timestep))
            tick += 1
            over = tick % CHECK_EVERY == 0 and rounds.update()
        return rounds.finish()

    def _decide(self) -> dict[str, Chunk]:
        """Observe the world and let the policy act; its clock is where the chunk will arrive."""
        stamp = now_ns(self.world)
        for side in self.sides:
            self.loop.observe_state(side.name, stamp, side.state())
        self.loop.observe_image(stamp, self.renderer.render(self.world.data.qpos))
        return dict(self.loop.step(lambda: stamp + round(DELAY_S * 1e9)).chunks)


def wilson(successes: int, count: int, z: float = 1.959964) -> tuple[float, float]:
    """95 % confidence interval of a success rate (Wilson 1927)."""
    if count == 0:
        return 0.0, 1.0
    rate, square = successes / count, z * z / count
    centre = (rate + square / 2) / (1 + square)
    half = z * math.sqrt(rate * (1 - rate) / count + square / (4 * count)) / (1 + square)
    return max(0.0, centre - half), min(1.0, centre + half)


def evaluate(left: str, right: str, task: str, episodes: int, seed: int, bundles: tuple[Path, Path]) -> dict[str, Any]:
    """Roll the policy out `episodes` times; the report that the command prints."""
    station = station_with_hands(DEFAULT_STATION, left, right, task)
    policy, codec = Policy.load(bundles[0]), Codec.load(bundles[1], {left, right})
    if policy.latent_space != codec.latent_space:
        raise BundleError(bundles[0], "latent_space", policy.latent_space, codec.latent_space)
    world = World(station, load_task(task, station.sides))
    camera = next(iter(policy.cameras))
    renderer = Renderer(world.model, camera, station.cameras[camera].width, station.cameras[camera].height)
    sides = [Side(world, side, codec) for side in world.sides]
    rollout = Rollout(world, PolicyLoop(policy, LoopSettings()), sides, renderer)
    rounds = Rounds(world, world.task, np.random.default_rng(seed))
    began, simulated = time.monotonic(), 0.0
    for _ in track(range(episodes), description=f"{left} | {right}"):
        rollout.run(rounds)
        simulated += world.time_s
    return {
        "task": task,
        "left_hand": left,
        "right_hand": right,
        "episodes": episodes,
        "seed": seed,
        "policy_sha256": bundle_sha256(bundles[0]),
        "codec_sha256": bundle_sha256(bundles[1]),
        **summary(rounds, sides),
        "times_real_time": round(simulated / (time.monotonic() - began), 2),
    }


def summary(rounds: Rounds, sides: list[Side]) -> dict[str, Any]:
    """Success of both sides together and of each."""
    outcomes = {side.name: sum(result[side.name] for result in rounds.results) for side in sides}
    low, high = wilson(rounds.successes, rounds.picks)
    return {
        "picks": rounds.picks,
        "successes": rounds.successes,
        "success_rate": round(rounds.successes / max(rounds.picks, 1), 4),
        "wilson_95": [round(low, 4), round(high, 4)],
        "successes_by_side": outcomes,
        "chunks_refused": sum(side.refused for side in sides),
    }


def run(
    left: Annotated[str, typer.Option(help="left hand")] = "inspire",
    right: Annotated[str, typer.Option(help="right hand")] = "ability",
    task: str = "pick_place",
    episodes: Annotated[int, typer.Option(min=1, help="each has one pick a side")] = 50,
    seed: Annotated[int, typer.Option(min=0)] = 7,
    policy: Annotated[Path, typer.Option(help="policy bundle")] = Path("models/policy"),
    codec: Annotated[Path, typer.Option(help="codec bundle")] = Path("models/codec"),
    report: Annotated[Path | None, typer.Option("--json", help="write the report here")] = None,
) -> None:
    """Success rate of a policy with any two hands, with its 95 % Wilson interval."""
    result = evaluate(left, right, task, episodes, seed, (policy, codec))
    low, high = result["wilson_95"]
    print(
        f"{left} | {right}: {result['successes']}/{result['picks']} picks succeed, 95 % interval {low:.2f}-{high:.2f}"
    )
    print(f"{result['times_real_time']} x real time; by side {result['successes_by_side']}")
    if report is not None:
        report.parent.mkdir(parents=True, exist_ok=True)
        report.write_text(json.dumps(result, indent=2) + "\n")


def main() -> None:
    """Command line."""
    typer.run(run)


if __name__ == "__main__":
    main()
