"""Runs a station until its time is over, a failure or Ctrl-C, for machines without `ros2 launch`.

`ros2 run bringup supervisor left_hand:=inspire right_hand:=xhand`
Exit status: 0 success, 1 a failure during the run, 2 a refusal before it, 130 interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from bringup.session import FAILED, FAILURES, FINE, INTERRUPTED, REFUSALS, REFUSED, explain, prepare
from bringup.supervisor import StoppedError, Supervisor


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the station of `name:=value` arguments; returns the exit status."""
    try:
        session = prepare(sys.argv[1:] if arguments is None else arguments)
    except REFUSALS as error:
        print(f"error: {error}", file=sys.stderr)
        return REFUSED
    print(f"run directory: {session.run.path}", flush=True)
    with Supervisor(session.nodes, session.run) as supervisor:
        try:
            supervisor.start()
            supervisor.bring_up(lambda text: print(text, flush=True))
            print("the graph is active", flush=True)
            supervisor.wait(session.station.seconds, lambda elapsed: None)
            return FINE
        except StoppedError:
            return INTERRUPTED
        except FAILURES as error:
            explain(session, supervisor, error)
            return FAILED


if __name__ == "__main__":
    raise SystemExit(main())
