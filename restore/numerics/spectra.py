"""How strong a frame is at every frequency, beside its neighbours and its noise."""

import math

import torch
from torch import Tensor

NARROW = 50  # magnitudes are smoothed over a standard deviation of the shorter side / NARROW


def log_magnitude(spectrum: Tensor, size: tuple[int, int], sigma: Tensor) -> Tensor:
    """log G |V| of half-plane spectra V (..., C, H, W / 2 + 1) of pictures of `size`: (..., 1, H, W / 2 + 1).

    |V| is the mean over the channels; G smooths it, circularly, by a Gaussian; it is not taken for less than the mean magnitude of white noise
    of standard deviation sigma, () or (B, 1, 1, 1, 1), sqrt(pi / 4 H W) sigma. Delbracio & Sapiro, CVPR 2015 (section 3).
    """
    magnitude = spectrum.abs().mean(-3, keepdim=True)
    spread = min(size) / NARROW
    bell = [torch.exp(-2 * (math.pi * spread * torch.fft.fftfreq(n, device=magnitude.device)) ** 2).to(magnitude.dtype) for n in size]
    even = torch.fft.irfft2(torch.complex(magnitude, torch.zeros_like(magnitude)), size)
    smooth = torch.fft.rfft2(even * bell[0][:, None] * bell[1]).real
    return torch.maximum(smooth, math.sqrt(math.pi / 4 * math.prod(size)) * sigma).clamp_min(1e-9).log()
