"""Command line: `python -m system_tests.reference [--check]`."""

from __future__ import annotations

from system_tests.reference.pages import main

if __name__ == "__main__":
    raise SystemExit(main())
