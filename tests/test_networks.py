"""The networks: size, reach, tiles, and that sigma reaches them."""

import pytest
import torch

from restore.errors import UsageError
from restore.image import as_samples
from restore.method import Exact
from restore.methods.autoencoder import AutoEncoder
from restore.methods.drunet import DRUNet
from restore.methods.mlp import MLP
from restore.methods.rednet import REDNet
from restore.operators.base import Identity
from restore.operators.noise import Gaussian
from restore.operators.problem import Problem
from restore.train.recipes import drunet, drunet_fast

BEST, FAST = dict(drunet.args), dict(drunet_fast.args)


def random(seed: int, *shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def problem(sigma: float) -> Problem:
    return Problem(Identity(), Gaussian(sigma / 255))


def seeded(kind, *args, **named):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return kind(*args, **named).eval().requires_grad_(False)


@pytest.mark.parametrize(("depth", "parameters", "links"), [(10, 0.297e6, {}), (20, 0.666e6, {8: 2, 6: 4, 4: 6, 2: 8}),
                                                            (30, 1.035e6, {1: 14, 3: 12, 5: 10, 7: 8, 9: 6, 11: 4, 13: 2})])
def test_rednet_is_the_papers(depth, parameters, links):
    network = seeded(REDNet, depth)
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(parameters, abs=500)
    assert network.links == links
    assert network.tiling(problem(25)) == Exact(depth)
    assert network.flops_per_pixel == pytest.approx({10: 592e3, 20: 1.33e6, 30: 2.066e6}[depth], rel=0.01)


def test_rednet_sums_after_the_relu_and_clips_the_sum():
    network = seeded(REDNet, 20, width=4)
    y, seen = random(1, 1, 1, 16, 16), {}
    for j in (1, 2, 3):
        network.decoder[j - 1].register_forward_hook(lambda module, args, out, j=j: seen.update({j: (args[0], out)}))
    network.encoder[7].register_forward_hook(lambda module, args, out: seen.update(c8=out.relu()))
    network.net(y, None)
    expected = (seen[2][1].relu() + seen["c8"]).relu()
    assert torch.equal(seen[3][0], expected)


def test_rednet_adds_the_input_only_where_asked():
    y = random(2, 1, 1, 24, 24)
    with_input, without = seeded(REDNet, 10), seeded(REDNet, 10, global_residual=False)
    torch.testing.assert_close(with_input.net(y, None) - y, without.net(y, None))
    assert seeded(REDNet, 30, skips=False).links == {}


@pytest.mark.parametrize("network", [seeded(REDNet, 30), seeded(REDNet, 10, channels=3), seeded(DRUNet, 3, **FAST), seeded(DRUNet, 1, **BEST),
                                     seeded(MLP, width=64), seeded(AutoEncoder, 3, pool="max")],
                         ids=["red30", "red10-colour", "drunet-fast", "drunet-best-grey", "mlp", "autoencoder"])
def test_a_tile_with_its_halo_is_the_whole(network):
    """Cut by hand; float32, equal bytes. With a halo one multiple shorter they differ: the bound is tight."""
    kind, noise = network.tiling(problem(25)), problem(25)
    y = random(3, 1, network.channels, 264, 264)
    whole, step = network(y, noise), kind.multiple
    halo = -(-kind.halo // step) * step
    top, left, side = 96, 120, 24

    def tile(border: int) -> torch.Tensor:
        cut = y[..., top - border : top + side + border, left - border : left + side + border]
        return network(cut, noise)[..., border : border + side, border : border + side]

    def as_bytes(x: torch.Tensor):
        return as_samples(x.numpy(), "uint8").tobytes()

    inside = whole[..., top : top + side, left : left + side]
    assert as_bytes(tile(halo)) == as_bytes(inside)
    torch.testing.assert_close(tile(halo), inside, rtol=0, atol=2e-6)
    assert not torch.equal(tile(kind.halo // 2 // step * step), inside)


@pytest.mark.parametrize(("sizes", "flops", "most"), [(FAST, 0.17e6, 32), (BEST, 0.87e6, 64)], ids=["fast", "best"])
def test_drunet_sizes(sizes, flops, most):
    network = seeded(DRUNet, 3, **sizes)
    assert network.flops_per_pixel == pytest.approx(flops, rel=0.02)
    assert network.tiling(problem(25)).halo <= most
    assert network.multiple == 4


@pytest.mark.parametrize("sizes", [FAST, BEST], ids=["fast", "best"])
@pytest.mark.parametrize("scale", [0.5, 3.0])
def test_drunet_is_homogeneous(sizes, scale):
    """f(a y, a sigma) = a f(y, sigma)."""
    network = seeded(DRUNet, 3, **sizes).double()
    y, sigma = random(4, 2, 3, 32, 36).double(), torch.tensor([0.1, 0.2]).double().reshape(2, 1, 1, 1)
    torch.testing.assert_close(network.net(scale * y, scale * sigma), scale * network.net(y, sigma))


def test_sigma_reaches_drunet_and_not_rednet():
    y = random(5, 1, 3, 32, 32)
    drunet, red = seeded(DRUNet), seeded(REDNet, 10, channels=3)
    assert (drunet(y, problem(10)) - drunet(y, problem(50))).abs().max() > 1e-3
    assert torch.equal(red(y, problem(10)), red(y, problem(50)))


def test_sigma_of_each_picture_is_its_own():
    network = seeded(DRUNet)
    y = random(6, 2, 3, 32, 32)
    both = network(y, Problem(Identity(), Gaussian(torch.tensor([0.04, 0.2]).reshape(2, 1, 1, 1))))
    each = torch.cat([network(y[i : i + 1], Problem(Identity(), Gaussian(s))) for i, s in enumerate((0.04, 0.2))])
    torch.testing.assert_close(both, each, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (33, 18)])
def test_any_size(size):
    y = random(7, 1, 3, *size)
    assert seeded(DRUNet)(y, problem(25)).shape == y.shape
    for blind in (seeded(REDNet, 10), seeded(MLP, width=8), seeded(AutoEncoder)):
        assert blind(y, problem(25)).shape == y.shape


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "elu", "tanh", "sigmoid", "maxout"])
def test_activations_stand_where_the_relu_stood(activation):
    """A net of two layers by hand: the first layer's output passes through the activation; the halo is the same for all."""
    network = seeded(REDNet, 4, width=6, activation=activation)
    y = random(8, 1, 1, 16, 16)
    x = y
    for conv in (*network.encoder, network.decoder[0]):
        t = conv(x)
        x = {"relu": t.clamp_min(0), "leaky_relu": torch.where(t > 0, t, 0.01 * t), "elu": torch.where(t > 0, t, t.clamp_max(0).exp() - 1),
             "tanh": 2 / (1 + (-2 * t).exp()) - 1, "sigmoid": 1 / (1 + (-t).exp()), "maxout": t.reshape(1, 2, -1, 16, 16).amax(1)}[activation]
    torch.testing.assert_close(network.net(y, None), y + network.decoder[1](x), rtol=1e-5, atol=1e-6)
    assert network.tiling(problem(25)) == Exact(4)


def test_unknown_activations_are_refused_with_a_hint():
    with pytest.raises(UsageError, match="leaky_relu"):
        REDNet(10, activation="leaky_rel")


def test_mlp_is_a_net_on_patches_averaged_under_a_bell():
    """Against windows taken one by one: mirrored picture, layers as matrices, weighted sums."""
    network = seeded(MLP, patch=5, width=7, hidden=2, stride=3).double()
    y = random(9, 1, 1, 9, 12).double()
    wide = torch.nn.functional.pad(y, (1, 1, 1, 1), mode="reflect")[0, 0]
    bell = torch.exp(-torch.arange(-2, 3).double() ** 2 / 2)
    weight = bell[:, None] * bell[None]
    total, weights = torch.zeros_like(wide), torch.zeros_like(wide)
    layers = [(layer.weight.flatten(1), layer.bias) for layer in (network.first, *network.inner, network.last)]
    for top in range(0, 9, 3):
        for left in range(0, 12, 3):
            v = ((wide[top : top + 5, left : left + 5] - 0.5) / 0.2).flatten()
            for number, (matrix, bias) in enumerate(layers):
                v = matrix @ v + bias
                v = v.tanh() if number + 1 < len(layers) else v
            total[top : top + 5, left : left + 5] += weight * (0.2 * v + 0.5).reshape(5, 5)
            weights[top : top + 5, left : left + 5] += weight
    torch.testing.assert_close(network.net(y, None)[0, 0], (total / weights)[1:-1, 1:-1], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("pool", ["max", "avg", "stride"])
def test_autoencoder_passes_through_a_narrow_place(pool):
    network = seeded(AutoEncoder, pool=pool)
    y = random(10, 1, 1, 40, 48)
    assert network.encode(y).shape == (1, 128, 5, 6)
    assert network(y, problem(25)).shape == y.shape
    with pytest.raises(UsageError, match="stride"):
        AutoEncoder(pool="strid")


def test_a_colour_method_on_grey_is_told_of_the_shared_noise():
    """Three equal channels have noise of sigma in their mean; three independent ones of sqrt(3) sigma have the same."""
    from restore.method import Method
    from restore.operators.base import Identity
    from restore.operators.noise import Gaussian
    from restore.operators.problem import Problem

    class Told(Method):
        channels = 3

        def restore(self, y, problem):
            self.sigma = float(problem.noise.sigma)
            return y

    told, y = Told(), torch.rand(1, 1, 8, 8)
    assert torch.allclose(told(y, Problem(Identity(), Gaussian(0.1))), y) and told.sigma == pytest.approx(0.1 * 3**0.5)


@pytest.mark.data
def test_the_colour_network_denoises_grey(data):
    from restore import cards, io
    from restore.operators.problem import problem_of
    from restore.tasks import Denoise

    x = torch.from_numpy(io.read(data / "test/set12/02.png").pixels).permute(2, 0, 1)[None][..., :128, :128]
    problem = problem_of(Denoise(sigma=25.0))
    y = problem.simulate(x, torch.Generator().manual_seed(0))
    with torch.inference_mode():
        error = (cards.load(*cards.find("drunet.fast"))(y, problem) - x).square().mean()
    assert error < 0.15 * (y - x).square().mean()
