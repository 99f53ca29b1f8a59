"""Sums the junit files of `colcon test` and prints one line: N passed, N failed, N skipped.

    python .ci/summary.py BUILD_FOLDER PACKAGE...

Exits with 1 when a test failed or none ran.
"""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

Counts = tuple[int, int, int]


def count(report: Path) -> Counts:
    """Passed, failed and skipped tests of one junit file; a report that cannot be read counts as one failure."""
    try:
        suites = ElementTree.parse(report).getroot().iter("testsuite")
        total = failed = skipped = 0
        for suite in suites:
            total += int(suite.get("tests", 0))
            failed += int(suite.get("failures", 0)) + int(suite.get("errors", 0))
            skipped += int(suite.get("skipped", 0))
    except (OSError, ElementTree.ParseError, ValueError) as problem:
        print(f"  {report}: {problem}")
        return 0, 1, 0
    return total - failed - skipped, failed, skipped


def line(counts: Counts) -> str:
    """The counts in words."""
    return "{} passed, {} failed, {} skipped".format(*counts)


def main(build: Path, packages: list[str]) -> int:
    """Print the results of the packages; returns the exit code."""
    results = {package: count(build / package / "pytest.xml") for package in packages}
    width = max(map(len, results), default=0)
    for package, counts in results.items():
        print(f"  {package:<{width}}  {line(counts)}")
    passed, failed, skipped = (sum(column) for column in zip(*results.values(), strict=True)) if results else (0, 0, 0)
    print(line((passed, failed, skipped)))
    return int(failed > 0 or passed == 0)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
