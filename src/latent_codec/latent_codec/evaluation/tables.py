"""The figures as tables to read."""

from __future__ import annotations

from collections.abc import Mapping

from rich.table import Table

from latent_codec.evaluation.table5 import COLUMNS

Row = Mapping[str, float]
SHARED = {
    "probe_linear": "linear probe",
    "probe_mlp": "MLP probe",
    "probe_large": "large probe",
    "probe_linear_unmatched": "linear, unmatched",
    "reencoding_std": "re-encoding std",
    "reencoding_reachable_std": "reachable",
    "retrieval_top1": "retrieval",
    "retrieval_reachable_top1": "reachable",
    "recall_top1": "recall",
    "recall_reachable_top1": "reachable",
    "gripper_opening_correlation": "opening corr.",
}
HAND = {
    "joint_rmse": "joint RMSE rad|m",
    "tip_rmse_mm": "tip RMSE mm",
    "tip_error_mm": "tip error mm",
    "continuity_tip_mm": "continuity mm",
    "relative_continuity_tip_mm": "relative mm",
    "tip_acceleration_mm": "acc. mm",
    "tip_jerk_mm": "jerk mm",
    "posture_own": "posture own",
    "posture_any": "posture any",
    "p50_ms": "p50 ms",
    "p99_ms": "p99 ms",
    "max_ms": "max ms",
    "cpu_p99_ms": "CPU p99 ms",
    "torch_p50_ms": "torch p50 ms",
    "torch_cpu_p99_ms": "torch CPU p99 ms",
}
ACROSS = {
    "random": "random",
    "pinch": "pinch",
    "nearest": "nearest finger",
    "reach": "reachable",
    "path": "path",
    "oracle_random": "oracle random",
    "oracle_pinch": "oracle pinch",
    "oracle_reach": "oracle reachable",
}


def column_table(recipes: Mapping[str, Mapping]) -> Table:
    """Table 5, one row a recipe, means over hands and pairs."""
    return _table(
        "Table 5 of XL-VLA, lower is better", {name: name.replace("_", " ") for name in COLUMNS}, _means(recipes)
    )


def across_table(recipes: Mapping[str, Mapping]) -> Table:
    """Direction and distance across hands, beside the oracle."""
    table = Table(title="Across hands, degrees / mm", title_justify="left")
    table.add_column("recipe")
    for label in ACROSS.values():
        table.add_column(label, justify="right")
    for name, row in _means(recipes).items():
        table.add_row(name, *(_degrees_and_mm(row, key) for key in ACROSS))
    return table


def shared_table(recipes: Mapping[str, Mapping]) -> Table:
    """How much the latents of different hands are one."""
    return _table("Shared, on matched poses", SHARED, _means(recipes))


def hand_table(title: str, hands: Mapping[str, Row], speed: Mapping[str, Row]) -> Table:
    """One recipe by hand, with the time to decode 16 poses."""
    rows = {name: {**_one_unit(row), **speed.get(name, {})} for name, row in hands.items()}
    return _table(title, HAND, rows)


def _one_unit(row: Row) -> Row:
    """The metrics of joints under one name, whichever unit they are in."""
    return {name.removesuffix("_rad").removesuffix("_m"): value for name, value in row.items()}


def metrics_table(metrics: Mapping) -> Table:
    """What `latent_codec.evaluation.metrics.measure` gives: by hand, and the means across hands below."""
    mean, anchors = metrics["mean"], metrics["anchors"]
    rows = {
        name: {**row, "posture_own": anchors["own_joint"][name], "posture_any": anchors["cross_joint"][name]}
        for name, row in metrics["hands"].items()
    }
    table = hand_table(f"{metrics['poses']} random poses a hand", rows, {})
    lines = [
        f"{label}: {_degrees_and_mm(mean, key)}" for key, label in ACROSS.items() if f"{key}_direction_deg" in mean
    ]
    lines += [f"{SHARED[key]}: {mean[key]:.3f}" for key in SHARED if key in mean]
    table.caption = "\n".join([*lines, f"latent gap at postures: {anchors['latent_gap']:.3f}"])
    table.caption_justify = "left"
    return table


def _means(recipes: Mapping[str, Mapping]) -> dict[str, Row]:
    return {name: report["mean"] for name, report in recipes.items()}


def _table(title: str, columns: Mapping[str, str], rows: Mapping[str, Row]) -> Table:
    """Columns are key -> heading; one whose key no row has is left out."""
    shown = {key: label for key, label in columns.items() if any(key in row for row in rows.values())}
    table = Table(title=title, title_justify="left")
    table.add_column("", no_wrap=True)
    for label in shown.values():
        table.add_column(label, justify="right")
    for name, row in rows.items():
        table.add_row(name, *(_number(row.get(key)) for key in shown))
    return table


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.4f}" if abs(value) < 1 else f"{value:.2f}" if abs(value) < 1000 else f"{value:.0f}"


def _degrees_and_mm(row: Row, key: str) -> str:
    names = f"{key}_direction_deg", f"{key}_distance_mm"
    return " / ".join(f"{row[name]:.2f}" for name in names) if all(name in row for name in names) else "-"
