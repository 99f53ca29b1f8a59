"""Runs a station until its time is over, a failure or Ctrl-C, for machines without `ros2 launch`.

`ros2 run bringup supervisor left_hand:=inspire right_hand:=xhand`
Exit status: 0 success, 1 a failure during the run or robots that cannot move at its end, 2 a refusal before it, 130
interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from bringup import impediments
from bringup.impediments import Impediment
from bringup.session import FAILED, REFUSALS, REFUSED, Session, prepare, run_graph
from bringup.supervisor import Supervisor


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the station of `name:=value` arguments; returns the exit status."""
    try:
        session = prepare(sys.argv[1:] if arguments is None else arguments)
    except REFUSALS as error:
        print(f"error: {error}", file=sys.stderr)
        return REFUSED
    print(f"run directory: {session.run.path}", flush=True)
    outcome, found = run_graph(session, lambda supervisor: watch(session, supervisor))
    return FAILED if found else outcome


def watch(session: Session, supervisor: Supervisor) -> list[Impediment]:
    """Wait until the run's time is over; says what keeps robots from moving, and returns what does so at the end."""
    print("the graph is active", flush=True)
    said: list[Impediment] = []

    def say(_: float) -> None:
        found = impediments.find(supervisor.monitor.snapshot())
        for each in found:
            if each not in said:
                print(f"warning: {each}", file=sys.stderr, flush=True)
        said[:] = found

    supervisor.wait(session.station.seconds, say)
    return said


if __name__ == "__main__":
    raise SystemExit(main())
