"""The end of the process that started the nodes.

`ros2 launch` leaves its nodes running when it is terminated or killed. The launch files name its process in the
variable CROSSHAND_PARENT, and each node ends with it. A node that is started alone has no such variable: it ends on a
signal only.
"""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable

VARIABLE = "CROSSHAND_PARENT"


def on_end_of_parent(notify: Callable[[], object]) -> None:
    """Call `notify` in a thread of its own once the process in CROSSHAND_PARENT has ended; at once if it has already.

    Raises:
        ValueError: The variable is not a process id.
        OSError: The system cannot watch a process (Linux before 5.3).
    """
    named = os.environ.get(VARIABLE)
    if not named:
        return
    if not named.isdigit():
        raise ValueError(f"{VARIABLE}: found {named!r}, expected a process id")
    try:
        parent = os.pidfd_open(int(named))
    except ProcessLookupError:
        notify()
        return

    def wait() -> None:
        select.select([parent], [], [])  # readable once it has ended, even if nobody waits for it
        notify()

    threading.Thread(target=wait, name="parent", daemon=True).start()
