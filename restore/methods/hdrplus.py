"""Frames averaged frequency by frequency, as far as they differ from the reference by no more than noise."""

import torch
from torch import Tensor

from restore.method import Merge
from restore.numerics import windows

SIDE = 16  # of a tile
STRICT = 8.0  # c: how many variances of a difference are noise; more averages more, and lets more ghosts through


class HDRPlus(Merge):
    """X = 1/N sum_z [Y_z + A_z (Y_0 - Y_z)], A_z = |D_z|^2 / (|D_z|^2 + c v), D_z = Y_0 - Y_z, in the DFT of tiles of 16 under raised cosines.

    v: the variance of noise in D_z, for the mean of the reference's tile. What moved comes from the reference alone, what stood is averaged.
    For noise, not for shakes: short exposures, mosaics plane by plane. Hasinoff et al., Burst photography for high dynamic range and low-light
    imaging on mobile cameras, SIGGRAPH Asia 2016 (section 5, eq. 7 and 8; without the spatial denoising).
    """

    def window(self, problem):
        return SIDE

    def contributions(self, y, problem):
        root = windows.taper(SIDE, y)
        root = root[:, None] * root

        def merged(part: Tensor) -> Tensor:
            mean = part[..., :1, :, :, :].sum((-2, -1), keepdim=True) / root.sum()
            spectrum, variance = torch.fft.rfft2(part), 2 * problem.noise.std(mean).square() * root.square().sum()
            apart = (spectrum[..., :1, :, :, :] - spectrum).abs().square()
            back = apart / (apart + STRICT * variance).clamp_min(1e-12)
            given = (1 - back) * spectrum
            given[..., 0, :, :, :] = spectrum[..., 0, :, :, :] * (1 + back.sum(-4))
            return torch.fft.irfft2(given / part.shape[-4], part.shape[-2:])
        return windows.work(y, SIDE, merged)
