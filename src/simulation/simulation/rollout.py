"""A policy in a world, without ROS: the objects that the nodes run, stepped by simulated time."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from contracts.chunk import SECOND, Chunk
from contracts.servo import PARTS, PartName
from contracts.station import Servo
from hand_drivers.device import FaultlessDevice, JointSample
from hand_drivers.driver import Driver
from hand_drivers.settings import DriverSettings, motion_limits
from hand_drivers.status import State
from latent_codec.codec import Codec
from latent_codec.loop import CodecLoop
from latent_codec.side import SideCodec
from latent_policy_node.loop import PolicyLoop
from simulation.render import Renderer
from simulation.trials import Trials
from simulation.world import World

CHECK_HZ = 20.0  # looks at the task
# Transport delay from a frame's stamp to its commands at the drivers: the slowest hundredth of the live graph, see
# docs/results/runtime.md, so that a slower machine is covered too.
DELAY_S = 0.03


class WorldDevice(FaultlessDevice):
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

    def disconnect(self) -> None:
        """Nothing to close."""


def make_driver(world: World, side: str, part: PartName, servo: Servo) -> Driver:
    """The driver of a part of the world, with the limits and settings of the driver node."""
    robot = getattr(world.sides[side], part)
    settings = DriverSettings(part=part, **servo.of_driver(part))
    limits = motion_limits(robot, settings.velocity_scaling)
    return Driver(WorldDevice(world, f"{side}/{part}"), limits, settings)


class Side:
    """One side's codec and drivers."""

    def __init__(self, world: World, side: str, codec: Codec, servo: Servo) -> None:
        robots = world.sides[side]
        self.name, self._world = side, world
        self.codec = CodecLoop(SideCodec(codec, robots.arm, robots.hand, robots.base))
        self.drivers = {part: make_driver(world, side, part, servo) for part in PARTS}

    def begin(self) -> None:
        """Take the robots over where they are."""
        self.codec.reset()
        for driver in self.drivers.values():
            driver.end()
            driver.start()

    def observe(self, loop: PolicyLoop) -> None:
        """Measure the joints, and give the latent state to the policy."""
        now_ns = self._world.stamp_ns
        for part, driver in self.drivers.items():
            self.codec.observe(part, now_ns, driver.device.read().position)
        state = self.codec.latent_state(now_ns)
        if state is not None:
            loop.observe_state(self.name, state.stamp_ns, state.position)

    def command(self, chunk: Chunk) -> None:
        """Decode a chunk and give it to the drivers, as the codec node does."""
        now_ns = self._world.stamp_ns
        commands, _ = self.codec.decode(chunk, self.codec.side.codec.latent_space, now_ns)
        for part, command in commands.items():
            self.drivers[part].accept_chunk(command, now_ns)


class Beat:
    """Something periodic in a stepped world: it is due at the first physics step that is not before its time."""

    def __init__(self, rate_hz: float, timestep_s: float, act: Callable[[], object]) -> None:
        self.act, self.next = act, 0
        self._steps, self._count = 1.0 / (rate_hz * timestep_s), 0

    def happen(self) -> None:
        """Act, and be due again a period later."""
        self.act()
        self._count += 1
        self.next = math.ceil(self._count * self._steps - 1e-6)


@dataclass
class Rollout:
    """A policy in a world. A fault of one driver stops all robots, and an operator resets them for the next round."""

    world: World
    loop: PolicyLoop
    sides: list[Side]
    renderer: Renderer
    faults: list[str] = field(default_factory=list)
    _beats: list[Beat] = field(default_factory=list)
    _sent: deque[tuple[int, Mapping[str, Chunk]]] = field(default_factory=deque)  # by the step of their arrival
    _step: int = 0

    def run(self, trials: Trials) -> dict[str, bool]:
        """One episode from home to its end; each side's success."""
        self.begin(trials)
        self.run_until(trials.update)
        return trials.finish()

    def begin(self, trials: Trials) -> None:
        """The arms at home, the first round set up, nothing seen yet."""
        self.world.reset()
        trials.begin()
        self.loop.reset()
        self._sent.clear()
        self._beats, self._step = self._periodic(), 0
        for side in self.sides:
            side.begin()
        self._reset_drivers()

    def go_on(self, trials: Trials) -> dict[str, bool]:
        """The rest of this round, as the live graph plays it: before the next one the arms have to come home."""
        ended = len(trials.results)

        def over() -> bool:
            trials.advance()
            return len(trials.results) > ended

        self._reset_drivers()
        self.run_until(over)
        return trials.results[-1]

    def _periodic(self) -> list[Beat]:
        """What happens periodically, in its order within one instant."""
        timestep_s = self.world.model.opt.timestep
        # Only the frames that trigger an inference are rendered.
        beats = [Beat(1.0 / self.loop.settings.min_period_s, timestep_s, self._decide)]
        for driver in self._drivers:
            beats.append(Beat(driver.settings.rate_hz, timestep_s, lambda driver=driver: driver.tick(self._now_ns)))
        return beats

    def run_until(self, over: Callable[[], bool]) -> None:
        """Let time pass until `over`, which is called a few times a second."""
        check_every = round(1.0 / (CHECK_HZ * self.world.model.opt.timestep))
        ended = False
        while not ended:
            self._act()
            check = (self._step // check_every + 1) * check_every
            following = min(check, *(beat.next for beat in self._beats), *(step for step, _ in self._sent))
            self.world.step(following - self._step)
            self._step = following
            if following == check:
                self._stop_all_on_fault()
                ended = over()

    def _act(self) -> None:
        """Do all that is due at this step."""
        camera, *servos = self._beats
        if camera.next == self._step:
            camera.happen()
        while self._sent and self._sent[0][0] <= self._step:
            chunks = self._sent.popleft()[1]
            for side in self.sides:
                if side.name in chunks:
                    side.command(chunks[side.name])
        for servo in servos:
            if servo.next == self._step:
                servo.happen()

    def _decide(self) -> None:
        """Observe the world and send what the policy decides; its clock is when the chunk will arrive."""
        stamp_ns = self._now_ns
        for side in self.sides:
            side.observe(self.loop)
        self.loop.observe_image(stamp_ns, self.renderer.render(self.world.data.qpos))
        decision = self.loop.step(lambda: stamp_ns + round(DELAY_S * SECOND))
        self._sent.append((self._step + round(DELAY_S / self.world.model.opt.timestep), decision.chunks))

    def _stop_all_on_fault(self) -> None:
        """As the driver nodes do: what one robot does is no good without the other."""
        stopped = [driver for driver in self._drivers if driver.state is State.STOPPED]
        if stopped and len(stopped) < len(self._drivers):
            self.faults += [driver.reason for driver in stopped]
            for driver in self._drivers:
                driver.stop("emergency stop")

    def _reset_drivers(self) -> None:
        for driver in self._drivers:
            if driver.state is State.STOPPED:
                driver.reset()

    @property
    def _drivers(self) -> list[Driver]:
        return [driver for side in self.sides for driver in side.drivers.values()]

    @property
    def _now_ns(self) -> int:
        return self.world.stamp_ns
