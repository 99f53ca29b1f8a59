"""A policy in a world, without ROS: the objects the nodes run, stepped by simulated time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from contracts.chunk import Chunk
from hand_drivers.device import JointSample
from hand_drivers.driver import Driver, DriverSettings
from hand_drivers.guard import MotionLimits
from latent_codec.codec import Codec
from latent_codec.side import SideCodec
from latent_policy_node.loop import PolicyLoop
from simulation.render import Renderer
from simulation.trials import Trials
from simulation.world import World

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
        return JointSample(self._world.stamp_ns, *self._world.read(self._part))

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
            self.drivers[part].accept_chunk(Chunk(chunk.stamp_ns, chunk.times_s, points), self._world.stamp_ns)

    def tick(self) -> None:
        """One servo period."""
        for driver in self.drivers.values():
            driver.tick(self._world.stamp_ns)


@dataclass
class Rollout:
    """A policy in a world."""

    world: World
    loop: PolicyLoop
    sides: list[Side]
    renderer: Renderer
    _due: list[tuple[int, dict[str, Chunk]]] = field(default_factory=list)

    def run(self, trials: Trials) -> dict[str, bool]:
        """One episode from home to its end; each side's success."""
        self.begin(trials)
        self._run_until(trials.update)
        return trials.finish()

    def begin(self, trials: Trials) -> None:
        """The arms at home, the first round set up, nothing seen yet."""
        self.world.reset()
        trials.begin()
        self.loop.reset()
        self._due.clear()
        for side in self.sides:
            side.begin()

    def go_on(self, trials: Trials) -> dict[str, bool]:
        """The rest of this round, as the live graph plays it: before the next one the arms have to come home."""
        ended = len(trials.results)

        def over() -> bool:
            trials.advance()
            return len(trials.results) > ended

        self._run_until(over)
        return trials.results[-1]

    def _run_until(self, over: Callable[[], bool]) -> None:
        """Let time pass until `over`, which is asked a few times a second."""
        tick = 0
        while tick == 0 or tick % CHECK_EVERY or not over():
            if tick % CAMERA_EVERY == 0:
                self._due.append((self.world.stamp_ns + round(DELAY_S * 1e9), self._decide()))
            while self._due and self._due[0][0] <= self.world.stamp_ns:
                chunks = self._due.pop(0)[1]
                for side in self.sides:
                    if side.name in chunks:
                        side.command(chunks[side.name])
            for side in self.sides:
                side.tick()
            self.world.step(round(SERVO_S / self.world.model.opt.timestep))
            tick += 1

    def _decide(self) -> dict[str, Chunk]:
        """Observe the world and let the policy act; its clock is where the chunk will arrive."""
        stamp = self.world.stamp_ns
        for side in self.sides:
            self.loop.observe_state(side.name, stamp, side.state())
        self.loop.observe_image(stamp, self.renderer.render(self.world.data.qpos))
        return dict(self.loop.step(lambda: stamp + round(DELAY_S * 1e9)).chunks)
