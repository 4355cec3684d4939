"""The plain convolutional auto-encoder of the textbooks: what is left of a picture that has been through a narrow place.

Three levels: a 3 x 3 convolution and a halving by the maximum, the mean or a stride; then as many transposed 4 x 4 convolutions of stride 2.
No skips: resolution that is thrown away stays away. Compare RED-Net, which keeps it.

Vincent, Larochelle, Lajoie, Bengio & Manzagol, Stacked denoising autoencoders, JMLR 2010, in convolutional form.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from restore.errors import UsageError, nearest
from restore.method import Network

POOLS = ("max", "avg", "stride")


class AutoEncoder(Network):
    """x = decode(encode(y)). `pool`: max, avg or stride; `widths` per level, each of half the resolution. Blind; not clipped."""

    blind = True

    def __init__(self, channels: int = 1, widths: Sequence[int] = (32, 64, 128), pool: str = "stride"):
        super().__init__()
        if pool not in POOLS:
            raise UsageError(f"unknown pool {pool!r}", nearest(pool, POOLS))
        self.channels, self.multiple = channels, 2 ** len(widths)
        halve = {"max": nn.MaxPool2d(2), "avg": nn.AvgPool2d(2), "stride": nn.Identity()}[pool]
        down, up = [], []
        for before, after in zip((channels, *widths), widths, strict=False):
            down += [nn.Conv2d(before, after, 3, 2 if pool == "stride" else 1, 1), nn.ReLU(), halve]
            up = [nn.ConvTranspose2d(after, before, 4, 2, 1), nn.ReLU(), *up]
        self.encode, self.decode = nn.Sequential(*down), nn.Sequential(*up[:-1])  # the last layer is linear

    def net(self, y: Tensor, sigma: Tensor | None) -> Tensor:
        return self.decode(self.encode(y - 0.5)) + 0.5
