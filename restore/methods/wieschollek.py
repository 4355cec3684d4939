"""Fourier burst accumulation with learned weights, of frames that learned filters have sharpened."""

import torch
from torch import Tensor, nn

from restore.method import Merge
from restore.numerics import windows
from restore.numerics.spectra import log_magnitude

SIDE = 64  # of a window: 64 x 33 coefficients, as many as the 65 x 65 patches of the paper have
EDGE = 8  # the highest index of a band


class Wieschollek(Merge):
    """x = sum of windows of F^-1 sum_i w_i g_i F y_i, w = softmax over frames of (p log G |F y_i| + c_i); c_i real and g_i complex by a network.

    The network sees each frame's window in four bands: indices up to 4 of its spectrum, and 4 to 8 of those of the window, its central half and its
    central quarter. What it finds of each frame is pooled over the frames (mean and maximum) and given back to each, so any number of frames will do.
    Its last layer starts at 0: g_i = 1, c_i = 0, and it is FBA with windows of 64. All channels share weights and filters; the mean is not touched.
    width: of the hidden layers. After Wieschollek, Schoelkopf, Lensch & Hirsch, End-to-end learning for image burst deblurring, ACCV 2016; the bands are
    Chakrabarti's (ECCV 2016, section 3.1). The paper's layer sizes are not known to us; these are ours.
    """

    channels = 3
    blind = True
    half_ok = False

    def __init__(self, width: int = 384, power: float = 11.0):
        super().__init__()
        self.power = power
        self.register_buffer("bands", _bands(), persistent=False)
        features = 2 * int(sum(band.sum() for band in self.bands))
        self.encoder = nn.Sequential(nn.Linear(features, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU())
        self.trunk = nn.Sequential(nn.Linear(3 * 256, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        self.head = nn.Linear(width, 3 * SIDE * (SIDE // 2 + 1))
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def window(self, problem):
        return SIDE

    def contributions(self, y, problem):
        def merged(part: Tensor) -> Tensor:
            return self.net(part, problem.noise.std(windows.light(part)) / 2)  # half of it is left under the taper

        return windows.work(y, SIDE, merged)

    def net(self, y: Tensor, sigma: Tensor) -> Tensor:
        """The contributions of frames in tapered windows (n, B, F, C, 64, 64)."""
        spectrum = torch.fft.rfft2(y)
        seen = self.encoder(self._features(y.mean(-3)))
        pooled = torch.cat([seen.mean(-2, keepdim=True), seen.amax(-2, keepdim=True)], -1).expand(*seen.shape[:-1], -1)
        more, real, imaginary = self.head(self.trunk(torch.cat([seen, pooled], -1))).float().unflatten(-1, (3, 1, SIDE, SIDE // 2 + 1)).unbind(-4)
        weight = (self.power * log_magnitude(spectrum, y.shape[-2:], sigma) + more).softmax(-4)
        keep = torch.ones_like(real)
        keep[..., 0, 0] = 0
        return torch.fft.irfft2(weight * torch.complex(1 + keep * real, keep * imaginary) * spectrum, y.shape[-2:])

    def _features(self, grey: Tensor) -> Tensor:
        """The four bands of windows (..., 64, 64) as real numbers, on the scale of 1: natural spectra fall as 1 / frequency."""
        parts = []
        for band, side in zip(self.bands, (SIDE, SIDE, SIDE // 2, SIDE // 4), strict=True):
            cut = (SIDE - side) // 2
            part = torch.fft.rfft2(grey[..., cut : SIDE - cut, cut : SIDE - cut], norm="forward")
            part = torch.cat([part[..., -EDGE:, : EDGE + 1], part[..., : EDGE + 1, : EDGE + 1]], -2)[..., band]
            parts += [part.real, part.imag]
        return 16 * torch.cat(parts, -1)

    @property
    def flops_per_pixel(self) -> float:
        """Of the network, per pixel and frame; a multiply and an add count as two."""
        return 2.0 * sum(part.weight.numel() for part in self.modules() if isinstance(part, nn.Linear)) / (SIDE // 2) ** 2


def _bands() -> Tensor:
    """Which of 17 rows (-8 to 8) and 9 columns (0 to 8) of a half-plane are seen: (4, 17, 9)."""
    reach = torch.maximum(torch.arange(-EDGE, EDGE + 1).abs()[:, None], torch.arange(EDGE + 1)[None])
    low, high = reach <= EDGE // 2, reach > EDGE // 2
    return torch.stack([low, high, high, high])
