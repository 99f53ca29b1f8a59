"""The quality-of-service profiles of the graph, written once.

All are reliable: a reliable writer serves best-effort readers too, and over shared memory on one machine it costs
nothing measurable. Depths bound memory; commands keep only the newest, since a newer chunk replaces an older one.
"""

from __future__ import annotations

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy


def _reliable(depth: int, durability: DurabilityPolicy = DurabilityPolicy.VOLATILE) -> QoSProfile:
    return QoSProfile(
        depth=depth, history=HistoryPolicy.KEEP_LAST, reliability=ReliabilityPolicy.RELIABLE, durability=durability
    )


IMAGE = _reliable(10)  # a third of a second at 30 Hz: a reader that is kept off the processor so long misses none
STATE = _reliable(10)
COMMAND = _reliable(2)
LATCHED = _reliable(1, DurabilityPolicy.TRANSIENT_LOCAL)
