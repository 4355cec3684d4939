"""Muon: what a step is, whatever the gradient's size, and what is left to Adam."""

import pytest
import torch
from torch import nn

from restore.train.muon import ADAM, Muon, orthogonal


@pytest.mark.parametrize("shape", [(32, 288), (288, 32), (64, 64)])
def test_a_matrix_keeps_its_directions_and_loses_its_lengths(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    inside = u.mT @ orthogonal(matrix) @ v.mT
    kept = inside.diagonal()
    assert kept.median() > 0.8 and 0.6 < kept.max() < 1.3
    torch.testing.assert_close(inside, torch.diag(kept), atol=1e-4, rtol=0)
    torch.testing.assert_close(orthogonal(1e-3 * matrix), orthogonal(matrix), atol=1e-4, rtol=0)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_step_is_as_long_as_the_rate_whatever_the_gradient(layout):
    steps = []
    for scale in (1e-4, 1e2):
        layer = nn.Conv2d(32, 32, 3).to(memory_format=layout)
        before = layer.weight.detach().clone(memory_format=torch.contiguous_format)
        layer.weight.grad = scale * torch.randn(layer.weight.shape, generator=torch.Generator().manual_seed(0)).to(memory_format=layout)
        layer.bias.grad = scale * torch.ones(32)
        bias = layer.bias.detach().clone()
        Muon(layer.parameters(), 0.01).step()
        steps.append((before - layer.weight).detach())
        torch.testing.assert_close(bias - layer.bias, torch.full((32,), ADAM * 0.01), atol=1e-4, rtol=0)
    assert 0.9 < float(torch.linalg.matrix_norm(steps[0].flatten(1), 2)) / 0.01 < 1.3
    torch.testing.assert_close(steps[0], steps[1], atol=1e-5, rtol=0)
