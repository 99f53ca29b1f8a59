"""What a person sees of a training run: a bar with loss, speed and time left, a line for each validation."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from contracts.progress import Lines

SMOOTHING = 0.98


class TrainingProgress:
    """Context manager; call it as the trainer's `report`."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console()
        self._bar = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self.console,
        )
        self._task = self._bar.add_task("training", total=1.0)
        self._loss: float | None = None
        self._origin: tuple[float, float] | None = None
        self._lines = Lines(self.console)

    def __enter__(self) -> TrainingProgress:
        self._bar.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._bar.stop()

    def __call__(self, kind: str, values: Mapping[str, float]) -> None:
        """Show a step or a validation."""
        if kind == "validation":
            self.console.print(
                f"step {values['step']:.0f}  held-out wrist {values['wrist_mm']:.1f} mm"
                f" (90 % below {values['wrist_mm_p90']:.1f} mm)  {values['wrist_deg']:.2f} deg"
                f"  latent {values['latent']:.3f}  after {values['seconds'] / 60:.1f} min"
            )
            return
        self._loss = values["loss"] if self._loss is None else _smooth(self._loss, values["loss"])
        text = f"step {values['step']:.0f}  loss {self._loss:.4f}  {self._speed(values):.0f} samples/s"
        self._bar.update(self._task, completed=values["progress"], description=text)
        self._lines.show(f"{text}  {100 * values['progress']:.0f} %")

    def _speed(self, values: Mapping[str, float]) -> float:
        """Samples per second of this process, not of the runs it resumes."""
        if self._origin is None:
            self._origin = (values["samples"], values["seconds"])
        seconds = values["seconds"] - self._origin[1]
        return (values["samples"] - self._origin[0]) / seconds if seconds > 0 else 0.0


def _smooth(mean: float, value: float) -> float:
    return SMOOTHING * mean + (1 - SMOOTHING) * value
