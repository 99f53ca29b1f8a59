"""The quality-of-service profiles of the graph.

All writers are reliable: a reliable writer serves best-effort readers too, and the cost on one machine is not
measurable. Depths bound memory; commands keep only the newest, since a newer chunk replaces an older
one.
"""

from __future__ import annotations

from rclpy.duration import Duration
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy


def _reliable(depth: int, durability: DurabilityPolicy = DurabilityPolicy.VOLATILE) -> QoSProfile:
    return QoSProfile(
        depth=depth, history=HistoryPolicy.KEEP_LAST, reliability=ReliabilityPolicy.RELIABLE, durability=durability
    )


IMAGE = _reliable(10)  # a third of a second at 30 Hz: no image is dropped during a scheduler stall of that length
# of a reader: cameras of others often publish it as best effort, which a reliable reader does not receive
CAMERA_INFO = QoSProfile(depth=1, history=HistoryPolicy.KEEP_LAST, reliability=ReliabilityPolicy.BEST_EFFORT)
STATE = _reliable(10)
COMMAND = _reliable(2)
EVENT = _reliable(10)
LATCHED = _reliable(1, DurabilityPolicy.TRANSIENT_LOCAL)


def brief(lifespan_s: float) -> QoSProfile:
    """The profile LATCHED with a lifespan, after which a message is not delivered to late subscribers."""
    profile = _reliable(1, DurabilityPolicy.TRANSIENT_LOCAL)
    profile.lifespan = Duration(seconds=lifespan_s)
    return profile
