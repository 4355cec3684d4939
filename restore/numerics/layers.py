"""Layers of networks, as several papers begin them."""

from torch import nn


def conv3(inputs: int, outputs: int) -> nn.Conv2d:
    """3 x 3, padded by zeros, ready for a relu. He, Zhang, Ren & Sun, Delving deep into rectifiers, ICCV 2015."""
    conv = nn.Conv2d(inputs, outputs, 3, padding=1)
    nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
    nn.init.zeros_(conv.bias)
    return conv
