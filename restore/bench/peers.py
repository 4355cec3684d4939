"""Methods of other packages, where they are installed, beside ours in the same run. Nothing else of the program uses them."""

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from io import BytesIO

import numpy as np
import torch
from torch import Tensor

from restore import io
from restore.bench import cache
from restore.errors import RestoreError, UsageError, nearest
from restore.image import Header, Sensor
from restore.io import raw
from restore.method import Method

PREFIX = "peer:"  # of a table's model
WHITE, ROOM, PEDESTAL = 65535, 0.8, 0.03  # of white: noise goes beyond 0 and 1, which LibRaw would clip


class Telea(Method):
    """Holes filled from their rim inwards, by OpenCV, in 8 bits. Telea, An image inpainting technique based on the fast marching method, JGT 2004."""

    RADIUS = 3  # pixels around a hole that are looked at

    def restore(self, y, problem):
        import cv2

        hole, found = ((problem.operator.mask[0, 0] == 0).cpu().numpy() * 255).astype("uint8"), []
        for plane in (y * 255).round().clamp(0, 255).byte().cpu().flatten(0, 1).numpy():
            found.append(torch.from_numpy(cv2.inpaint(plane, hole, self.RADIUS, cv2.INPAINT_TELEA)))
        return torch.where(problem.operator.mask == 1, y, torch.stack(found).reshape(y.shape).to(y) / 255)


class LibRaw(Method):
    """x (B, 3, H, W) from the mosaic y (B, 1, H, W) on [0, 1], in 16 bits; no white balance, no colour matrix. algorithm: AHD, DHT, PPG, VNG, LINEAR ..."""

    noises = ("NoNoise", "PoissonGaussian")
    channels, multiple = 1, 2

    def __init__(self, algorithm: str):
        super().__init__()
        self.algorithm = algorithm

    def restore(self, y, problem):
        return torch.cat([self._one(part, problem.operator.pattern) for part in y.cpu().split(1)]).to(y)

    def _one(self, y: Tensor, pattern: str) -> Tensor:
        header, file = Header(*y.shape[-2:], 1, np.dtype(np.uint16), sensor=Sensor(pattern, (0.0,) * 4, (float(WHITE),) * 4, (1.0,) * 3)), BytesIO()
        with io.open_sink(file, header, format="dng") as sink:
            sink.write(ROOM * y[0].permute(1, 2, 0).numpy() + np.float32(PEDESTAL))
        x = raw.demosaiced(file, "a mosaic", self.algorithm).astype(np.float32) / WHITE
        return torch.from_numpy((x - PEDESTAL) / ROOM).permute(2, 0, 1)[None]


PEERS: dict[str, tuple[str, Callable[[], Method]]] = {  # the module that it needs, and what makes it
    "opencv-telea": ("cv2", Telea), "libraw-ahd": ("rawpy", lambda: LibRaw("AHD"))}


def find(model: str) -> Method:
    """The method for `peer:NAME`. Raises RestoreError where its package is not installed."""
    name = model.removeprefix(PREFIX)
    if name not in PEERS:
        raise UsageError(f"there is no peer {name!r}", nearest(name, PEERS))
    module, make = PEERS[name]
    if not find_spec(module):
        raise RestoreError(f"{module} is not installed")
    return make()


def key(model: str) -> str:
    """What `find` gave, for the cache: this file with all of ours that it imports, how problems are posed and figures taken, and the version of the package."""
    modules = sorted({__name__, *cache.closure(__name__), *cache.closure("restore.operators.problem"), *cache.MEASURING})
    return cache.key(model, *map(cache.digest, modules), import_module(PEERS[model.removeprefix(PREFIX)][0]).__version__)
