"""Many channels summed into few and few spread over many: a convolution on a grid and its transpose, as ones with more channels and a better shape."""

import torch
import torch.nn.functional as F
from torch import Tensor

BLOCK = 4  # pixels across, at least, that are computed as channels


def scatter(codes: Tensor, filters: Tensor, stride: int = 1) -> Tensor:
    """codes (B, M, h, w) on every `stride`-th pixel, filters (M, C, k, k), k odd -> (B, C, h stride, w stride): every code adds its filter, zero outside.

    A product with one row leaves a processor idle. On one, blocks of pixels are the channels of a convolution of the codes whose filters hold ours at every
    place of a block: twice the arithmetic, a fraction of the time. For more channels, in double precision, and elsewhere, it is left to torch.
    """
    if codes.device.type != "cpu" or codes.dtype == torch.float64 or filters.shape[1] >= BLOCK:
        return F.conv_transpose2d(codes, filters, stride=stride, padding=filters.shape[-1] // 2, output_padding=stride - 1)
    (height, width), channels, step = codes.shape[-2:], filters.shape[1], -(-BLOCK // stride)
    side, before = step * stride, filters.shape[-1] // 2 // stride
    wide = _placed(filters, stride, side, before)
    after = wide.shape[-1] - 1 - before
    padded = F.pad(codes, (before, after + -width % step - step + 1, before, after + -height % step - step + 1))
    blocks = F.conv2d(padded.contiguous(memory_format=torch.channels_last), wide, stride=step)
    return F.pixel_shuffle(blocks, side)[..., : height * stride, : width * stride]


def gather(x: Tensor, filters: Tensor, stride: int = 1) -> Tensor:
    """The transpose of `scatter`: x (B, C, h stride, w stride) -> (B, M, h, w), its products with the filters around every `stride`-th pixel."""
    if x.device.type != "cpu" or x.dtype == torch.float64 or filters.shape[1] >= BLOCK or stride == 1:
        return F.conv2d(x, filters, stride=stride, padding=filters.shape[-1] // 2)
    before = filters.shape[-1] // 2 // stride
    wide = _placed(filters, stride, stride, before)
    after = wide.shape[-1] - 1 - before
    blocks = F.pad(F.pixel_unshuffle(x, stride), (after, before, after, before))
    return F.conv2d(blocks.contiguous(memory_format=torch.channels_last), wide.transpose(0, 1).flip(2, 3).contiguous(memory_format=torch.channels_last))


def _placed(filters: Tensor, stride: int, side: int, before: int) -> Tensor:
    """(C side^2, M, e, e): for each pixel of a block what each code near it adds; `before` of them lie before the block's first code."""
    reach = filters.shape[-1] // 2
    count = before + (side - 1 + reach) // stride + 1
    tap = torch.arange(side)[:, None] + reach - stride * (torch.arange(count) - before)  # of a filter, at a pixel, of a code
    tap = torch.where((tap >= 0) & (tap < filters.shape[-1]), tap, filters.shape[-1])  # the last holds nothing
    wide = F.pad(filters, (0, 1, 0, 1))[:, :, tap[:, None, :, None], tap[None, :, None, :]]
    return wide.permute(1, 2, 3, 0, 4, 5).flatten(0, 2).contiguous(memory_format=torch.channels_last)
