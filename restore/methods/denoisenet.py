"""DenoiseNet: twenty layers, each of which adds its own part to the residual.

Remez, Litany, Giryes & Bronstein, Deep convolutional denoising of low-light images, arXiv 1701.01687; Deep class-aware image denoising,
SampTA 2017 (arXiv 1701.01698).
"""

import torch.nn.functional as F
from torch import Tensor, nn

from restore.method import Network

SHARE = 0.1  # of the sum of the parts, that is added


class DenoiseNet(Network):
    """x = y + SHARE sum_k r_k: of the `width` maps that a layer gives, the first is r_k and the rest go on, through a relu but before the last layer.

    3 x 3, padded by zeros; the net sees y - 1/2. It is told neither the kind of noise nor its level. Grey; not clipped.
    """

    blind = True
    noises = ("Poisson", "Gaussian", "PoissonGaussian")

    def __init__(self, depth: int = 20, width: int = 64):
        super().__init__()
        self.channels = 1
        inputs = [1, *[width - 1] * (depth - 1)]
        self.layers = nn.ModuleList(nn.Conv2d(count, width if k + 1 < depth else 1, 3, padding=1) for k, count in enumerate(inputs))
        for layer in self.layers:
            nn.init.xavier_uniform_(layer.weight)
            nn.init.constant_(layer.bias, 0.01)

    def net(self, y: Tensor, sigma: Tensor | None) -> Tensor:
        x, residual = y - 0.5, 0.0
        for layer in self.layers[:-2]:
            part, x = layer(x).tensor_split((1,), 1)
            residual, x = residual + part, F.relu(x)
        part, x = self.layers[-2](x).tensor_split((1,), 1)
        return y + SHARE * (residual + part + self.layers[-1](x))
