"""CPU starvation: more busy processes than processors, with the priority of the graph's."""

from __future__ import annotations

import os
import subprocess
import sys

PER_CPU = 4


class Starvation:
    """Runs PER_CPU busy processes for each processor; a context manager."""

    def __enter__(self) -> Starvation:
        count = PER_CPU * (os.cpu_count() or 1)
        self._busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._busy:
            process.kill()
        for process in self._busy:
            process.wait()
