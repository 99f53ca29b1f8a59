"""Tests are of the robots of this package, not of those that a user of the workspace has added."""

from __future__ import annotations

import os

from embodiments.registry import FOLDERS_VARIABLE

os.environ.pop(FOLDERS_VARIABLE, None)
