"""Replay a recording offline: the observations of a bag through the policy's and the codecs' loops, without ROS.

    ./ws run bringup replay out/run-.../bag/...

Every decision is made again from the messages that it was made from, on their own time stamps, and compared to the bit
with what was recorded: latent states from joint states, latent actions from images and latent states, commands from
latent actions. Observations count as fresh: a recording contains those that were used, and only they are replayed.

A latent action goes on from the one before, so the recording has to begin before the policy does, as that of the demo:
later ones give latent states and commands again, but no latent actions. The policy's parameters are the defaults.
"""

from __future__ import annotations

import sys
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

import embodiments
from contracts import command_line
from contracts.bundle import BundleError
from contracts.chunk import Chunk
from contracts.framing import Fit, FitOption
from contracts.servo import PARTS
from embodiments.errors import EmbodimentError
from episodes import streams
from episodes.bag import EpisodeReader, naming
from episodes.messages import IMAGE
from episodes.metadata import EpisodeError
from latent_codec.codec import Codec
from latent_codec.loop import CodecLoop, CodecSettings, State
from latent_codec.side import SideCodec
from latent_policy_node.loop import LoopSettings, PolicyLoop
from latent_policy_node.policy import Policy
from node_kit import messages
from node_kit.messages import MessageStatus

ANY_AGE_S = 5.0


@dataclass
class Side:
    """What a bag holds of one side, by stamp, and the codec's loop that replays it.

    Attributes:
        joints: joint states of "arm" and "hand", ascending by stamp.
        states: latent states.
        used: stamp of the image -> stamp of the latent state that went with it.
        actions: latent actions. commands: those of "arm" and "hand".
    """

    codec: SideCodec
    joints: dict[str, list[State]] = field(default_factory=lambda: {part: [] for part in PARTS})
    states: dict[int, np.ndarray] = field(default_factory=dict)
    used: dict[int, int] = field(default_factory=dict)
    actions: dict[int, Chunk] = field(default_factory=dict)
    commands: dict[str, dict[int, Chunk]] = field(default_factory=lambda: {part: {} for part in PARTS})

    def take(self, topic: str, message: Any) -> None:
        """Take a message of `topic`, its name without the side. Raises EpisodeError."""
        part, _, kind = topic.rpartition("/")
        if kind == "joint_states":
            arrays = _sound(messages.joint_state_arrays(message, getattr(self.codec, part).joints), topic)
            self.joints[part].append(State(arrays.stamp_ns, arrays.position))
        elif kind == "command":
            chunk = _sound(messages.read_chunk(message, getattr(self.codec, part).joints), topic)
            self.commands[part][chunk.stamp_ns] = chunk
        elif kind == "latent_state":
            arrays = _sound(messages.joint_state_arrays(message, self.codec.axes), topic)
            self.states[arrays.stamp_ns] = arrays.position
        elif kind == "latent_action":
            chunk = _sound(messages.read_chunk(message, self.codec.axes), topic)
            self.actions[chunk.stamp_ns] = chunk
        elif kind == "observation":
            reference = message.time_ref
            self.used[messages.stamp_ns(message.header)] = messages.nanoseconds(reference)


TOPICS = (
    "arm/joint_states",
    "hand/joint_states",
    "latent_state",
    "observation",
    "latent_action",
    "arm/command",
    "hand/command",
)


@dataclass(frozen=True)
class Report:
    """How many recorded messages there are of each kind, and how many the replay gave again, to the bit."""

    recorded: Counter[str] = field(default_factory=Counter)
    reproduced: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether there was something recorded, and all of it was reproduced."""
        return self.recorded == self.reproduced and self.recorded.total() > 0

    def compare(self, kind: str, stamp_ns: int, same: bool, reason: str = "") -> None:
        """Count a recorded message; `reason` is why the replay gave none."""
        self.recorded[kind] += 1
        self.reproduced[kind] += same
        if not same:
            self.differences.append(f"{kind} of {stamp_ns}: {reason or 'other values'}")


def replay(bag: Path, policy: Path, codec: Path, fit: Fit | None = None) -> Report:
    """Replay a bag of the product's recorder with these bundles.

    Raises:
        EpisodeError: If the bag lacks something, or a clock was set back while it was recorded.
        BundleError, EmbodimentError: If a bundle or a robot cannot be loaded.
    """
    report = Report()
    with naming(bag), EpisodeReader(bag) as reader:
        sides = read_sides(reader, codec)
        for name, side in sides.items():
            _replay_states(name, side, report)
            _replay_commands(name, side, report)
        _replay_policy(reader, sides, Policy.load(policy), fit, report)
    return report


def read_sides(reader: EpisodeReader, codec: Path) -> dict[str, Side]:
    """All but the images of a bag, by side."""
    about = reader.metadata
    if about is None:
        raise EpisodeError(reader.path, "metadata.yaml", None, "what the episode is about, as the recorder writes it")
    robots = {
        side: tuple(embodiments.load(name, side) for name in (parts.arm, parts.hand))
        for side, parts in about.embodiments.items()
    }
    loaded = Codec.load(codec, {hand.name for _, hand in robots.values()})
    sides = {
        name: Side(SideCodec(loaded, arm, hand, np.array(about.bases[name]))) for name, (arm, hand) in robots.items()
    }
    wanted = {f"/{name}/{topic}": (side, topic) for name, side in sides.items() for topic in TOPICS}
    missing = [topic for topic in wanted if topic not in reader.topics or not reader.topics[topic].count]
    if missing:
        raise EpisodeError(reader.path, "topics", f"no messages on {', '.join(missing)}", "some on each")
    streams.refuse_jumps(reader, set(wanted))
    for record in reader.records(set(wanted)):
        side, topic = wanted[record.topic]
        side.take(topic, record.decode())
    return sides


def _replay_states(name: str, side: Side, report: Report) -> None:
    """Those that were measured before the first recorded joint states are left out."""
    loop, waiting = _codec_loop(side)
    began_ns = max(states[0].stamp_ns for states in side.joints.values())
    for stamp_ns in sorted(stamp_ns for stamp_ns in side.states if stamp_ns >= began_ns):
        for part, states in waiting.items():  # up to the first that is not older
            newest = loop.newest(part)
            while states and (newest is None or newest.stamp_ns < stamp_ns):
                newest = states.popleft()
                loop.observe(part, newest.stamp_ns, newest.position)
        found = loop.latent_state(stamp_ns)
        same = found is not None and found.stamp_ns == stamp_ns and _equal(found.position, side.states[stamp_ns])
        report.compare(f"{name} latent states", stamp_ns, same)


def _replay_commands(name: str, side: Side, report: Report) -> None:
    """Of latent actions without a command the codec refused or never received one: they are left out, as live."""
    loop, waiting = _codec_loop(side)
    for stamp_ns in sorted(side.commands["arm"].keys() | side.commands["hand"].keys()):
        for part, states in waiting.items():
            while states and states[0].stamp_ns <= stamp_ns:
                loop.observe(part, states[0].stamp_ns, states.popleft().position)
        found, reason = {}, "no latent action recorded"
        if stamp_ns in side.actions:
            found, reason = loop.decode(side.actions[stamp_ns], side.codec.codec.latent_space, stamp_ns)
        for part in PARTS:
            if stamp_ns in side.commands[part]:
                same = part in found and _equal_chunks(found[part], side.commands[part][stamp_ns])
                report.compare(f"{name} {part} commands", stamp_ns, same, reason)
        if stamp_ns in side.commands["arm"]:
            loop.seed.remember(side.commands["arm"][stamp_ns])


def _codec_loop(side: Side) -> tuple[CodecLoop, dict[str, deque[State]]]:
    """A loop, and the joint states that it has not observed yet. How old they may be was decided live."""
    waiting = {part: deque(states) for part, states in side.joints.items()}
    return CodecLoop(side.codec, CodecSettings(max_state_age_s=ANY_AGE_S)), waiting


def _replay_policy(
    reader: EpisodeReader, sides: dict[str, Side], policy: Policy, fit: Fit | None, report: Report
) -> None:
    loop = PolicyLoop(policy, LoopSettings(image_fit=fit))
    decided = set.intersection(*(set(side.actions) for side in sides.values()))
    seen: set[int] = set()
    for stamp_ns, pixels in _images(reader, reader.camera_topic(next(iter(policy.cameras))), decided):
        sent = {name: side.actions[stamp_ns] for name, side in sides.items()}
        seen.add(stamp_ns)
        loop.observe_image(stamp_ns, pixels)
        for name, side in sides.items():
            used_ns = side.used.get(stamp_ns)
            if used_ns in side.states:
                loop.observe_state(name, used_ns, side.states[used_ns])
        # The image was fresh; inference ended when the first point is due.
        times = iter((stamp_ns, next(iter(sent.values())).start_ns))
        decision = loop.step(lambda times=times: next(times))
        for name, chunk in sent.items():
            same = name in decision.chunks and _equal_chunks(decision.chunks[name], chunk)
            report.compare(f"{name} latent actions", stamp_ns, same, "" if decision.chunks else decision.status)
    for name, side in sides.items():
        for stamp_ns in sorted(set(side.actions) - seen):
            reason = "its image is not recorded" if stamp_ns in decided else "the other side has none"
            report.compare(f"{name} latent actions", stamp_ns, False, reason)


def _images(reader: EpisodeReader, topic: str, stamps: set[int]) -> Iterator[tuple[int, np.ndarray]]:
    """Stamp and pixels (H, W, 3) of the images of these stamps."""
    streams.refuse_jumps(reader, {topic})
    for record in reader.records({topic}):
        message = record.decode() if record.msgtype == IMAGE else None
        if message is not None and messages.stamp_ns(message.header) in stamps:
            yield messages.stamp_ns(message.header), _sound(messages.image_array(message), topic)


def _sound(read: tuple[Any, MessageStatus], topic: str) -> Any:
    values, status = read
    if status is not MessageStatus.OK:
        raise EpisodeError("", topic, str(status), "a sound message")
    return values


def _equal(found: np.ndarray, recorded: np.ndarray) -> bool:
    return found.shape == recorded.shape and found.tobytes() == recorded.tobytes()


def _equal_chunks(found: Chunk, recorded: Chunk) -> bool:
    same_times = np.array_equal(found.times_ns, recorded.times_ns)
    return found.stamp_ns == recorded.stamp_ns and same_times and _equal(found.points, recorded.points)


def run(
    bag: Annotated[Path, typer.Argument(help="folder of a bag")],
    policy: Annotated[Path, typer.Option(help="policy bundle that ran live")] = Path("models/policy"),
    codec: Annotated[Path, typer.Option(help="codec bundle that ran live")] = Path("models/codec"),
    fit: Annotated[FitOption | None, typer.Option(help="of the camera in the station, where it chooses one")] = None,
    differences: Annotated[int, typer.Option(min=0, help="so many of the differences are printed")] = 5,
) -> None:
    """Say how many of the recorded latent states, latent actions and commands the models give again offline."""
    try:
        report = replay(bag, policy, codec, fit.value if fit else None)
    except (EpisodeError, BundleError, EmbodimentError, OSError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        raise typer.Exit(2) from None
    for kind, count in sorted(report.recorded.items()):
        print(f"{kind}: {report.reproduced[kind]} of {count} reproduced")
    for text in report.differences[:differences]:
        print(f"  differs: {text}")
    raise typer.Exit(0 if report.complete else 1)


def main() -> int:
    """Run the command line; returns the exit status."""
    return command_line.run(run, name="replay")


if __name__ == "__main__":
    raise SystemExit(main())
