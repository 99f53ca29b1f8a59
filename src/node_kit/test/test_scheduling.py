"""Scheduling that the system grants a process with real-time needs."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

PROBE = """
import ctypes, struct, sys, threading
from node_kit import scheduling

def slice_ns():
    found = ctypes.create_string_buffer(56)
    ctypes.CDLL(None).syscall(%d, 0, found, 56, 0)
    return struct.unpack("=IIQiIQQQII", found.raw)[5]

before, taken = slice_ns(), scheduling.prompt()
later = []
thread = threading.Thread(target=lambda: later.append(slice_ns()))
thread.start()
thread.join()
print(before, int(taken), slice_ns(), later[0], sys.getswitchinterval())
"""
GETATTR = {"x86_64": 315, "aarch64": 275}


def test_a_prompt_process_and_its_later_threads_have_short_slices():
    number = GETATTR.get(platform.machine())
    if sys.platform != "linux" or number is None:
        pytest.skip("no such slices here")
    found = subprocess.run([sys.executable, "-c", PROBE % number], capture_output=True, text=True, check=True)
    before, taken, own, thread, switch = found.stdout.split()
    if before == "0":
        pytest.skip("this kernel has no slices to request")
    assert taken == "1" and own == thread == "600000" and int(before) > 600_000
    assert float(switch) < 0.001
