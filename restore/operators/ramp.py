"""The ramp filter of tomography: its windows, the share of each view, and the half of it that makes D^T D nearly the identity.

h(0) = 1 / (4 p^2), h(n) = -1 / (pi n p)^2 for odd n, else 0, for detector pixels of p mm, keeps the mean right where |w| sampled does not.

Ramachandran & Lakshminarayanan, PNAS 1971; Shepp & Logan, The Fourier reconstruction of a head section, 1974; Parker, Optimal short scan convolution
reconstruction for fan-beam CT, Medical Physics 1982; Wang, X-ray micro-CT with a displaced detector array, Medical Physics 2002.
"""

import math

import torch
from torch import Tensor

from restore.image import Geometry
from restore.operators.base import Operator

WINDOWS = {
    "ramp": torch.ones_like,
    "shepp-logan": lambda w: torch.sinc(w / 2),
    "cosine": lambda w: torch.cos(math.pi * w / 2),
    "hann": lambda w: 0.5 + 0.5 * torch.cos(math.pi * w),
}  # over |w| / Nyquist

ASIDE = 2  # pixels that the axis is off the middle of the detector, from which a full turn sees some lines twice and some once
FADE = 8  # pixels over which the one goes over into the other, per pixel that it is off, at most


def filtered(y: Tensor, pitch: float, window: str) -> Tensor:
    """Rows convolved with the windowed ramp, times the pitch in mm; no wrapping around."""
    length = _length(y)
    return torch.fft.irfft(torch.fft.rfft(y, length) * response(length, pitch, window).to(y), length)[..., : y.shape[-1]]


def _length(y: Tensor) -> int:
    return 2 ** math.ceil(math.log2(2 * y.shape[-1]))


def response(length: int, pitch: float, window: str = "ramp") -> Tensor:
    """What the windowed ramp, times the pitch, does to each of length // 2 + 1 frequencies; in 1/mm, float64."""
    n = torch.fft.fftfreq(length, 1 / length, dtype=torch.float64)
    h = torch.where(n % 2 == 0, 0.0, -1 / (math.pi * n * pitch).square().clamp_min(1e-300))
    h[0] = 1 / (4 * pitch**2)
    w = torch.linspace(0, 1, length // 2 + 1, dtype=torch.float64)
    return torch.fft.rfft(h).real * pitch * WINDOWS[window](w)


def shares(angles: tuple[float, ...], period: float) -> Tensor:
    """The angle in radians that each view stands for."""
    turned = torch.tensor(angles, dtype=torch.float64) % period
    turned = torch.where(period - turned < 1e-6, 0.0, turned)
    places, which, count = torch.unique((turned * 1e6).round() / 1e6, return_inverse=True, return_counts=True)
    gaps = torch.diff(torch.cat([places, places[:1] + period]))
    gaps = gaps.clamp_max(2 * float(gaps.median()))
    return (((gaps + gaps.roll(1)) / 2) / count)[which].deg2rad()


def counted(geometry: Geometry) -> Tensor:
    """The angle in radians that each ray stands for, (view, detector | 1), in float64: together once round for every line.

    A full turn of a fan sees each line twice. Of a shorter one, lines that are seen twice fade from one view to its opposite, as Parker weighs them.
    A full turn with the detector to one side of the axis sees what lies beyond its near end once: Wang's weights.
    """
    return _once(geometry) * _sides(geometry)


def aside(geometry: Geometry) -> float:
    """Pixels that the axis is off the middle of the detector, of a full turn, and by so much that it matters; else 0."""
    off = 0.0 if geometry.center is None else geometry.center - (geometry.detectors - 1) / 2
    return off if abs(off) >= ASIDE and _widest(geometry)[0] == 0 else 0.0


def _sides(geometry: Geometry) -> Tensor:
    """(detector,): 1 where a line is seen from both sides, 2 where from one; between them it fades, and what two rays of a line weigh is 2."""
    off = aside(geometry)
    if not off:
        return torch.ones(1, dtype=torch.float64)
    near = max((geometry.detectors - 1) / 2 - abs(off), 1e-6)
    s = (torch.arange(geometry.detectors, dtype=torch.float64) - geometry.center) * (-1 if off > 0 else 1)
    fade = min(near, FADE * abs(off))
    return 1 + s.sign() * torch.sin(math.pi / 2 * ((s.abs() - near + fade) / fade).clamp(0, 1)).square()


def _widest(geometry: Geometry) -> tuple[float, float, float]:
    """Degrees of the gap that views leave in a full turn, 0 where they leave none; the usual one; and where the view after the gap stands."""
    places = torch.tensor(geometry.angles, dtype=torch.float64).remainder(360).sort().values
    gaps = torch.diff(torch.cat([places, places[:1] + 360]))
    usual, widest = float(gaps[gaps > 1e-6].median()), int(gaps.argmax())
    gap = float(gaps[widest])
    return gap if gap > 2 * usual else 0.0, usual, float(places[(widest + 1) % len(places)])


def _once(geometry: Geometry) -> Tensor:
    """As `counted`, of a detector whose middle the axis is in front of."""
    if not geometry.fan:
        return shares(geometry.angles, 180.0)[:, None]
    share = shares(geometry.angles, 360.0)[:, None]
    gap, usual, first_view = _widest(geometry)
    if not gap:
        return share / 2
    arc = math.radians(360 - gap + usual)
    turned = (torch.tensor(geometry.angles, dtype=torch.float64) - first_view + usual / 2).remainder(360).deg2rad()[:, None]
    middle = (geometry.detectors - 1) / 2 if geometry.center is None else geometry.center
    fan = torch.atan((torch.arange(geometry.detectors, dtype=torch.float64) - middle) * (geometry.pitch / geometry.detector))
    first, last = (arc - math.pi) / 2 - fan, (arc - math.pi) / 2 + fan  # half of the turn in which a ray's opposite is still to come, or has been
    rise = torch.where(turned < 2 * first, torch.sin(math.pi / 4 * turned / first).square(), 1.0)
    return share * torch.where(arc - turned < 2 * last, torch.sin(math.pi / 4 * (arc - turned) / last).square(), rise)


class HalfRamp(Operator):
    """R^(1/2) on sinograms of a geometry: with D for pictures of `pixel` mm, (R^(1/2) D)^T R^(1/2) D is nearly the identity, and on R^(1/2) y it is FBP.

    So iterations that take it for their D take a few steps where D alone takes hundreds. Its own transpose.
    """

    reach = None

    def __init__(self, geometry: Geometry, pixel: float):
        super().__init__()
        pitch = geometry.pitch / geometry.magnification
        self.pitch, self.in_shape = pitch, (1, len(geometry.angles), geometry.detectors)
        self.register_buffer("weight", (_once(geometry).mean(1, keepdim=True) * pitch / pixel**2).sqrt())

    def forward(self, y: Tensor) -> Tensor:
        length = _length(y)
        half = response(length, self.pitch).clamp_min(0).sqrt().to(y)
        return torch.fft.irfft(torch.fft.rfft(y, length) * half, length)[..., : y.shape[-1]] * self.weight.to(y)

    def adjoint(self, y: Tensor) -> Tensor:
        return self(y)


def examples(dtype: torch.dtype = torch.float64) -> list[tuple[Operator, Tensor]]:
    """Views over a half turn, and a few of a fan."""
    y = torch.randn(2, 1, 7, 20, dtype=dtype, generator=torch.Generator().manual_seed(0))
    return [(HalfRamp(Geometry(tuple(range(0, 175, 25)), 20), 0.9), y), (HalfRamp(Geometry(tuple(range(0, 280, 40)), 20, 1.5, 30.0, 50.0), 1.0), y)]
