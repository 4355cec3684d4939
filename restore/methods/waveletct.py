"""Low-dose CT in the directional wavelet domain: 24 convolutions on the 15 channels of a frame.

Three convolutions to `width` channels; six modules of three, to whose output their input is added; the inputs of the six and the last output,
concatenated, through three more to 15 channels. All are 3 x 3, with ReLU but for the last. What comes out is what is taken from the channels.

Kang, Min & Ye, A deep convolutional neural network using directional wavelets for low-dose X-ray CT reconstruction, Med. Phys. 2017. Departures: a
frame of Meyer windows for their contourlets, all 15 channels by their residual as in Kang, Chang, Yoo & Ye, TMI 2018, and no batch normalisation:
weights that are averaged, and steps of a few patches, do not go with it.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from restore.method import Network
from restore.numerics import contourlets
from restore.numerics.layers import conv3
from restore.numerics.mirror import padded

SCALE = 20.0  # brings the coefficients of [-1024, 3071] HU near 1
MARGIN = 16  # pixels of reflection around the picture, which the frame takes as periodic


class WaveletCT(Network):
    """Slices in HU as pictures on [0, 1]; blind over the doses that it was trained for. `width`: 128 in the paper."""

    blind = True
    channels = 1

    def __init__(self, width: int = 64, modules: int = 6):
        super().__init__()
        count = contourlets.CHANNELS
        self.first = nn.ModuleList(conv3(count if k == 0 else width, width) for k in range(3))
        self.blocks = nn.ModuleList(nn.ModuleList(conv3(width, width) for _ in range(3)) for _ in range(modules))
        self.last = nn.ModuleList((conv3((modules + 1) * width, width), conv3(width, width), conv3(width, count)))
        with torch.no_grad():
            for block in self.blocks:  # each begins as nearly nothing added
                block[2].weight.mul_(0.3)
            self.last[2].weight.mul_(0.1)

    def net(self, y: Tensor, sigma: Tensor | None) -> Tensor:
        height, width = y.shape[-2:]
        wide = padded(padded(y, MARGIN, MARGIN).flip(-2, -1), MARGIN, MARGIN).flip(-2, -1)
        bands = contourlets.analyse(wide.float() if y.dtype in (torch.float16, torch.bfloat16) else wide) * SCALE
        x = bands.to(y.dtype)
        for conv in self.first:
            x = F.relu(conv(x))
        kept = [x]
        for block in self.blocks:
            z = F.relu(block[1](F.relu(block[0](x))))
            x = F.relu(x + block[2](z))
            kept.append(x)
        x = F.relu(self.last[1](F.relu(self.last[0](torch.cat(kept, 1)))))
        clean = contourlets.synthesise(bands + self.last[2](x).to(bands.dtype)) / SCALE
        return clean[..., MARGIN : MARGIN + height, MARGIN : MARGIN + width].to(y.dtype)
