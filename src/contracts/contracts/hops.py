"""The way of a chunk from the image's stamp to the first write, hop by hop.

Each node notes when the observation of a chunk passed the end of each of its hops, and gives the notes out in its
diagnostics. Every message of one chunk carries the stamp of the observation, by which the notes of all nodes are
joined. A hop is what lies between two ends, so the hops of a chunk add up to the whole exactly. All nodes have to
share one clock; across machines the transport hops hold the difference of the clocks.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Mapping

from contracts.latency import LatencyTrace

# The hops that end in each kind of node, in order. `capture` is exposure or rendering, up to the call of publish;
# `image_transport` ends as the policy has the image, `observation_checks` as inference begins, `cross_fade` at the call
# of publish, `action_transport` as the codec has the chunk, `decode` at the call of publish, `command_transport` as the
# middleware of the driver has it, `command_wait` as the servo step that uses it first begins, `command_checks` as that
# step has taken it, `write` at the call of the device's `write`.
CAMERA = ("capture",)
POLICY = ("image_transport", "observation_checks", "inference", "cross_fade")
CODEC = ("action_transport", "decode")
DRIVER = ("command_transport", "command_wait", "command_checks", "write")
HOPS = (*CAMERA, *POLICY, *CODEC, *DRIVER)
# As Isaac ROS measures: from the begin of the source's callback, here the image's publication, to the end of the
# sink's, here that of the driver's callback for the command. Capture and write are the devices' own.
SOURCE_TO_SINK = HOPS[1:-1]
SUMS = {
    "whole": HOPS,
    "whole_without_inference": tuple(hop for hop in HOPS if hop != "inference"),
    "source_to_sink": SOURCE_TO_SINK,
}

KEY = "hops"  # of diagnostics
MOST_NOTES = 512  # that wait to be given out: at 30 Hz for 17 s


class HopLog:
    """When observations passed the ends of a node's hops. One thread may add while another reads."""

    def __init__(self, hops: tuple[str, ...]) -> None:
        self.ages = {hop: LatencyTrace() for hop in hops}
        self._notes: deque[str] = deque(maxlen=MOST_NOTES)

    def add(self, stamp_ns: int, *times_ns: int) -> None:
        """Note that the observation of ``stamp_ns`` passed the ends of the hops at ``times_ns``, on the same clock."""
        ages_ns = [time_ns - stamp_ns for time_ns in times_ns]
        for trace, age_ns in zip(self.ages.values(), ages_ns, strict=True):
            trace.add(age_ns * 1e-6)
        self._notes.append(f"{stamp_ns}:{','.join(str(age_ns // 1000) for age_ns in ages_ns)}")

    def values(self) -> dict[str, str | float]:
        """For diagnostics: the observation's age after each hop in ms, and each note once: ``stamp_ns:us,us ...``."""
        values: dict[str, str | float] = {}
        for hop, trace in self.ages.items():
            values |= trace.values(f"age_after_{hop}")
            values[f"age_after_{hop}_ms_mean"] = round(trace.summary()["mean"], 3)
        notes = [self._notes.popleft() for _ in range(len(self._notes))]
        return values | {KEY: " ".join(notes)}


class HopTable:
    """Joins the notes of all nodes by stamp: durations of every hop, and of the sums, for arms and for hands.

    ``traces["arm"]["decode"]`` in ms; of the SUMS, ``"whole"`` is from the stamp to the first write. A chunk counts
    once a driver, as soon as all nodes on its way have reported it. Bounded in memory.
    """

    MOST_STAMPS = 1024  # nodes report once a second, up to that much apart

    def __init__(self) -> None:
        self.traces = {part: _traces() for part in ("arm", "hand")}
        self._ages: OrderedDict[int, dict[str, tuple[int, ...]]] = OrderedDict()

    def receive(self, name: str, text: str) -> None:
        """Take the notes of the node whose status is ``name``, such as ``driver/left/arm``; others are left out."""
        ends = {"camera": CAMERA, "policy": POLICY, "codec": CODEC, "driver": DRIVER}.get(name.partition("/")[0], ())
        node = "camera" if ends is CAMERA else name  # the stamp says which camera
        for stamp_ns, ages_us in _notes(text):
            if len(ages_us) == len(ends) > 0:
                found = self._ages.setdefault(stamp_ns, {})
                found[node] = ages_us
                self._count(found)
        while len(self._ages) > self.MOST_STAMPS:
            self._ages.popitem(last=False)

    def figures(self) -> dict[str, dict[str, dict[str, float]]]:
        """``{"arm": {hop or sum: {"p50", "p99", "max", "mean", "count"}}}`` in ms, of the parts that were measured."""
        return {
            part: {name: {key: round(ms, 3) for key, ms in trace.summary().items()} for name, trace in traces.items()}
            for part, traces in self.traces.items()
            if traces["whole"].summary()["count"]
        }

    def _count(self, found: dict[str, tuple[int, ...]]) -> None:
        """Count the drivers whose way is known by now; each is taken away."""
        for driver in [name for name in found if name.startswith("driver/")]:
            _, side, part = driver.split("/")
            way = ("camera", "policy", f"codec/{side}", driver)
            if part in self.traces and all(node in found for node in way):
                self._add(self.traces[part], [age for node in way for age in found[node]])
                del found[driver]

    @staticmethod
    def _add(traces: Mapping[str, LatencyTrace], ages_us: list[int]) -> None:
        begins = [0, *ages_us]
        took = {hop: end - begin for hop, begin, end in zip(HOPS, begins, ages_us, strict=False)}
        took |= {name: sum(took[hop] for hop in hops) for name, hops in SUMS.items()}
        for hop, us in took.items():
            traces[hop].add(us * 1e-3)


def _traces() -> dict[str, LatencyTrace]:
    return {name: LatencyTrace() for name in (*HOPS, *SUMS)}


def _notes(text: str) -> list[tuple[int, tuple[int, ...]]]:
    """Stamps and ages in us of a status; what cannot be read is left out."""
    found = []
    for note in text.split():
        stamp, _, ages = note.partition(":")
        try:
            found.append((int(stamp), tuple(int(age) for age in ages.split(","))))
        except ValueError:
            continue
    return found
