"""LibRaw's demosaicing as a method, to be set beside ours in tables: the mosaic as a DNG in memory, and back. Nothing else of the program uses it."""

from io import BytesIO

import numpy as np
import torch
from torch import Tensor

from restore import io
from restore.image import Header, Sensor
from restore.io import raw
from restore.method import Method

WHITE, ROOM, PEDESTAL = 65535, 0.8, 0.03  # of white: noise goes beyond 0 and 1, which LibRaw would clip
PREFIX = "libraw:"


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
