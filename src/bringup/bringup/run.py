"""Runs a station until its time is over, a failure or Ctrl-C, for machines without `ros2 launch`.

`ros2 run bringup supervisor left_hand:=inspire right_hand:=xhand`
Exit status: 0 success, 1 a failure during the run, 2 a refusal before it, 130 interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from bringup.session import REFUSALS, REFUSED, Session, prepare, run_graph
from bringup.supervisor import Supervisor


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the station of `name:=value` arguments; returns the exit status."""
    try:
        session = prepare(sys.argv[1:] if arguments is None else arguments)
    except REFUSALS as error:
        print(f"error: {error}", file=sys.stderr)
        return REFUSED
    print(f"run directory: {session.run.path}", flush=True)
    return run_graph(session, lambda supervisor: watch(session, supervisor))[0]


def watch(session: Session, supervisor: Supervisor) -> None:
    """Wait until the run's time is over."""
    print("the graph is active", flush=True)
    supervisor.wait(session.station.seconds, lambda elapsed_s: None)


if __name__ == "__main__":
    raise SystemExit(main())
