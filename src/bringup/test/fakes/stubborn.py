"""Ignores requests to end, as a process that hangs does, and has a child that does the same."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
time.sleep(600)
