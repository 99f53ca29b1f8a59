"""`python -m latent_codec.bench [--bundle DIR] [--json FILE]`: quality and speed of a codec bundle, measured here."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

import embodiments
from latent_codec.bundle import BundleError, bundle_sha256
from latent_codec.codec import Codec
from latent_codec.inputs import changed_hands
from latent_codec.metrics import Metrics, measure

CHUNK_POSES = 16


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="bench codec", description="Measure a codec bundle.")
    parser.add_argument("--bundle", type=Path, default=Path("models/codec"))
    parser.add_argument("--poses", type=int, default=2000, help="random poses a hand")
    parser.add_argument("--json", type=Path, default=None, help="write the same figures here")
    options = parser.parse_args(arguments)
    if options.poses < 10:
        parser.error(f"--poses: found {options.poses}, expected at least 10")
    try:
        report = run(options.bundle, options.poses)
    except BundleError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    console = Console()
    console.print(f"{report['latent_space']}  {options.bundle}")
    console.print(metrics_table(report["metrics"], report["decode_ms"]))
    if report["changed_since_training"]:
        console.print(f"changed since training: {', '.join(report['changed_since_training'])}; ./ws train codec")
    if options.json is not None:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return 0


def run(bundle: Path, poses: int) -> dict:
    """Verify and measure a bundle."""
    codec = Codec.load(bundle)
    return {
        "latent_space": codec.latent_space,
        "codec_sha256": bundle_sha256(bundle),
        "changed_since_training": changed_hands(codec.manifest, [embodiments.load(hand) for hand in codec.hands]),
        "metrics": measure(codec, poses),
        "decode_ms": {hand: decode_speed(codec, hand) for hand in codec.hands},
    }


def decode_speed(codec: Codec, hand: str, repeats: int = 1000) -> dict[str, float]:
    """Milliseconds to decode the 16 poses of a chunk: p50, p99, max."""
    latent = np.random.default_rng(0).normal(size=(CHUNK_POSES, codec.latent_dim)).clip(-1, 1)
    times = np.empty(repeats)
    for index in range(repeats):
        start = time.perf_counter()
        codec.decode(hand, latent)
        times[index] = 1e3 * (time.perf_counter() - start)
    return {"p50": float(np.median(times)), "p99": float(np.percentile(times, 99)), "max": float(times.max())}


def metrics_table(metrics: Metrics, speed: Mapping[str, Mapping[str, float]] | None = None) -> Table:
    """One row a hand, and the figures across hands below. `speed`: hand -> p50, p99 of decoding 16 poses, ms."""
    cross, mixed, anchors = metrics["cross"], metrics["cross_gripper"], metrics["anchors"]
    lines = [
        "own, cross: worst joint error at the postures, from own and from any hand's latent, rad",
        _cross_text("hand to hand", cross),
        _cross_text("hand and gripper", mixed),
        f"latent gap at anchors {anchors['latent_gap']:.3f}, re-encoding {metrics['cycle_std']:.2f} std",
    ]
    table = Table(caption="\n".join(lines), caption_justify="left")
    for column in ("hand", "joint rad", "tip mm", "own", "cross", "p50 ms", "p99 ms"):
        table.add_column(column, justify="left" if column == "hand" else "right")
    for name, row in metrics["hands"].items():
        times = [f"{speed[name][key]:.3f}" if speed else "-" for key in ("p50", "p99")]
        own, across = anchors["own_joint"][name], anchors["cross_joint"][name]
        table.add_row(name, f"{row['joint_rad']:.4f}", f"{row['tip_mm']:.2f}", f"{own:.4f}", f"{across:.4f}", *times)
    return table


def _cross_text(label: str, cross: Mapping[str, float]) -> str:
    if not cross:
        return f"{label}: -"
    random = f"{cross['random_direction_deg']:.2f} deg {cross['random_distance_mm']:.2f} mm"
    pinch = f"{cross['pinch_direction_deg']:.2f} deg {cross['pinch_distance_mm']:.2f} mm"
    return f"{label}: random {random}, pinch {pinch}"


if __name__ == "__main__":
    sys.exit(main())
