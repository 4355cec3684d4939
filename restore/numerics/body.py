"""Where the body is in a CT slice, in Hounsfield units."""

import torch
import torch.nn.functional as F
from torch import Tensor

AIR = -300.0  # below it is no tissue
THIN = 6  # pixels: a table is thinner than twice that, a body is not


def body(x: Tensor) -> Tensor:
    """Where the body is, lungs included and the table not: what air does not reach from the border, less what is thin, and of that the largest part."""
    tissue = x > AIR
    border = torch.ones_like(tissue)
    border[1:-1, 1:-1] = False
    filled = ~_flood(border & ~tissue, ~tissue)
    core = ~_grown(~filled)
    if not core.any():
        return filled
    side = min(101, (min(x.shape) - 1) // 2 * 2 + 1)
    dense = F.avg_pool2d(F.avg_pool2d(core[None, None].float(), (side, 1), 1, (side // 2, 0)), (1, side), 1, (0, side // 2))[0, 0] * core
    seed = torch.zeros_like(core)
    seed.view(-1)[dense.argmax()] = True
    return _grown(_flood(seed, core)) & filled


def _grown(mask: Tensor) -> Tensor:
    return F.max_pool2d(mask[None, None].float(), 2 * THIN + 1, 1, THIN)[0, 0] > 0


def _flood(seed: Tensor, inside: Tensor) -> Tensor:
    """What of `inside` hangs together with the seed: whole runs of rows, then of columns, until nothing is new."""
    runs = [_runs(inside), _runs(inside.T).T]
    while True:
        grown = seed
        for run in runs:
            hit = torch.zeros(inside.numel() + 1, dtype=torch.bool, device=seed.device)
            hit[run[grown]] = True
            grown = hit[run] & inside
        if torch.equal(grown, seed):
            return seed
        seed = grown


def _runs(inside: Tensor) -> Tensor:
    """Equal numbers along each run of True in a row, different ones elsewhere."""
    first = inside & ~F.pad(inside, (1, 0))[:, :-1]
    return first.flatten().cumsum(0).reshape(inside.shape)
