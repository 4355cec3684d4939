"""A bias-free residual U-Net with the noise level as a further input channel.

Levels are joined by 2 x 2 convolutions of stride 2 and their transposes, skips are added; a residual block is
x + conv(relu(conv(x))), 3 x 3. Without a bias anywhere the net is positively homogeneous, f(a y, a sigma) = a f(y, sigma),
a > 0, so it holds for noise levels it was not trained for.

Zhang, Li, Zuo, Zhang, Van Gool & Timofte, Plug-and-play image restoration with deep denoiser prior, TPAMI 2021 (section 3.1).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from restore.errors import UsageError
from restore.method import Network


class DRUNet(Network):
    """x = net(y, noise map); `widths` per level, `blocks` along the U: down, bottom, up (2 levels - 1 numbers). Not clipped.

    global_residual: y is added at the output, which the paper does not do; it trains faster and leaves the rest as it is.
    Purely convolutional: the halo is finite and tiles are exact at multiples of 2^(levels - 1). The defaults are a net for CPUs.
    """

    def __init__(self, channels: int = 3, widths: Sequence[int] = (32, 64, 96), blocks: Sequence[int] = (0, 1, 2, 1, 1), global_residual: bool = True):
        super().__init__()
        levels = len(widths)
        if len(blocks) != 2 * levels - 1:
            raise UsageError(f"{len(blocks)} numbers of blocks for {levels} levels", f"{2 * levels - 1}: down, bottom, up")
        self.channels, self.multiple, self.global_residual = channels, 2 ** (levels - 1), global_residual
        self.head = nn.Conv2d(channels + 1, widths[0], 3, padding=1, bias=False)
        self.encode = nn.ModuleList(_blocks(width, count) for width, count in zip(widths, blocks, strict=False))
        self.down = nn.ModuleList(nn.Conv2d(a, b, 2, 2, bias=False) for a, b in zip(widths, widths[1:], strict=False))
        self.up = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, 2, bias=False) for a, b in zip(widths, widths[1:], strict=False))
        self.decode = nn.ModuleList(_blocks(width, count) for width, count in zip(widths, reversed(blocks[levels:]), strict=False))
        self.tail = nn.Conv2d(widths[0], channels, 3, padding=1, bias=False)
        if global_residual:
            with torch.no_grad():  # the residual starts near nothing
                self.tail.weight.mul_(0.1)

    def net(self, y: Tensor, sigma: Tensor) -> Tensor:
        x = self.head(torch.cat([y, sigma.expand(-1, 1, *y.shape[-2:])], 1))
        skips = []
        for blocks, down in zip(self.encode, self.down, strict=False):
            skips.append(blocks(x))
            x = down(skips[-1])
        x = self.encode[-1](x)
        for blocks, up in zip(reversed(self.decode), reversed(self.up), strict=True):
            x = blocks(up(x) + skips.pop())
        return y + self.tail(x) if self.global_residual else self.tail(x)


class Block(nn.Module):
    """x + conv(relu(conv(x))), without bias; the second convolution starts small, so that the block starts near the identity."""

    def __init__(self, width: int):
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.second = nn.Conv2d(width, width, 3, padding=1, bias=False)
        with torch.no_grad():
            self.second.weight.mul_(0.2)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(torch.relu_(self.first(x)))


def _blocks(width: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(Block(width) for _ in range(count)))
