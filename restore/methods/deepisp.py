"""DeepISP: from a mosaic to camera colours by residual blocks, and from there to a picture by one transform of colours for the whole of it.

Low level: the bilinear demosaicing v_0, scaled to [-1/2, 1/2]; each block reads 64 channels, adds tanh(first 3) / 10 to v, and hands on v and
relu(the other 61). High level: three times conv 3 x 3 of stride 2, relu, 2 x 2 maximum; the mean over the picture; a dense layer gives W
(10 x 3): x = W^T (r, g, b, r^2, rg, rb, g^2, gb, b^2, 1). What is known is not guessed: between the two stand the camera's matrix and the curve of
sRGB, and what is transformed looks like a picture already.

Schwartz, Giryes & Bronstein, DeepISP: toward learning an end-to-end image processing pipeline, TIP 2019 (section III; what it leaves
open is as in the authors' code).
"""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from restore.method import Exact, Method, Network, Whole
from restore.numerics.colour import encoded
from restore.operators.problem import Exposed, Problem

NOISES = ("NoNoise", "PoissonGaussian")
STEP = 10.0  # a block changes a value by a tenth at most
LEAST = 96  # the smallest side that the high level reads
AVERAGE = ((1.63, -0.57, -0.06), (-0.18, 1.48, -0.30), (0.02, -0.42, 1.40))  # balanced light to linear sRGB, where nobody says: the mean of unprocessed cameras


class LowLevel(Network):
    """Demosaicing and denoising at once: x (B, 3, H, W) in the camera's colours from the mosaic y. It is not told the noise. Not clipped."""

    channels, multiple, seen, blind = 1, 2, 3, True
    layout = torch.contiguous_format
    half_ok = True
    noises = NOISES
    takes = gives = "camera"

    def __init__(self, start: Method, width: int = 64, depth: int = 20):
        super().__init__()
        self.start = start
        self.blocks = Blocks(width, depth)

    def net(self, y: Tensor, sigma: Tensor | None = None) -> Tensor:
        return self.blocks(y - 0.5)[0] + 0.5

    def restore(self, y, problem):
        return self.net(self.start(y, problem))

    def tiling(self, problem):
        return Exact(self.facts.halo + self.start.tiling(problem).halo, 2)


class DeepISP(Network):
    """The whole: an sRGB picture (B, 3, H, W) from the mosaic y after white balance and exposure, the tone decided once for each picture.

    `prepare` decides it from some of it, and what it returns tiles exactly. The paper's input is as the sensor saw it, and its camera is always the same.
    """

    channels, multiple, seen, blind = 1, 2, 3, True
    layout = torch.contiguous_format
    noises = NOISES
    takes, gives = "exposed", "srgb"

    def __init__(self, start: Method, width: int = 64, depth: int = 15):
        super().__init__()
        self.start = start
        self.blocks = Blocks(width, depth, last=width)
        self.convs = nn.ModuleList(_conv(width, width, stride=2, padding=0) for _ in range(3))
        self.dense = nn.Linear(width, 30)
        self.register_buffer("average", torch.tensor(AVERAGE)[None])
        self.decided: tuple[Tensor, Tensor] | None = None  # what the high level saw, and the matrix
        with torch.no_grad():  # the transform starts near none
            self.dense.weight.mul_(0.01)
            self.dense.bias.copy_(torch.eye(10, 3).flatten())

    def net(self, y: Tensor, sigma: Tensor | None = None, matrix: Tensor | None = None) -> Tensor:
        pooled, matrix = self.decided or (None, self.average if matrix is None else matrix)
        picture, features = self.low(y, matrix)
        pooled = self.pooled(picture, features) if pooled is None else pooled.to(y).expand(len(y), -1)
        return torch.einsum("bkhw,bkc->bchw", products(picture), self.dense(pooled).reshape(-1, 10, 3)).clamp(0, 1)

    def low(self, y: Tensor, matrix: Tensor) -> tuple[Tensor, Tensor]:
        """The picture (B, 3, H, W) before its tone, not clipped at white, and the features beside it."""
        image, features = self.blocks(y - 0.5)
        light = torch.einsum("bij,bjhw->bihw", matrix.to(y).expand(len(y), -1, -1), image + 0.5)
        return encoded(light), features

    def pooled(self, picture: Tensor, features: Tensor) -> Tensor:
        """The mean over the picture of what the high level sees, (B, width)."""
        features = torch.cat([picture - 0.5, features], 1)
        down, right = (max(0, LEAST - size) for size in features.shape[-2:])
        features = F.pad(features, (0, right, 0, down), mode="replicate")
        for conv in self.convs:
            features = F.max_pool2d(F.relu(conv(features)), 2)
        return features.mean((2, 3))

    def restore(self, y, problem):
        return self.net(self.start(y, problem), matrix=self._matrix(problem))

    def _matrix(self, problem: Problem) -> Tensor:
        return problem.matrix if isinstance(problem, Exposed) else self.average

    def prepare(self, parts: Iterable[Tensor], problem: Problem) -> Method:
        """The method for one picture, of which these are parts (1, 1, h, w) that begin at even rows and columns."""
        with torch.no_grad():
            matrix = self._matrix(problem)
            pooled = [self.pooled(*self.low(self.start(part.to(self.average), problem), matrix)) for part in parts]
        prepared = DeepISP.__new__(DeepISP)
        prepared.__dict__ = self.__dict__ | {"decided": (torch.cat(pooled).mean(0, keepdim=True), matrix)}
        prepared.__dict__.pop("facts", None)
        return prepared

    def tiling(self, problem):
        return Whole() if self.decided is None else Exact(self.facts.halo + self.start.tiling(problem).halo, 2)


class Blocks(nn.Module):
    """v - 1/2 (B, 3, H, W) -> the last v - 1/2 and, where `last` is `width`, the features beside it."""

    def __init__(self, width: int, depth: int, last: int = 3):
        super().__init__()
        self.first = _conv(3, width)
        self.convs = nn.ModuleList(_conv(width, width if k + 1 < depth else last) for k in range(depth))
        with torch.no_grad():  # what is added starts near nothing
            for conv in (self.first, *self.convs):
                conv.weight[:3].mul_(0.1)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        step, features = self.first(image).tensor_split((3,), 1)
        for conv in self.convs:
            image = image + torch.tanh(step) / STEP
            step, features = conv(torch.cat([image.to(features.dtype), F.relu(features)], 1)).tensor_split((3,), 1)
        return image + torch.tanh(step) / STEP, F.relu(features)


def products(v: Tensor) -> Tensor:
    """(B, 10, H, W): r, g, b, r^2, rg, rb, g^2, gb, b^2, 1."""
    r, g, b = v.split(1, dim=1)
    return torch.cat([v, r * r, r * g, r * b, g * g, g * b, b * b, torch.ones_like(r)], 1)


def _conv(inputs: int, outputs: int, stride: int = 1, padding: int = 1) -> nn.Conv2d:
    conv = nn.Conv2d(inputs, outputs, 3, stride, padding, padding_mode="reflect" if padding else "zeros")
    nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
    nn.init.zeros_(conv.bias)
    return conv
