"""Scheduling of processes and threads that have to run on time."""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys

SLICE_NS = 600_000  # shorter than the default slice, and long enough for a whole step
GIL_S = 0.0005  # switch interval; the default of 5 ms is a servo period or more
DEVICE_PRIORITY = 40  # of emulated devices, below the servo loops: a real device has a processor of its own
HELPER_PRIORITY = 1  # of threads beside a servo loop: one that holds the interpreter lock must run to release it
_PR_SET_TIMERSLACK = 29
_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}  # no C library has a function for it
_SCHED_ATTR = "=IIQiIQQQII"  # size, policy, flags, nice, priority, runtime, deadline, period, clamps; sched_setattr(2)


def prompt() -> bool:
    """Request short time slices for this process: for threads that wake often and run briefly.

    A thread that wakes then preempts one that computes; each one's share of the processor stays the same (Linux 6.12
    and later: the slice is the `runtime` of a SCHED_OTHER task). The interpreter's switch interval becomes as short.
    Threads inherit the slice from the thread that starts them.

    Returns:
        Whether the system supports it; otherwise the scheduling is unchanged.
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
    """Give this thread real-time priority (SCHED_FIFO).

    Args:
        priority: 1 to 99; 0 leaves the scheduling unchanged.
        inherited: Whether threads that this one starts inherit it.

    Returns:
        Whether the priority was set; False for priority 0, or without the permission.
    """
    if not priority:
        return False
    policy = os.SCHED_FIFO if inherited else os.SCHED_FIFO | os.SCHED_RESET_ON_FORK
    try:
        os.sched_setscheduler(0, policy, os.sched_param(priority))
    except (OSError, AttributeError):
        return False
    return True


def precise_timers() -> None:
    """Make timers of this thread exact: by default the kernel may delay them by 50 us. Needs no privilege."""
    try:
        ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)
    except (OSError, AttributeError):
        return  # not Linux
