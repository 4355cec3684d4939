"""The kernel of a blurred picture, from coarse to fine: what sharp edges would have to be blurred by.

At each scale, in turns: x = argmin |k * x - y|^2 + lambda |grad x|_0, which keeps strong edges and flattens what lies between them, by half-quadratic
splitting; k = argmin |k * grad x - grad y|^2 + gamma |k|^2 over the strongest gradients of x, its weak and lonely samples taken away. At last x has total
variation as its prior, which leaves it more than edges: that finds the shades of a kernel whose shape is known (correlation with Levin's truths 0.88, before 0.82).
How large the kernel is decides the objective itself: the size is taken whose k and x make it least.

Pan, Hu, Su & Yang, Deblurring text images via L0-regularized intensity and gradient prior, CVPR 2014 (eq. 5 to 12, for photographs without the
prior of intensities), after Xu, Zheng & Jia, Unnatural L0 sparse representation for natural image deblurring, CVPR 2013; edges are chosen and kernels found
from gradients as by Cho & Lee, Fast motion deblurring, SIGGRAPH Asia 2009; the two phases are those of Xu & Jia, Two-phase kernel estimation, ECCV 2010.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from restore.errors import RestoreError
from restore.estimate import sigma
from restore.numerics.differences import gradient
from restore.numerics.liveliest import liveliest
from restore.numerics.resample import resize
from restore.numerics.solvers import cg
from restore.operators.blur import Blur, fast_length

STEP = 2**0.5  # between scales
ROUNDS = 5  # at each scale
SPARSE = (4e-3, 1e-4)  # lambda at first and at last
STIFFEST = 1e5  # beta, at which splitting ends
FINE, FINEST, FINER = 1e-3, 20.0, 3  # of total variation: its weight, the last beta, the rounds
RIDGE = 2.0  # gamma
NOISY = (8.0, 60.0)  # by what noise raises gamma, times sigma^2 pixels, and the weight of total variation, times sigma^2
EASE = 1.1  # by what lambda, and the least gradient that counts, fall from round to round
WEAK = 0.05  # of the largest sample of a kernel: less is noise
LONELY = 0.1  # of the sum: an island with less is noise
SIDES = (15, 23, 31, 47, 69, 101)  # tried where none is given: the first three, and larger ones while the largest is the best
FULL = 0.8  # of the side: a kernel that reaches so far may have been cut off
WINDOW = 512  # side of what is looked at, in pixels
ROOM = 3  # least sides of the picture, in sides of the kernel
FLAT = 8 / 255  # the least range of an edge


@dataclass(frozen=True)
class KernelEstimate:
    """kernel: (h, w), not negative, sum 1, sides odd, its centre of mass in the middle; misfit: root mean square of what it leaves of y, on the 0-255 scale;
    side: of the square that was searched; box: (top, left, height, width) that was looked at.
    """

    kernel: Tensor
    misfit: float
    side: int
    box: tuple[int, int, int, int]

    def describe(self) -> str:
        """The line that the user sees."""
        height, width = self.kernel.shape
        _, _, rows, columns = self.box
        return f"kernel {width} x {height} pixels, searched in {self.side} x {self.side} on {columns} x {rows} pixels of the picture; it leaves {self.misfit:.1f}/255 of it"


def estimate(y: Tensor, side: int | None = None) -> KernelEstimate:
    """The one kernel of the blurred picture y (1, C, H, W), of at most `side` pixels across; left out: of the size that suits best.

    Colour pictures are looked at in grey; large ones, and those with NaN, where most edges are. Raises RestoreError where there are no edges or too few pixels.
    """
    grey = y.detach().mean(1, keepdim=True).float().cpu()
    box = liveliest(grey, WINDOW)
    top, left, height, width = box
    most = (min(height, width) // ROOM - 1) | 1
    if most < (side or SIDES[0]):
        raise RestoreError(f"{width} x {height} pixels without a gap are too few to find a kernel of {side or SIDES[0]} pixels in", f"{ROOM} times the side of the kernel",
                           "say what the blur is: --kernel gaussian:1.6" if side is None else f"--kernel-size {most}")
    seen = grey[..., top : top + height, left : left + width]
    if not torch.isfinite(seen).all():
        raise RestoreError("the picture has no window without NaN in which its blur could be found", f"{width} x {height} finite pixels", "say what the blur is: --kernel gaussian:1.6")
    if float(seen.quantile(0.99) - seen.quantile(0.01)) < FLAT:
        raise RestoreError("the picture is too flat to find its blur", "edges", "say what the blur is: --kernel gaussian:1.6")
    noise, best, found = sigma.estimate(seen).sigma[0] / 255, math.inf, None
    for number, tried in enumerate((side | 1,) if side else [size for size in SIDES if size <= most]):
        kernel = kernels(seen, tried, noise)
        cost, misfit = objective(seen, kernel, noise)
        if cost < best:
            best, found = cost, KernelEstimate(trimmed(kernel[0, 0]), 255 * misfit, tried, box)
        if number > 1 and (found.side < tried or max(found.kernel.shape) < FULL * tried):
            break
    if found is None:
        raise RestoreError("no kernel explains the picture", "a picture with edges, and a side of 3 pixels or more", "say what the blur is: --kernel gaussian:1.6")
    return found


def kernels(y: Tensor, side: int, noise: float = 0.0) -> Tensor:
    """Kernels (B, 1, side, side) of grey pictures y (B, 1, H, W) with noise of this sigma on [0, 1], each a sum of 1 about its centre of mass; `side` odd."""
    sides = [side]
    while sides[-1] > 3:
        sides.append(max(int(sides[-1] / STEP) // 2 * 2 + 1, 3) if sides[-1] > 5 else 3)
    k = y.new_full((len(y), 1, 3, 3), 0.0)
    k[..., 1, :2] = 0.5  # a first motion, however small, so that x is not y
    sparse, least = SPARSE[0], None
    for level, size in enumerate(reversed(sides)):
        scale = STEP ** (len(sides) - 1 - level)
        small = resize(y, *(round(n / scale) for n in y.shape[-2:])) if scale > 1 else y
        k = centred(F.interpolate(k, (size, size), mode="bicubic", align_corners=True).clamp_min(0))
        edges = gradient(small)
        ridge = RIDGE + NOISY[0] * (noise / scale) ** 2 * small[0].numel()
        for _ in range(ROUNDS):
            x = gradient(latent(small, k, sparse))
            strength = x.square().sum(0, keepdim=True).sqrt()
            least = strongest(strength, size) if least is None else least
            k = cleared(solved(x * (strength > least), edges, size, ridge))
            sparse, least = max(sparse / EASE, SPARSE[1]), least / EASE
        k = centred(k)
    for _ in range(FINER):
        k = cleared(solved(gradient(latent(y, k, FINE + NOISY[1] * noise**2, soft=True)), edges, side, ridge))
    return centred(k)


def objective(y: Tensor, k: Tensor, noise: float) -> tuple[float, float]:
    """|k * x - y|^2 + lambda |grad x|_0 per pixel, of the x that makes it least; and the root mean square that total variation leaves of y. Edges, a tenth of the side, do not
    count: for all k the same, so that the first compares kernels of different sides.
    """
    edge = min(y.shape[-2:]) // 10
    inside = (..., slice(edge, y.shape[-2] - edge), slice(edge, y.shape[-1] - edge))
    sharp, smooth = latent(y, k, SPARSE[0]), latent(y, k, FINE + NOISY[1] * noise**2, soft=True)
    lost, left = ((Blur(k)(x) - y)[inside].square().mean() for x in (sharp, smooth))
    edges = (gradient(sharp).square().sum(0) > SPARSE[0] / STIFFEST)[inside].float().mean()
    return float(lost + SPARSE[0] * edges), float(left.sqrt())


def latent(y: Tensor, k: Tensor, sparse: float, soft: bool = False) -> Tensor:
    """x = argmin |k * x - y|^2 + sparse |grad x|_0: gradients under sqrt(sparse / beta) become 0, x follows in the Fourier domain, beta doubles (eq. 7 to 10).

    soft: total variation, 2 sparse |grad x|, in place of the count: gradients are shortened by sparse / beta.
    """
    canvas = Blur(k).canvas(y)
    x, size = canvas.y, canvas.y.shape[-2:]
    rows, columns = (2 - 2 * torch.cos(2 * math.pi * f(n, device=y.device)) for f, n in zip((torch.fft.fftfreq, torch.fft.rfftfreq), size, strict=True))
    transfer, laplacian = canvas.operator.transfer(x), rows[:, None] + columns
    data, power, beta = transfer.conj() * torch.fft.rfft2(x), transfer.abs().square(), 2 * sparse
    while beta < (FINEST if soft else STIFFEST):
        down, across = x.roll(-1, -2) - x, x.roll(-1, -1) - x
        length = down.square() + across.square()
        kept = 1 - (sparse / beta / length.clamp_min(1e-18).sqrt()).clamp_max(1) if soft else length >= sparse / beta
        down, across = down * kept, across * kept
        spread = down.roll(1, -2) - down + across.roll(1, -1) - across
        x = torch.fft.irfft2((data + beta * torch.fft.rfft2(spread)) / (power + beta * laplacian), s=size)
        beta *= 2
    return canvas.crop(x)


def strongest(strength: Tensor, side: int) -> Tensor:
    """The least gradient (1, B, 1, 1, 1) of so many pixels as a kernel of this side needs: 2 side sqrt(pixels)."""
    values = strength.flatten(2)
    return values.topk(min(int(2 * side * values.shape[2] ** 0.5), values.shape[2])).values[..., -1].reshape(1, -1, 1, 1, 1)


def solved(x: Tensor, y: Tensor, side: int, ridge: float = RIDGE) -> Tensor:
    """k = argmin |k * x - y|^2 + ridge |k|^2 on side x side, of gradients (2, B, 1, H, W): conjugate gradients on correlations, whose cost the picture's size does not change."""
    size, half = [fast_length(n + side) for n in x.shape[-2:]], side // 2
    spectrum = torch.fft.rfft2(x, s=size)
    own = lags(torch.fft.irfft2(spectrum.abs().square().sum(0), s=size), 2 * half)
    both = lags(torch.fft.irfft2((spectrum.conj() * torch.fft.rfft2(y, s=size)).sum(0), s=size), half)
    grid = (fast_length(4 * side),) * 2
    transfer, inside = torch.fft.rfft2(own, s=grid), slice(2 * half, 2 * half + side)

    def apply(k: Tensor) -> Tensor:
        return torch.fft.irfft2(torch.fft.rfft2(k, s=grid) * transfer, s=grid)[..., inside, inside] + ridge * k

    return cg(apply, both, torch.zeros_like(both), 25, 1e-4)


def lags(correlation: Tensor, most: int) -> Tensor:
    """Those from -most to most of both axes, the middle one in the middle."""
    at = torch.arange(-most, most + 1, device=correlation.device)
    return correlation[..., at % correlation.shape[-2], :][..., at % correlation.shape[-1]]


def cleared(k: Tensor) -> Tensor:
    """A kernel without what is negative, weak, or an island of little mass; its sum is 1."""
    k = k.clamp_min(0)
    k = k * (k >= WEAK * k.amax((-2, -1), keepdim=True))
    k = k / k.sum((-2, -1), keepdim=True)
    name = torch.arange(1, k[0].numel() + 1, dtype=k.dtype, device=k.device).reshape(k[0].shape) * (k > 0)
    for _ in range(k[0].numel()):  # the largest number of an island spreads over all of it
        before, name = name, F.max_pool2d(name, 3, 1, 1) * (k > 0)
        if torch.equal(before, name):
            break
    name = name.long().flatten(1)
    mass = torch.zeros(len(k), k[0].numel() + 1, dtype=k.dtype, device=k.device).scatter_add_(1, name, k.flatten(1)).gather(1, name).reshape(k.shape)
    k = k * (mass >= torch.minimum(mass.amax((-2, -1), keepdim=True), mass.new_tensor(LONELY)))
    return k / k.sum((-2, -1), keepdim=True)


def centred(k: Tensor) -> Tensor:
    """Moved by whole pixels, so that the centre of mass lies in the middle; what leaves the square is lost. Its sum is 1."""
    side = k.shape[-1]
    at = torch.arange(side, device=k.device)
    mass = k / k.sum((-2, -1), keepdim=True)
    rows, columns = ((at + ((mass.sum(axis) * (at - side // 2)).sum(-1).round().long())[..., None])[:, 0] for axis in (-1, -2))
    inside = ((rows >= 0) & (rows < side))[:, :, None] & ((columns >= 0) & (columns < side))[:, None]
    index = (rows.clamp(0, side - 1)[:, :, None] * side + columns.clamp(0, side - 1)[:, None]).flatten(1)
    k = (k.flatten(1).gather(1, index).reshape(len(k), side, side) * inside)[:, None]
    return k / k.sum((-2, -1), keepdim=True)


def extent(k: Tensor) -> tuple[int, int]:
    """Rows and columns from the first to the last that a kernel (h, w) has something in, counted about its middle: both odd."""
    found = []
    for axis in (1, 0):
        there = (k > 0).any(axis).nonzero().flatten()
        half = k.shape[1 - axis] // 2
        found.append(2 * max(half - int(there[0]), int(there[-1]) - half) + 1)
    return found[0], found[1]


def trimmed(k: Tensor) -> Tensor:
    """A kernel without its empty borders; its middle stays."""
    (height, width), (rows, columns) = extent(k), k.shape
    return k[(rows - height) // 2 : (rows + height) // 2, (columns - width) // 2 : (columns + width) // 2].contiguous()
