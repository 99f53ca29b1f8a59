"""`python -m latent_policy_node.bench [--bundle DIR] [--json FILE]`: speed of a policy bundle, measured here."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import onnxruntime
import typer
from rich.table import Table

from contracts import command_line, results
from contracts.bundle import BundleError, bundle_sha256
from contracts.files import write_atomic
from contracts.latency import LatencyTrace
from latent_policy_node.policy import Observation, Policy, PolicyStatus

CAMERA_SIZE = (180, 320)


def measure(bundle: Path, runs: int, threads: int = 1) -> dict[str, Any]:
    """Latencies in ms of preparing an image and of a whole inference; size; what the bundle says of its training."""
    policy = Policy.load(bundle, threads)
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (*CAMERA_SIZE, 3), dtype=np.uint8)
    state = {side: rng.normal(size=len(policy.axes)) for side in policy.sides}
    observation = Observation(0, dict.fromkeys(policy.cameras, image), state)
    for _ in range(5):
        if policy.infer(observation)[1] is not PolicyStatus.OK:
            raise BundleError(bundle, "inference", policy.infer(observation)[1], "finite actions")
    return {
        "policy_sha256": bundle_sha256(bundle),
        "latent_space": policy.latent_space,
        "megabytes": round(sum(entry.bytes for entry in policy.manifest.files.values()) / 1e6, 2),
        "prepare_ms": timed(lambda: policy.prepare(image), runs),
        "inference_ms": timed(lambda: policy.infer(observation), runs),
        "threads": threads,
        "machine": {"processor": platform.machine(), "onnxruntime": onnxruntime.__version__},
        "metrics": policy.manifest.metrics,
    }


def timed(call: Callable[[], object], runs: int) -> dict[str, float]:
    """p50, p99, max in ms of `runs` calls."""
    trace = LatencyTrace()
    for _ in range(runs):
        began = time.perf_counter()
        call()
        trace.add(1e3 * (time.perf_counter() - began))
    return {name: round(value, 3) for name, value in trace.summary().items() if name != "count"}


def run(
    bundle: Annotated[Path, typer.Option(help="policy bundle")] = Path("models/policy"),
    runs: Annotated[int, typer.Option(min=10, max=100_000, help="inferences")] = 300,
    threads: Annotated[int, typer.Option(min=1, max=64, help="threads of one inference")] = 1,
    report: Annotated[Path | None, typer.Option("--json", help="write the same figures here")] = None,
    markdown: Annotated[Path | None, typer.Option(help="write the table into this page")] = None,
) -> None:
    """Measure a policy bundle on this machine."""
    figures = measure(bundle, runs, threads)
    table = Table("", "p50 ms", "p99 ms", "max ms", title=f"{bundle}, {figures['megabytes']} MB, {threads} thread(s)")
    for name in ("prepare_ms", "inference_ms"):
        table.add_row(name.removesuffix("_ms"), *(f"{figures[name][key]:.2f}" for key in ("p50", "p99", "max")))
    results.TableConsole().print(table)
    results.write(markdown, "policy", results.command_line("./ws bench policy"), [table])
    if report is not None:
        write_atomic(report, json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    raise SystemExit(command_line.run(run, name="bench policy"))
