"""The fastMRI single-coil U-Net: magnitude in, magnitude out.

Zbontar et al., fastMRI: an open dataset and benchmarks for accelerated MRI, arXiv 1811.08839, 2018, section 6.2; Ronneberger, Fischer & Brox,
U-Net: convolutional networks for biomedical image segmentation, MICCAI 2015.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from restore.method import Network
from restore.numerics.mirror import padded

CLAMP = 6.0  # standard deviations beyond which the input is cut


class FastMRIUNet(Network):
    """Blocks of two convolutions 3x3, each with instance normalisation and ReLU; `levels` halvings by maximum pooling, `width` channels doubled at each
    but the last; up by bilinear interpolation and concatenation; three convolutions 1x1. Each picture is taken less its mean, over its deviation.

    Instance normalisation and the mean see the whole picture: it runs whole, in one piece. The default width is the paper's smallest; 3.35 M numbers.
    """

    channels, blind = 1, True
    layout = torch.contiguous_format
    takes = gives = "magnitude"

    def __init__(self, width: int = 32, levels: int = 4):
        super().__init__()
        self.multiple = 2**levels
        widths = [width * 2**level for level in range(levels)]
        self.down = nn.ModuleList(_block(a, b) for a, b in zip([1, *widths], widths, strict=False))
        self.bottom = _block(widths[-1], widths[-1])
        self.up = nn.ModuleList(_block(2 * b, a) for a, b in zip([width, *widths[:-1]], widths, strict=True))
        self.tail = nn.Sequential(nn.Conv2d(width, width // 2, 1), nn.Conv2d(width // 2, 1, 1), nn.Conv2d(1, 1, 1))

    def net(self, y: Tensor, sigma: None = None) -> Tensor:
        mean, deviation = y.mean((1, 2, 3), keepdim=True), y.std((1, 2, 3), keepdim=True) + 1e-11
        height, width = y.shape[-2:]
        down, right = (max(2 * self.multiple - side, 0) for side in (height, width))  # one pixel at the bottom cannot be normalised
        x, skips = padded(((y - mean) / deviation).clamp(-CLAMP, CLAMP), down, right), []
        for block in self.down:
            skips.append(block(x))
            x = F.max_pool2d(skips[-1], 2)
        x = self.bottom(x)
        for block in reversed(self.up):
            x = block(torch.cat([F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False), skips.pop()], 1))
        return self.tail(x)[..., :height, :width] * deviation + mean


def _block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(*(layer for a, b in ((inputs, outputs), (outputs, outputs))
                           for layer in (nn.Conv2d(a, b, 3, padding=1), nn.InstanceNorm2d(b), nn.ReLU(inplace=True))))
