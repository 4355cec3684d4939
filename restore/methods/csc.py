"""Convolutional sparse coding: y = D g + n, D g = sum_m d_m * g_m, few g_m other than 0.

Solved by iteration (`CSC`), unrolled into a net whose layers are iterations (`LearnedCSC`), and stacked, a code of codes (`LayeredCSC`).
All are told sigma, thresholds are proportional to it, and there are no other biases: f(a y, a sigma) = a f(y, sigma).

Papyan, Sulam & Elad, Working locally thinking globally, TSP 2017; Papyan, Romano & Elad, Convolutional neural networks analyzed via
convolutional sparse coding, JMLR 2017; Sulam, Aberdam, Beck & Elad, On multi-layer basis pursuit, efficient algorithms and convolutional
neural networks, TPAMI 2019; Gregor & LeCun, Learning fast approximations of sparse coding, ICML 2010.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from restore.errors import UsageError, nearest
from restore.method import Blend, Network, Single
from restore.numerics.mirror import mirrored
from restore.numerics.scatter import gather, scatter
from restore.numerics.solvers import fista, largest, soft

CODERS = ("soft", "pursuit", "ml-ista")


def synthesis(codes: Tensor, filters: Tensor, stride: int = 1) -> Tensor:
    """D g: codes (B, M, h, w) on every `stride`-th pixel, filters (M, C, k, k), k odd -> (B, C, h stride, w stride), zero outside."""
    return scatter(codes, filters, stride)


def analysis(x: Tensor, filters: Tensor, stride: int = 1) -> Tensor:
    """D^T x, the transpose of `synthesis`."""
    return gather(x, filters, stride)


def norm(filters: Tensor, side: int = 48, stride: int = 1) -> float:
    """The largest eigenvalue of D^T D, on a square of side x side codes."""
    codes = torch.ones(1, filters.shape[0], side, side, dtype=filters.dtype, device=filters.device) * filters.flatten(1).sum(1).sign()[None, :, None, None]
    return largest(lambda g: analysis(synthesis(g, filters, stride), filters, stride),
                   codes + 0.01 * torch.linspace(-1, 1, side, dtype=filters.dtype, device=filters.device))


def base(y: Tensor, spread: float = 2.5) -> Tensor:
    """What is too smooth to need a code: y under a Gaussian, mirrored at the edges."""
    radius = int(4 * spread)
    bell = torch.exp(-((torch.arange(2 * radius + 1, dtype=y.dtype, device=y.device) - radius) ** 2) / (2 * spread**2))
    bell = (bell / bell.sum()).repeat(y.shape[1], 1, 1, 1)
    return F.conv2d(F.conv2d(mirrored(y, radius), bell, groups=y.shape[1]), bell.mT, groups=y.shape[1])


def placed(x: Tensor, stride: int) -> Tensor:
    """(B, 1, H, W) -> (B stride^2, 1, h, w): the picture under every place of a grid of codes, mirrored at its edges."""
    s, (height, width) = stride, x.shape[-2:]
    down, right = (side + s - 1 + (1 - side) % s for side in (height, width))
    wide = mirrored(x, s - 1 + s)[..., s:, s:]
    return torch.stack([wide[..., a : a + down, b : b + right] for a in range(s) for b in range(s)], 1).flatten(0, 1)


def joined(x: Tensor, height: int, width: int, stride: int) -> Tensor:
    """The inverse of `placed`, the mean of what overlaps."""
    s, places = stride, x.unflatten(0, (-1, stride**2))
    return sum(places[:, a * s + b, :, s - 1 - a : s - 1 - a + height, s - 1 - b : s - 1 - b + width] for a in range(s) for b in range(s)) / s**2


class CSC(Single):
    """min 1/2 |y - low - D g|^2 + penalty sigma |g|_1 by FISTA; x = low + D g, its mean over all places of a grid of codes `stride` apart. Grey; not clipped.

    The dictionary is learned from the noisy picture: `rounds` of coding from where the last one ended, and a step of projected gradient
    on filters of norm 1; `filters` of `size` x `size`, first a DCT, or what clean pictures taught. The picture is taken as a whole. With a code at every pixel filters are so
    alike that their codes fit the noise; why the grid, and the mean, help: Simon & Elad, Rethinking the CSC model for natural images, NeurIPS 2019.
    """

    def __init__(self, filters: int = 64, size: int = 9, stride: int = 4, penalty: float = 2.0, rounds: int = 8, steps: int = 10, last: int = 30):
        super().__init__()
        self.size, self.stride, self.penalty, self.rounds, self.steps, self.last = size, stride, penalty, rounds, steps, last
        self.register_buffer("filters", cosines(filters, size))

    def picture(self, y, sigma, tick):
        y, bound, filters = y[None, None], self.penalty * sigma, self.filters.to(y)
        low = base(y)
        high = placed(y - low, self.stride)
        codes = torch.zeros(high.shape[0], filters.shape[0], *(size // self.stride for size in high.shape[-2:]), dtype=y.dtype, device=y.device)
        for done in range(self.rounds):
            codes = self.code(high, filters, bound, self.steps, codes)
            filters = improved(filters, codes, high, self.stride)
            tick(done + 1, self.rounds + 1)
        codes = self.code(high, filters, bound, self.last, codes)
        tick(self.rounds + 1, self.rounds + 1)
        return (low + joined(synthesis(codes, filters, self.stride), *y.shape[-2:], self.stride))[0, 0]

    def code(self, high: Tensor, filters: Tensor, bound: float, steps: int, codes: Tensor) -> Tensor:
        """The codes (B, M, h, w) after `steps` of FISTA from `codes`."""
        rate = 1 / (1.02 * norm(filters, 48 // self.stride, self.stride))  # the power method comes from below
        return fista(lambda g: analysis(synthesis(g, filters, self.stride) - high, filters, self.stride), lambda g: soft(g, rate * bound), codes, rate, steps)

    def tiling(self, problem):
        return Blend(32)  # the dictionary is then the tile's

    def bytes_per_pixel(self, problem):
        return 4.0 * 5 * self.filters.shape[0]

    @property
    def flops_per_pixel(self) -> float:
        """D and its transpose in every iteration, at every place of the grid; the filters' steps are a thirtieth of it."""
        return 4.0 * self.filters.numel() * (self.rounds * self.steps + self.last)


def cosines(count: int, size: int) -> Tensor:
    """The first `count` products of cosines (count, 1, size, size), from smooth to fine, without the constant one; of norm 1."""
    if not 0 < count < size**2:
        raise UsageError(f"there are no {count} different filters of {size} x {size}", f"at most {size**2 - 1}")
    at, side = torch.arange(size) + 0.5, torch.arange(size)
    lines = torch.cos(torch.pi * side[:, None] * at[None] / size)
    products = torch.einsum("ai,bj->abij", lines, lines).reshape(-1, 1, size, size)
    order = (side[:, None] + side[None]).flatten().argsort(stable=True)[1 : count + 1]
    return F.normalize(products[order].flatten(1), dim=1).reshape(-1, 1, size, size)


def improved(filters: Tensor, codes: Tensor, high: Tensor, stride: int = 1) -> Tensor:
    """One step along the gradient of 1/2 |high - D g|^2 in D, of the length that is best along that line; then norm 1 again."""
    error = synthesis(codes, filters, stride) - high
    slope = nn.grad.conv2d_weight(error, filters.shape, codes, stride, filters.shape[-1] // 2)
    along = synthesis(codes, slope, stride)
    step = (along * error).sum() / along.square().sum().clamp_min(1e-12)
    return F.normalize((filters - step * slope).flatten(1), dim=1).reshape(filters.shape)


class LearnedCSC(Network):
    """`steps` iterations as layers: g <- S(g + c A (r - B g)), r = y - low, with filters A and B of each layer's own, thresholds c t sigma, t per layer
    and filter, c per layer; x = low + C g, its mean over all places of a grid of codes `stride` apart, as of `CSC`. Grey; not clipped.

    With A = D^T, B = C = D, t = penalty and c one over the largest eigenvalue of D^T D it is ISTA for the problem of `CSC`: so it starts.
    """

    def __init__(self, filters: int = 64, size: int = 9, stride: int = 4, steps: int = 12, penalty: float = 1.0):
        super().__init__()
        self.channels, self.multiple, self.stride = 1, stride, stride  # the grid's places end where a tile does
        start = cosines(filters, size)
        self.encode, self.decode = (nn.ParameterList(start.clone() for _ in range(steps)) for _ in range(2))  # the last of `decode` is C
        self.thresholds = nn.Parameter(torch.full((steps, filters, 1, 1), penalty))
        self.rates = nn.Parameter(torch.full((steps,), 1 / norm(start, 48 // stride, stride)))

    def net(self, y: Tensor, sigma: Tensor) -> Tensor:
        low = base(y)
        return low + everywhere(self, y - low, sigma)

    def sparse(self, high: Tensor, sigma: Tensor) -> Tensor:
        """C g, for one place of the grid."""
        left, codes = high, 0.0
        for k, (rate, threshold) in enumerate(zip(self.rates, self.thresholds, strict=True)):
            codes = soft(codes + rate * analysis(left, self.encode[k], self.stride), rate * threshold.abs() * sigma)
            made = synthesis(codes, self.decode[k], self.stride)
            left = high - made
        return made


class LayeredCSC(Network):
    """Codes of codes, none negative: x = D_1 g_1, g_1 = D_2 g_2, ... `coder` finds them from r = y - low; x = low + D_1 ... D_L g_L. Grey.

    soft: g_i = relu(D_i^T g_(i-1) - t_i), the forward pass of a convolutional net. pursuit: g_i after `steps` iterations of
    relu(g_i + c_i D_i^T (g_(i-1) - D_i g_i) - c_i t_i). ml-ista: after a forward pass, `steps` times down, g_(i-1) = D_i g_i from the
    deepest, and up, g_i = relu(g_i + c_i D_i^T (g_(i-1) - D_i g_i) - t_i). Each t is learned in units of the noise that D_i^T ... D_1^T makes of
    white noise, and starts at `penalty`. The first codes lie on every `stride`-th pixel, and x is a mean over places, as in `LearnedCSC`. Not clipped.
    """

    def __init__(self, widths: Sequence[int] = (32, 48, 64), sizes: Sequence[int] = (7, 3, 3), stride: int = 2, coder: str = "ml-ista", steps: int = 2,
                 penalty: float = 0.1):
        super().__init__()
        if coder not in CODERS:
            raise UsageError(f"unknown coder {coder!r}", nearest(coder, CODERS))
        self.channels, self.multiple, self.stride, self.coder, self.steps = 1, stride, stride, coder, steps
        self.strides = (stride, *[1] * (len(widths) - 1))
        pairs = zip((1, *widths), widths, sizes, strict=False)
        starts = [torch.randn(many, few, size, size) for few, many, size in pairs]
        self.filters = nn.ParameterList(start / norm(start, 24, s) ** 0.5 for start, s in zip(starts, self.strides, strict=True))
        self.rates = None if coder == "soft" else nn.Parameter(torch.ones(len(widths)))
        self.thresholds = nn.ParameterList(torch.full((many, 1, 1), penalty) for many in widths)

    def net(self, y: Tensor, sigma: Tensor) -> Tensor:
        low = base(y)
        return low + everywhere(self, y - low, sigma)

    def sparse(self, high: Tensor, sigma: Tensor) -> Tensor:
        """D_1 ... D_L g_L, for one place of the grid."""
        x = self.code(high, sigma)[-1]
        for filters, stride in zip(reversed(self.filters), reversed(self.strides), strict=True):
            x = synthesis(x, filters, stride)
        return x

    def bounds(self, sigma: Tensor) -> list[Tensor]:
        """The thresholds of each layer, (B, M, 1, 1)."""
        found, noise = [], torch.ones_like(sigma[:1])
        for filters, threshold in zip(self.filters, self.thresholds, strict=True):
            noise = F.conv2d(noise.square(), filters.square().sum((2, 3), keepdim=True)).sqrt()
            found.append(threshold * noise * sigma)
        return found

    def code(self, high: Tensor, sigma: Tensor) -> list[Tensor]:
        """g_1 ... g_L."""
        codes, bounds, rates = [], self.bounds(sigma), self.rates if self.coder == "pursuit" else [1.0] * len(self.filters)
        for filters, bound, rate, stride in zip(self.filters, bounds, rates, self.strides, strict=True):
            above = codes[-1] if codes else high
            code = F.relu(rate * (analysis(above, filters, stride) - bound))
            for _ in range(self.steps if self.coder == "pursuit" else 0):
                code = F.relu(code + rate * (analysis(above - synthesis(code, filters, stride), filters, stride) - bound))
            codes.append(code)
        for _ in range(self.steps if self.coder == "ml-ista" else 0):
            codes = self.again(high, codes, bounds)
        return codes

    def again(self, high: Tensor, codes: list[Tensor], bounds: list[Tensor]) -> list[Tensor]:
        """One iteration of ML-ISTA: down from the deepest code, then up."""
        down = [codes[-1]]
        for filters in reversed(self.filters[1:]):
            down.insert(0, synthesis(down[0], filters))
        up, above = [], high
        for code, filters, bound, rate, stride in zip(down, self.filters, bounds, self.rates, self.strides, strict=True):
            above = F.relu(code + rate * analysis(above - synthesis(code, filters, stride), filters, stride) - bound)
            up.append(above)
        return up


def everywhere(net: LearnedCSC | LayeredCSC, high: Tensor, sigma: Tensor) -> Tensor:
    """The mean of what `net.sparse` makes of (B, 1, H, W) over all places of its grid; in training at one place: patches lie anywhere, so it sees each."""
    if net.training:
        return net.sparse(high, sigma)
    count = net.stride**2
    made = net.sparse(placed(high, net.stride), sigma.expand(len(high), 1, 1, 1).repeat_interleave(count, 0))
    return joined(made, *high.shape[-2:], net.stride)
