"""A lifecycle node that only notes its transitions; refuses to configure on request."""

from __future__ import annotations

import os
import time
from pathlib import Path

from node_kit.lifecycle import Lifecycle
from node_kit.main import spin


class FakeNode(Lifecycle):
    def configure(self, parameters: object) -> None:
        self._note("configure")
        if os.environ.get("REFUSES") == self.get_name():
            raise ValueError("models/x/manifest.yaml: field: found nothing, expected a value")

    def activate(self) -> None:
        self._note("activate")

    def deactivate(self) -> None:
        self._note("deactivate")

    def _note(self, transition: str) -> None:
        with Path(os.environ["NOTES"]).open("a") as notes:
            notes.write(f"{time.monotonic_ns()} {self.get_name()} {transition}\n")


if __name__ == "__main__":
    raise SystemExit(spin(FakeNode, "fake"))
