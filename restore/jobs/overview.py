"""What is decided once for a raw file, by looking at some of it: the light that it was taken in, its exposure, the noise."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from restore import io
from restore.engine.picture import spread
from restore.image import Sensor
from restore.numerics import camera, develop

CELLS = 1 << 20  # pixels that decide what is decided once, at most
BAND = 256  # rows read at one go
MINKOWSKI = 6  # between the mean of the world (1) and its brightest spot (infinity)


def superpixels(source: io.Source, page: int) -> Tensor:
    """(1, 3, h, w) on [0, 1]: the colours of up to CELLS cells of the mosaic, or of as many pixels, spread over the picture."""
    header = source.headers[page]
    step = max(1, int(np.ceil((header.height * header.width / (4 if header.sensor.pattern else 1) / CELLS) ** 0.5)))
    bands = []
    for top in range(0, header.height - header.height % 2 or 1, BAND):
        light = header.sensor.light(source.read(top, min(top + BAND, header.height), page), top)
        bands.append(cells(torch.from_numpy(light).permute(2, 0, 1)[None], header.sensor.pattern)[..., ::step, ::step])
    return torch.cat(bands, 2)


def cells(light: Tensor, pattern: str) -> Tensor:
    """(B, 3, h, w): the colours of each cell of a mosaic (B, 1, H, W); with no pattern the light as it is."""
    if not pattern:
        return light
    height, width = (max(size // 2 * 2, 1) for size in light.shape[-2:])
    planes = [light[:, 0, place // 2 : height : 2, place % 2 : width : 2] for place in range(4)]
    return torch.stack([sum(plane for plane, its in zip(planes, pattern, strict=True) if its == colour) / pattern.count(colour) for colour in "rgb"], 1)


def patch(source: io.Source, page: int) -> Tensor:
    """Planes (1, 4 or 3, h, w) of the middle of the picture, for the estimator of noise."""
    header = source.headers[page]
    rows = min(header.height, max(128, CELLS * 4 // header.width)) // 2 * 2
    top = (header.height - rows) // 4 * 2
    light = torch.from_numpy(header.sensor.light(source.read(top, top + rows, page), top)).permute(2, 0, 1)[None]
    return torch.nn.functional.pixel_unshuffle(light[..., : header.width // 2 * 2], 2) if header.sensor.pattern else light


def parts(source: io.Source, page: int) -> Iterator[Tensor]:
    """Squares (1, C, h, w) of the mosaic, spread over the picture as those of a `Page`, from even rows and columns on: the whole of a small one."""
    header = source.headers[page]
    (height, down), (width, across) = (spread(size // 2 * 2, 2) for size in (header.height, header.width))
    for top in down:
        rows = torch.from_numpy(header.sensor.light(source.read(top, top + height, page), top)).permute(2, 0, 1)[None]
        for left in across:
            yield rows[..., left : left + width]


def white_balance(wb: str | tuple[float, float, float], sensor: Sensor, cells: Tensor) -> tuple[tuple[float, ...], str]:
    """What the camera saw of a neutral surface, as R, G, B, and how that is known."""
    if not isinstance(wb, str):
        return tuple(wb[1] / gain for gain in wb), "as given"
    light = {"camera": None if sensor.neutral else sensor.lit, "daylight": camera.D55}.get(wb)
    if light and sensor.profiles:
        return camera.neutral_under(sensor.profiles, light), wb
    said = {"camera": sensor.neutral, "daylight": sensor.daylight}.get(wb)
    if said:
        return said, wb
    lit = cells.clamp_min(0) * (cells.amax(1, keepdim=True) < develop.NEAR_CLIP)
    mean = lit.double().pow(MINKOWSKI).mean((0, 2, 3)).pow(1 / MINKOWSKI).clamp_min(1e-6)
    return tuple((mean / mean[1]).tolist()), "shades of grey" if wb == "auto" else f"shades of grey: the file says nothing of {wb}"
