"""The n of y = D x + n. Parameters are tensors that broadcast to y: (), or (B, C, 1, 1) with B or C 1.

`sample` draws y from the mean D x; nothing is clipped or rounded. Intensities are on [0, 1].
"""

import hashlib

import torch
from torch import Tensor, nn


def seed_of(*parts: object) -> int:
    """A seed from what tells one draw from another, as a number, a file's name and a page: the order of a batch never matters."""
    digest = hashlib.sha256("|".join(map(str, parts)).encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") >> 1


class Noise(nn.Module):
    """The base. `sigma` is the standard deviation that does not depend on the signal, `gain` the variance per intensity.

    var(y) = gain x + sigma^2; Gaussian noise has no gain, Poisson noise no sigma.
    """

    def __init__(self, sigma: Tensor | float = 0.0, gain: Tensor | float = 0.0):
        super().__init__()
        self.register_buffer("sigma", torch.as_tensor(sigma, dtype=torch.float32))
        self.register_buffer("gain", torch.as_tensor(gain, dtype=torch.float32))

    def sample(self, mean: Tensor, generator: torch.Generator | None = None) -> Tensor:
        raise TypeError(f"{type(self).__name__} cannot be sampled")

    def std(self, mean: Tensor) -> Tensor:
        """The standard deviation at each sample, for the mean (or a stand-in for it, clamped at 0)."""
        return (self.gain * mean.clamp_min(0) + self.sigma**2).sqrt()

    def times(self, factor: float) -> "Noise":
        """The noise of `factor` times as many standard deviations."""
        copy = type(self).__new__(type(self))
        Noise.__init__(copy, factor * self.sigma, factor**2 * self.gain)
        return copy

    def amplified(self, gain: Tensor) -> "Noise":
        """The noise of y times a gain, whose mean is that of y times it too."""
        copy = type(self).__new__(type(self))
        Noise.__init__(copy, gain * self.sigma, gain * self.gain)
        return copy

    def map(self, change) -> "Noise":
        """The same noise with `change` applied to each parameter that is not a scalar."""
        copy = type(self).__new__(type(self))
        Noise.__init__(copy, *(value if value.ndim == 0 else change(value) for value in (self.sigma, self.gain)))
        return copy


def _normal_like(x: Tensor, generator: torch.Generator | None) -> Tensor:
    return torch.randn(x.shape, dtype=x.dtype, device=x.device, generator=generator)


class NoNoise(Noise):
    def __init__(self):
        super().__init__()

    def sample(self, mean, generator=None):
        return mean

    def __str__(self):
        return "no noise"


class Gaussian(Noise):
    """y = mean + N(0, sigma^2); sigma on [0, 1]."""

    def __init__(self, sigma: Tensor | float):
        super().__init__(sigma=sigma)

    def sample(self, mean, generator=None):
        return mean + self.sigma.to(mean.dtype) * _normal_like(mean, generator)

    def __str__(self):
        return f"Gaussian, sigma {_number(self.sigma * 255)}/255"


class Poisson(Noise):
    """y = Poisson(peak mean) / peak; `peak`: photons at intensity 1. Negative means count as 0."""

    def __init__(self, peak: Tensor | float):
        super().__init__(gain=1 / torch.as_tensor(peak, dtype=torch.float32))

    @property
    def peak(self) -> Tensor:
        return 1 / self.gain

    def sample(self, mean, generator=None):
        peak = self.peak.to(mean.dtype)
        return torch.poisson(mean.clamp_min(0) * peak, generator=generator) / peak

    def __str__(self):
        return f"Poisson, peak {_number(self.peak)} photons"


class PoissonGaussian(Poisson):
    """y = Poisson(peak mean) / peak + N(0, sigma^2): a sensor's photons and its electronics."""

    def __init__(self, peak: Tensor | float, sigma: Tensor | float):
        super().__init__(peak)
        self.sigma = torch.as_tensor(sigma, dtype=torch.float32)

    def sample(self, mean, generator=None):
        return super().sample(mean, generator) + self.sigma.to(mean.dtype) * _normal_like(mean, generator)

    def __str__(self):
        return f"Poisson-Gaussian, peak {_number(self.peak)} photons, sigma {_number(self.sigma * 255)}/255"


class Transmission(Noise):
    """y = -log(max(N, 1) / N0), N = Poisson(N0 e^(-mean)) + N(0, electronic^2): line integrals from counted photons.

    photons: N0, counts of a ray that meets nothing; electronic: standard deviation in counts. The mean is in nepers.
    """

    def __init__(self, photons: float, electronic: float = 0.0):
        super().__init__()
        self.photons, self.electronic = photons, electronic

    def sample(self, mean, generator=None):
        counts = torch.poisson(self.photons * torch.exp(-mean), generator=generator) + self.electronic * _normal_like(mean, generator)
        return -torch.log(counts.clamp_min(1) / self.photons)

    def std(self, mean):
        """To first order: sqrt(c + electronic^2) / c, c = N0 e^(-mean)."""
        counts = self.photons * torch.exp(-mean)
        return (counts + self.electronic**2).sqrt() / counts

    def map(self, change):
        return self

    def times(self, factor):
        raise TypeError("counts of photons cannot be multiplied and be counts of photons")

    amplified = times

    def __str__(self):
        return f"transmission, {self.photons:.4g} photons, electronic {self.electronic:g}"


def _number(value: Tensor) -> str:
    low, high = float(value.min()), float(value.max())
    return f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"
