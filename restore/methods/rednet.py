"""RED10, RED20, RED30: convolutions, then as many deconvolutions, joined by symmetric skips.

c_k: relu(conv), k = 1..L; d_j: relu(conv), then where a skip arrives relu(. + c_{L-j}) after the relu of c; d_L: conv alone;
x = y + d_L. Skips: c_k to d_{L-k} for even k. A deconvolution of stride 1 is a convolution. All 3 x 3, padded by zeros.

Mao, Shen & Yang, Image restoration using very deep convolutional encoder-decoder networks with symmetric skip
connections, NIPS 2016 (section 2; the order of sum and relu is that of the released model).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from restore.errors import UsageError
from restore.method import Network
from restore.numerics import activations
from restore.numerics.layers import conv3
from restore.operators.masks import Mask
from restore.operators.noise import NoNoise

LUMA = (0.299, 0.587, 0.114)


class REDNet(Network):
    """RED-Net of `depth` 10, 20 or 30 layers (2 L = depth), `width` filters each; RED10 has no skips, as in the paper.

    The net never sees the noise level: it is trained for one sigma, or blind over several. Not clipped. `skips`, `global_residual` and
    another `activation` than the paper's are for trying what they are worth; skips are joined by relu whatever the activation. `luma`: of colour, luma alone is treated, as the paper does
    where it enlarges or takes blocks away. Pixels that a mask says were measured without noise stay.
    """

    blind = True

    def __init__(self, depth: int = 30, channels: int = 1, width: int = 64, skips: bool = True, global_residual: bool = True,
                 activation: str = "relu", luma: bool = False):
        super().__init__()
        if depth < 4 or depth % 2:
            raise UsageError(f"RED-Net has no depth {depth}", "an even number of layers, 4 or more; the paper's are 10, 20 and 30")
        half = depth // 2
        self.channels, self.global_residual = None if luma else channels, global_residual
        self.seen = 1 if luma else None
        self.links = {half - k: k for k in range(2, half, 2)} if skips and depth > 10 else {}
        self.activation, inner = activations.find(activation), width * activations.fan(activation)
        self.encoder = nn.ModuleList(conv3(width if k else channels, inner) for k in range(half))
        self.decoder = nn.ModuleList(conv3(width, inner if j + 1 < half else channels) for j in range(half))
        with torch.no_grad():  # the residual starts near nothing
            self.decoder[-1].weight.mul_(0.1)

    def restore(self, y, problem):
        if self.seen and y.shape[1] == 3:  # red, green and blue move as luma does, so chroma stays
            grey = (y * torch.tensor(LUMA, dtype=y.dtype, device=y.device).reshape(1, 3, 1, 1)).sum(1, keepdim=True)
            return y + self.net(grey, None) - grey
        x = self.net(y, None)
        if isinstance(problem.operator, Mask) and isinstance(problem.noise, NoNoise):
            return torch.where(problem.operator.mask == 1, y, x)
        return x

    def net(self, y: Tensor, sigma: Tensor | None) -> Tensor:
        kept, x = {}, y
        for k, conv in enumerate(self.encoder, 1):
            x = self.activation(conv(x))
            if k in self.links.values():
                kept[k] = x
        for j, conv in enumerate(self.decoder[:-1], 1):
            x = self.activation(conv(x))
            if j in self.links:
                x = F.relu(x + kept.pop(self.links[j]))
        x = self.decoder[-1](x)
        return y + x if self.global_residual else x
