"""From a camera's own red, green and blue to colour: which white it saw, and the matrix that follows. 3 x 3 matrices in float64.

Adobe, Digital negative specification 1.4, chapter 6; the Bradford adaptation of Lam, 1985.
"""

import torch
from torch import Tensor

from restore.errors import RestoreError
from restore.image import SPACES, Profile, Sensor, Space

D50, D55, D65 = (0.3457, 0.3585), (0.3324, 0.3474), (0.3127, 0.3290)
BRADFORD = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))
PASSES = 30


def matrix(sensor: Sensor, neutral: tuple[float, ...], space: Space) -> Tensor:
    """White-balanced camera values (divided by `neutral`) to linear RGB of the space; (1, 1, 1) stays (1, 1, 1).

    By the profiles of the camera; else by the matrix to sRGB that LibRaw has for it; else the camera's colours are taken for those of sRGB.
    """
    if sensor.profiles:
        return torch.linalg.inv(to_xyz(space)) @ adaptation(D50, D65) @ camera_to_d50(sensor.profiles, neutral)
    own = torch.linalg.inv(to_xyz(space)) @ to_xyz(SPACES["srgb"])
    return own if sensor.to_srgb is None else own @ _rows_to_one(torch.tensor(sensor.to_srgb, dtype=torch.float64))


def camera_to_d50(profiles: tuple[Profile, ...], neutral: tuple[float, ...]) -> Tensor:
    """White-balanced camera values to XYZ under D50, by the forward matrices where there are any; white to white of Y = 1."""
    weight, colour = _at(profiles, white(profiles, neutral))
    if all(profile.forward for profile in profiles):
        forward = _mixed([profile.forward for profile in profiles], weight)
        return xyz(D50)[:, None] / forward.sum(1, keepdim=True) * forward
    seen = torch.tensor(neutral, dtype=torch.float64)
    whole = torch.linalg.inv(colour) * seen  # a column for each colour of the camera
    light = whole.sum(1)
    return adaptation(_chromaticity(light), D50) @ whole / light[1]


def white(profiles: tuple[Profile, ...], neutral: tuple[float, ...]) -> tuple[float, float]:
    """x, y of the light under which a neutral surface gives `neutral`: the light decides the matrix, and the matrix the light."""
    at, seen = D50, torch.tensor(neutral, dtype=torch.float64)
    for _ in range(PASSES):
        colour = _at(profiles, at)[1]
        light = torch.linalg.solve(colour, seen) if abs(float(torch.linalg.det(colour))) > 1e-9 else torch.zeros(3, dtype=torch.float64)
        before, at = at, _chromaticity(light)
        if not (0 < at[0] < 1 and 0 < at[1] < 1):
            raise RestoreError(f"the white {', '.join(f'{value:.3g}' for value in neutral)} of the camera is that of no light", "",
                               "type the gains: --wb R,G,B, or --wb auto")
        if max(abs(at[0] - before[0]), abs(at[1] - before[1])) < 1e-7:
            break
    return at


def neutral_under(profiles: tuple[Profile, ...], at: tuple[float, float]) -> tuple[float, ...]:
    """What the camera sees of a neutral surface under the light of x, y; green 1."""
    seen = _at(profiles, at)[1] @ xyz(at)
    return tuple(float(value / seen[1]) for value in seen)


def temperature(at: tuple[float, float]) -> float:
    """Correlated colour temperature in kelvin. McCamy, Color Research & Application 1992."""
    n = (at[0] - 0.3320) / (0.1858 - at[1])
    return min(max(449 * n**3 + 3525 * n**2 + 6823.3 * n + 5520.33, 1000.0), 50000.0)


def adaptation(before: tuple[float, float], after: tuple[float, float]) -> Tensor:
    """XYZ under one white to XYZ under another."""
    cone = torch.tensor(BRADFORD, dtype=torch.float64)
    return torch.linalg.inv(cone) @ torch.diag((cone @ xyz(after)) / (cone @ xyz(before))) @ cone


def to_xyz(space: Space) -> Tensor:
    """Linear RGB of a space to XYZ under D65."""
    primaries = torch.stack([xyz(primary) for primary in space.primaries], 1)
    return primaries * torch.linalg.solve(primaries, xyz(D65))


def xyz(at: tuple[float, float]) -> Tensor:
    """X, Y, Z of x, y at Y = 1."""
    return torch.tensor([at[0] / at[1], 1.0, (1 - at[0] - at[1]) / at[1]], dtype=torch.float64)


def _at(profiles: tuple[Profile, ...], at: tuple[float, float]) -> tuple[float, Tensor]:
    """How much of the first profile is in the mixture for a light, linear in the inverse temperature, and that mixture from XYZ to camera."""
    low, high = profiles[0], profiles[-1]
    weight = 1.0
    if high.kelvin > low.kelvin:
        weight = (1 / temperature(at) - 1 / high.kelvin) / (1 / low.kelvin - 1 / high.kelvin)
    weight = min(max(weight, 0.0), 1.0)
    return weight, _mixed([profile.colour for profile in profiles], weight)


def _mixed(matrices: list, weight: float) -> Tensor:
    first, last = (torch.tensor(matrices[place], dtype=torch.float64) for place in (0, -1))
    return weight * first + (1 - weight) * last


def _rows_to_one(values: Tensor) -> Tensor:
    return values / values.sum(1, keepdim=True)


def _chromaticity(light: Tensor) -> tuple[float, float]:
    total = float(light.sum())
    return (float(light[0]) / total, float(light[1]) / total) if total else (0.0, 0.0)
