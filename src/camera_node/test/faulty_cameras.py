"""Cameras that stop or freeze on request, one per shipped source, as plug-ins of a node in another process."""

from __future__ import annotations

from recordings import HEIGHT, WIDTH

RATE_HZ = 10
FAULTS = ("stopped", "frozen")  # a file of that name beside the plug-in injects the fault

# In the place of cv2.VideoCapture; like the real one, it waits up to a second for a silent camera.
V4L2 = f"""
import time
from pathlib import Path
import numpy as np
from camera_node.v4l2 import V4L2Source

HERE = Path(__file__).parent

class Device:
    def __init__(self, *_): self.number = 0
    def isOpened(self): return True
    def set(self, key, value): (HERE / f"asked_{{key}}").write_text(str(value))
    def get(self, key): return time.monotonic() * 1e3
    def release(self): pass
    def read(self):
        time.sleep(1 / {RATE_HZ})
        if (HERE / "stopped").exists():
            time.sleep(1.0)
            return False, None
        self.number += not (HERE / "frozen").exists()
        return True, np.full(({HEIGHT}, {WIDTH}, 3), self.number % 256, np.uint8)

class Camera(V4L2Source):
    def __init__(self, options):
        super().__init__(options, Device)
"""

REALSENSE = """
from pathlib import Path
import software_camera
from camera_node.realsense import RealSenseSource

HERE = Path(__file__).parent

class Device(software_camera.Camera):
    @property
    def condition(self):
        return "silent" if (HERE / "stopped").exists() else "frozen" if (HERE / "frozen").exists() else "fine"
    @condition.setter
    def condition(self, condition):
        pass

class Camera(RealSenseSource):
    def __init__(self, options):
        device = Device(rate_hz=RATE_HZ)
        device.live(1 / RATE_HZ)
        super().__init__(options, device.query)
""".replace("RATE_HZ", str(RATE_HZ))
