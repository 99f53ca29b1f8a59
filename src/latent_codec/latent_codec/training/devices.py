"""Training on a CPU or a GPU, in one process or in several: what Lightning Fabric is configured with, and used for.

The processes of a training draw the same batches and compute the same loss. What takes the time, the networks, each
evaluates for its share of the rows (`Share`); the results are gathered with their gradients, so that terms over a whole
batch (moments, contrast) are those of one process. Gradients are averaged before each step of the optimiser.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor


class DevicesError(ValueError):
    """A training cannot run on these devices or in so many processes; one line."""


def make_fabric(accelerator: str = "cpu", devices: int = 1, *, bf16: bool = False) -> Fabric:
    """Start the processes of a training, or join those that torchrun started.

    Args:
        accelerator: "cpu", "gpu" or "auto", as Lightning Fabric names them.
        devices: Processes to start on this machine; under torchrun its number counts instead.
        bf16: Whether `Fabric.autocast` computes products in bfloat16.

    Raises:
        DevicesError: There is no such device here.
    """
    local = int(os.environ.get("LOCAL_WORLD_SIZE", devices))
    world = int(os.environ.get("WORLD_SIZE", local))
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    try:
        fabric = Fabric(
            accelerator=accelerator,
            devices=local,
            num_nodes=max(1, world // local),
            strategy="ddp" if world > 1 else "auto",
            precision="bf16-mixed" if bf16 else "32-true",
        )
    except (ValueError, RuntimeError, MisconfigurationException) as error:
        reason = " ".join(str(error).split())
        raise DevicesError(f"accelerator {accelerator}, {local} devices: {reason}") from None
    fabric.launch()
    return fabric


class Share:
    """The rows of a batch that this process computes: one of `world_size` equal parts."""

    def __init__(self, fabric: Fabric | None = None) -> None:
        """Without a `fabric`, all rows."""
        self._fabric = fabric
        self.count, self.index = (fabric.world_size, fabric.global_rank) if fabric is not None else (1, 0)

    def evaluate(self, network: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        """Return `network(x)` for x (H, M, ...), computed by all processes together; differentiable in all of them.

        Args:
            network: Maps (H, R, ...) to (H, R, ...) row by row.
            x: The whole batch, the same in all processes.
        """
        if self.count == 1:
            return network(x)
        rows = x.shape[1]
        size = -(-rows // self.count)
        padded = torch.nn.functional.pad(x, (*[0] * (2 * (x.dim() - 2)), 0, size * self.count - rows))
        found = network(padded[:, self.index * size : (self.index + 1) * size])
        return _Gathered.apply(found, self._fabric, self.index, self.count)[:, :rows]


class _Gathered(torch.autograd.Function):
    """Rows (H, R, ...) of each process joined to (H, R * count, ...); a row's gradient is the sum over processes."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, fabric: Fabric, index: int, count: int) -> Tensor:
        ctx.fabric, ctx.index, ctx.count = fabric, index, count
        return torch.cat(list(fabric.all_gather(rows.contiguous())), dim=1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        own = torch.clone(gradients[0], memory_format=torch.contiguous_format)  # it is summed in place
        total = ctx.fabric.all_reduce(own, reduce_op="sum")
        return total.chunk(ctx.count, dim=1)[ctx.index], None, None, None


def average_gradients(fabric: Fabric, parameters: Iterable[Tensor]) -> None:
    """Replace all gradients by their mean over the processes."""
    if fabric.world_size == 1:
        return
    gradients = [value.grad for value in parameters if value.grad is not None]
    mean = torch.cat([gradient.flatten() for gradient in gradients])
    fabric.all_reduce(mean, reduce_op="mean")
    for gradient, values in zip(gradients, mean.split([gradient.numel() for gradient in gradients]), strict=True):
        gradient.copy_(values.view_as(gradient))


def agreed(fabric: Fabric, value: float) -> float:
    """Return the value that the first process has, in all of them."""
    return value if fabric.world_size == 1 else float(fabric.broadcast(value))


def rows_of(fabric: Fabric, size: int) -> slice:
    """Return the rows of a batch of `size` that this process has, where each has a part of its own.

    Raises:
        DevicesError: The processes cannot have equal parts.
    """
    if size % fabric.world_size:
        raise DevicesError(f"batch: found {size}, expected a multiple of the {fabric.world_size} processes")
    part = size // fabric.world_size
    return slice(fabric.global_rank * part, (fabric.global_rank + 1) * part)
