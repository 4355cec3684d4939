"""Coil sensitivities from the calibration region of k-space.

Uecker, Lai, Murphy, Virtue, Elad, Pauly, Vasanawala & Lustig, ESPIRiT: an eigenvalue approach to autocalibrating parallel MRI, MRM 2014.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from restore.errors import RestoreError
from restore.operators import sampling

LEAST = 2  # kernels fit into the calibration region along an axis at least so many times
BAND = 1 << 20  # pixels times coils^2 that are worked on at a time


@dataclass(frozen=True)
class CoilMaps:
    """`maps` (coils, H, W), complex, sum of squares 1 inside the object, 0 outside it; `region`: height and width of what they were estimated from."""

    maps: Tensor
    region: tuple[int, int]

    def describe(self) -> str:
        """The line that the user sees."""
        inside = float((self.maps.abs().sum(0) > 0).float().mean())
        region = f"the central {self.region[0]} x {self.region[1]} samples"
        return f"sensitivities of {len(self.maps)} coils from {region}, {100 * inside:.0f} % of the picture inside"


def estimate(y: Tensor, taken: Tensor, size: int = 24, kernel: int = 6, weakest: float = 0.02, least: float = 0.9, steps: int = 40) -> CoilMaps:
    """The sensitivities of one slice from y (coils, H, W) and the mask (H, W) of what was sampled; deterministic.

    Patches of kernel x kernel samples of all coils, from at most size x size central samples, span the row space of singular values over `weakest`
    of the largest; a sensitivity is the eigenvector of eigenvalue 1 of the projection onto that space, written pixel by pixel. The phase is relative
    to the coils' first principal component. Pixels whose eigenvalue is under `least` are 0. Error: a calibration region too small for the kernel.
    """
    region = tuple(min(side, size) for side in sampling.central(taken.expand(y.shape[1:]).cpu().numpy()))
    if min(region) < LEAST * kernel:
        raise RestoreError(f"the fully sampled centre of k-space is {region[0]} x {region[1]} samples: too small to estimate coil sensitivities",
                           f"at least {LEAST * kernel} x {LEAST * kernel} samples", "take --model zerofill, which needs none")
    block = y[(..., *sampling.block(y.shape, region))]
    filters = _filters(block, kernel, weakest)
    first = torch.linalg.eigh(_gram(block.flatten(1)))[1][:, -1]
    maps = torch.empty_like(y)
    rows = max(1, BAND // (len(y) ** 2 * y.shape[2]))
    for top in range(0, y.shape[1], rows):
        maps[:, top : top + rows] = _eigenvectors(filters, range(top, min(top + rows, y.shape[1])), y.shape[1:], first, least, steps)
    return CoilMaps(maps, region)


def _gram(rows: Tensor) -> Tensor:
    return rows @ rows.mH


def _filters(block: Tensor, kernel: int, weakest: float) -> Tensor:
    """The projection as correlations (coils, coils, 2 kernel - 1, 2 kernel - 1) of the row space's kernels with each other."""
    coils = len(block)
    patches = block.unfold(1, kernel, 1).unfold(2, kernel, 1)  # (coils, h, w, kernel, kernel)
    rows = patches.permute(1, 2, 0, 3, 4).reshape(-1, coils * kernel**2)
    values, vectors = torch.linalg.eigh(_gram(rows.mH))
    kept = vectors[:, values > weakest**2 * values[-1]].conj().mT.reshape(-1, coils, kernel, kernel)
    side = 2 * kernel - 1
    spectrum = torch.fft.fft2(kept, s=(side, side))
    return torch.fft.fftshift(torch.fft.ifft2(torch.einsum("kcij,kdij->cdij", spectrum, spectrum.conj())), (-2, -1)) / kernel**2


def _eigenvectors(filters: Tensor, rows: range, shape: tuple[int, ...], first: Tensor, least: float, steps: int) -> Tensor:
    """(coils, rows, W): the filters as seen by each pixel of some rows are matrices coils x coils; their first eigenvector, by the power method."""
    height, width = shape
    reach = filters.shape[-1] // 2
    lag = torch.arange(-reach, reach + 1, device=filters.device)
    places = [torch.arange(size, device=filters.device)[:, None] - size // 2 for size in (height, width)]
    down, across = (torch.exp(2j * torch.pi * place * lag / len(place)).to(filters) for place in places)
    seen = torch.einsum("yi,cdij,xj->yxcd", down[rows.start : rows.stop], filters, across).reshape(-1, len(filters), len(filters))
    vector = first.to(seen).expand(len(seen), -1)[..., None]
    for _ in range(steps):
        vector = seen @ vector
        value = torch.linalg.vector_norm(vector, dim=1, keepdim=True)
        vector = vector / value.clamp_min(1e-12)
    turn = first.conj()[None, None] @ vector
    vector = vector * torch.sgn(turn).conj() * (value > least)
    return vector[..., 0].mT.reshape(len(filters), len(rows), width)
