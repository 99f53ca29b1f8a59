"""What a process or thread may ask of the system to be woken on time."""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys

SLICE_NS = 600_000  # shorter than any task has by default, and long enough for a step not to be parted
GIL_S = 0.0005  # the interpreter's own slice is 5 ms: a servo period and more
DEVICE_PRIORITY = 40  # of emulated devices: a real one has a processor of its own; below the servo loops
HELPER_PRIORITY = 1  # of what shares an interpreter with a servo loop: whoever holds its lock must run to give it back
_PR_SET_TIMERSLACK = 29
_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}  # no C library has a function for it
_SCHED_ATTR = "=IIQiIQQQII"  # size, policy, flags, nice, priority, runtime, deadline, period, clamps; sched_setattr(2)


def prompt() -> bool:
    """For a process of short work that is due at once: all threads that start from here on get short slices of time.

    A thread that wakes then goes before one that computes (Linux 6.12 and later: the slice is the `runtime` of a task
    of SCHED_OTHER); how much of the processor each gets stays the same. Threads of this process give way to one another
    as soon. Returns whether the system took it; where it does not know such slices, all stays as it was.
    """
    sys.setswitchinterval(GIL_S)
    number = _SCHED_SETATTR.get(platform.machine())
    if sys.platform != "linux" or number is None:
        return False
    size = struct.calcsize(_SCHED_ATTR)
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    wanted = struct.pack(_SCHED_ATTR, size, os.SCHED_OTHER, 0, nice, 0, SLICE_NS, 0, 0, 0, 0)
    return ctypes.CDLL(None).syscall(number, 0, ctypes.c_char_p(wanted), 0) == 0


def schedule_in_real_time(priority: int, inherited: bool = False) -> bool:
    """Give this thread SCHED_FIFO, and where `inherited` those that it starts; False for priority 0, and where that is
    not permitted."""
    if not priority:
        return False
    policy = os.SCHED_FIFO if inherited else os.SCHED_FIFO | os.SCHED_RESET_ON_FORK
    try:
        os.sched_setscheduler(0, policy, os.sched_param(priority))
    except (OSError, AttributeError):
        return False
    return True


def precise_timers() -> None:
    """Let the kernel wake this thread on time: it may otherwise bundle timers within 50 us. Needs no privilege."""
    try:
        ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)
    except (OSError, AttributeError):
        return  # not Linux: the default has to do
