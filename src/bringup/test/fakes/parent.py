"""Starts a stubborn child the way the supervisor does and waits to be killed."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from bringup.processes import Processes

processes = Processes(lambda end: None)
processes.start("child", [sys.executable, "-c", "import time; time.sleep(600)"], Path(os.devnull), os.environ)
print(processes.running()["child"], flush=True)
time.sleep(600)
