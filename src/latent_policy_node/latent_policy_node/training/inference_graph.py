"""The sampler as it is exported: the function of `export.Sampler`, laid out for onnxruntime on one CPU core.

A chunk is rows (points, channels) here, and a convolution is one matrix product of the rows that it reads: with few
points, onnxruntime's own convolution is two to three times slower. What does not depend on the noisy chunk is computed
once for all denoising steps: the scales and shifts of every block, and the shares of state and prefix in the first one.
Results differ from the network's by rounding alone, which the export checks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm, linear, silu

from latent_policy_node.training.diffusion import step_embedding
from latent_policy_node.training.model import STEP_WIDTH, Observed
from latent_policy_node.training.photometric import scale_image
from latent_policy_node.training.unet import FilmBlock

if TYPE_CHECKING:
    from latent_policy_node.training.export import Sampler


class Film(NamedTuple):
    """What the condition does to a block's features: scale and shift, each (1, channels)."""

    scale: Tensor
    shift: Tensor


class RowConv(nn.Module):
    """A 1-D convolution over rows: (points, inputs) to (points / stride, outputs).

    Args:
        weight: (outputs, inputs, taps).
        bias: (outputs,).
        points: Number of rows.
        offsets: Which row each tap reads, relative to that of the output; rows beyond the ends are zero.
        stride: Distance between the rows of two outputs.
    """

    weight: Tensor
    bias: Tensor | None
    rows: Tensor
    zero: Tensor

    def __init__(
        self, weight: Tensor, bias: Tensor | None, points: int, offsets: Sequence[int], stride: int = 1
    ) -> None:
        super().__init__()
        channels, inputs, _ = weight.shape
        rows = torch.arange(0, points, stride)[:, None] + torch.tensor(offsets)
        rows = torch.where((rows < 0) | (rows >= points), points, rows)  # `points` is the row of zeros
        self.register_buffer("weight", weight.transpose(1, 2).reshape(channels, -1).contiguous())
        self.register_buffer("bias", bias)
        self.register_buffer("rows", rows.flatten())
        self.register_buffer("zero", torch.zeros(1, inputs))
        self.outputs, self.pointwise = points // stride, tuple(offsets) == (0,)

    def forward(self, x: Tensor, added: Tensor | None = None) -> Tensor:
        """(points, inputs) to (points / stride, outputs); `added`, of the same shape, takes the place of the bias."""
        read = x if self.pointwise else torch.cat([x, self.zero]).index_select(0, self.rows).reshape(self.outputs, -1)
        return linear(read, self.weight, self.bias) if added is None else torch.addmm(added, read, self.weight.T)


def same(conv: nn.Conv1d, points: int, inputs: slice = slice(None)) -> RowConv:
    """A convolution that keeps the number of points, or halves it, reading some of its input channels."""
    half = conv.kernel_size[0] // 2
    offsets = range(-half, half + 1)
    return RowConv(conv.weight[:, inputs], conv.bias, points, offsets, conv.stride[0])


class RowGrow(nn.Module):
    """A transposed convolution of kernel 4, stride 2, padding 1: (points, inputs) to (2 * points, outputs)."""

    def __init__(self, conv: nn.ConvTranspose1d, points: int) -> None:
        super().__init__()
        weight = conv.weight.transpose(0, 1)
        self.even = RowConv(weight[..., [3, 1]], conv.bias, points, (-1, 0))
        self.odd = RowConv(weight[..., [2, 0]], conv.bias, points, (0, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(points, inputs) to (2 * points, outputs)."""
        return torch.cat([self.even(x), self.odd(x)], dim=1).reshape(2 * len(x), -1)


class RowNorm(nn.Module):
    """Group normalisation of rows (points, channels)."""

    def __init__(self, norm: nn.GroupNorm) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, x: Tensor) -> Tensor:
        """(points, channels) to the same."""
        points, channels = x.shape
        groups = self.norm.num_groups
        grouped = x.reshape(points, groups, -1).transpose(0, 1)
        level = layer_norm(grouped, grouped.shape[1:], eps=self.norm.eps)
        return level.transpose(0, 1).reshape(points, channels) * self.norm.weight + self.norm.bias


class RowBlock(nn.Module):
    """A FilmBlock on rows. Of the first block, only the `noisy` first channels change between denoising steps."""

    def __init__(self, block: FilmBlock, points: int, noisy: int | None = None) -> None:
        super().__init__()
        changing, fixed = slice(noisy), slice(noisy, None)
        self.first = same(block.first, points, changing)
        self.second = same(block.second, points)
        self.norms = nn.ModuleList([RowNorm(norm) for norm in block.norms])
        convolved = isinstance(block.skip, nn.Conv1d)
        self.skip = same(block.skip, points, changing) if convolved else None
        if noisy is not None:
            self.first_fixed, self.skip_fixed = same(block.first, points, fixed), same(block.skip, points, fixed)

    def fixed(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The shares of the channels (points, channels) that do not change, in `first` and in `skip`."""
        return self.first_fixed(x), self.skip_fixed(x)

    def forward(self, x: Tensor, film: Film, fixed: tuple[Tensor, Tensor] | tuple[None, None] = (None, None)) -> Tensor:
        """(points, inputs) to (points, outputs)."""
        hidden = silu(self.norms[0](self.first(x, fixed[0]))) * film.scale + film.shift
        hidden = silu(self.norms[1](self.second(hidden)))
        return hidden + (x if self.skip is None else self.skip(x, fixed[1]))


class InferenceGraph(nn.Module):
    """`Sampler` for one observation at a time, with the same inputs and output."""

    def __init__(self, sampler: Sampler) -> None:
        super().__init__()
        self.sampler = sampler
        network = sampler.network
        unet, points, depth = network.unet, network.config.horizon, len(network.unet.down)
        self.down = nn.ModuleList(
            [RowBlock(block, points >> i, None if i else network.dims) for i, block in enumerate(unet.down)]
        )
        self.shrink = nn.ModuleList([same(conv, points >> i) for i, conv in enumerate(unet.shrink)])
        self.middle = RowBlock(unet.middle, points >> depth)
        self.grow = nn.ModuleList([RowGrow(conv, points >> (depth - i)) for i, conv in enumerate(unet.grow)])
        self.up = nn.ModuleList([RowBlock(block, points >> (depth - 1 - i)) for i, block in enumerate(unet.up)])
        self.output = same(unet.output, points)

    def forward(self, image: Tensor, state: Tensor, noise: Tensor, prefix: Tensor, prefix_length: Tensor) -> Tensor:
        """Inputs as INPUTS names them to actions (1, horizon, dims) in raw units."""
        sampler, network = self.sampler, self.sampler.network
        seen = network.observe(scale_image(image), sampler.scaled(state), sampler.scaled(prefix), prefix_length)
        going = seen.going[0]
        first = self.down[0]
        assert isinstance(first, RowBlock)
        fixed = first.fixed(torch.cat([seen.state.expand_as(going), going, seen.known[0]], dim=1))
        direct = network.near[: len(going)] * going + network.unet.output.bias
        chunk = noise[0]
        for films, (_, a, b) in zip(self._films(seen), network.ddim, strict=True):
            added = self.output(self._unet(chunk, films, fixed), direct)
            chunk = a * added.clamp(-sampler.bound, sampler.bound) + b * chunk
        return (chunk * sampler.scale + sampler.centre)[None]

    def _films(self, seen: Observed) -> list[list[Film]]:
        """Scale and shift of every block, in the order of their use, at each denoising step."""
        network = self.sampler.network
        blocks = [*network.unet.down, network.unet.middle, *network.unet.up]
        halves = [block.film.out_features // 2 for block in blocks for _ in Film._fields]
        scaled = [torch.cat([torch.ones(half), torch.zeros(half)]) for half in halves[::2]]  # a scale is 1 + ...
        weight = torch.cat([block.film.weight for block in blocks])
        bias = torch.cat([block.film.bias + one for block, one in zip(blocks, scaled, strict=True)])
        steps = torch.tensor([step for step, _, _ in network.ddim])
        context = silu(seen.condition + network.step(step_embedding(steps, STEP_WIDTH)))
        parts = [part.split(1) for part in linear(context, weight, bias).split(halves, dim=1)]
        return [
            [Film(scale[i], shift[i]) for scale, shift in zip(parts[::2], parts[1::2], strict=True)]
            for i in range(len(steps))
        ]

    def _unet(self, x: Tensor, films: list[Film], fixed: tuple[Tensor, Tensor]) -> Tensor:
        """What `UNet1d` gives before its last convolution: (horizon, dims) to (horizon, channels)."""
        film, skips = iter(films), []
        for i, (block, shrink) in enumerate(zip(self.down, self.shrink, strict=True)):
            x = block(x, next(film), (None, None) if i else fixed)
            skips.append(x)
            x = shrink(x)
        x = self.middle(x, next(film))
        for grow, block in zip(self.grow, self.up, strict=True):
            x = block(torch.cat([grow(x), skips.pop()], dim=1), next(film))
        return x
