"""Plans, exact tiling, blending, the ladder, the guard, hidden samples."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from restore.engine import plan as planning
from restore.engine import run as engine
from restore.engine.picture import Page
from restore.engine.run import Report, Settings
from restore.errors import RestoreError, UsageError
from restore.image import Header, as_samples
from restore.method import Blend, Exact, Method, Network, Whole
from restore.operators.problem import problem_of
from restore.tasks import Denoise

PROBLEM = problem_of(Denoise(sigma=25.0))


class UNet(Network):
    """Two levels, a noise map, random weights: halo and multiple are not trivial."""

    channels, multiple = 3, 2

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.first = nn.Conv2d(4, 16, 3, padding=1)
            self.down = nn.Conv2d(16, 16, 2, stride=2)
            self.body = nn.Sequential(*(nn.Conv2d(16, 16, 3, padding=1) for _ in range(2)))
            self.up = nn.ConvTranspose2d(16, 16, 2, stride=2)
            self.last = nn.Conv2d(16, 3, 3, padding=1)

    def net(self, y, sigma):
        high = self.first(torch.cat([y, sigma.expand(-1, 1, *y.shape[-2:])], 1)).relu()
        return y + self.last(high + self.up(self.body(self.down(high)).relu()))


class Mean3(Method):
    """A 3x3 mean with a tiling of one's choice."""

    def __init__(self, kind=Exact(1), limit: int | None = None):
        super().__init__()
        self.kind, self.limit, self.sizes = kind, limit, []

    def tiling(self, problem):
        return self.kind

    def restore(self, y, problem):
        if self.limit and y.numel() > self.limit:
            raise torch.OutOfMemoryError("a fake limit")
        self.sizes.append(tuple(y.shape[-2:]))
        return nn.functional.avg_pool2d(y, 3, 1, 1, count_include_pad=False)


def picture(height=150, width=211, channels=3, dtype=np.uint8, seed=0):
    return (np.random.default_rng(seed).random((height, width, channels)) * np.iinfo(dtype).max).astype(dtype)


def restore(method, samples, settings=Settings(device="cpu"), notes=None, header=None, strength=1.0):
    header = header or Header(*samples.shape, samples.dtype)
    page = Page(lambda top, bottom: samples[top:bottom], header, engine.wrapped(method, PROBLEM, settings.ensemble).multiple)
    rows = []
    engine.run(method, PROBLEM, page, lambda top, x: rows.append(page.finish(top, x, strength)), settings, Report(note=(notes if notes is not None else []).append))
    return np.concatenate(rows)


@pytest.mark.parametrize("length, tile, halo, multiple", [(100, 40, 5, 1), (100, 40, 5, 4), (96, 32, 8, 8), (7, 64, 3, 1), (1, 64, 0, 1), (1000, 70, 30, 1), (50, 10, 30, 2), (101, 48, 6, 3)])
def test_windows_cover_once_and_keep_their_halo(length, tile, halo, multiple):
    size = planning.even_size(length, tile, halo, multiple)
    windows = planning.windows(length, size, halo, multiple)
    assert [w.keep for w in windows] == [0] + [w.until for w in windows[:-1]] and windows[-1].until == length
    for w in windows:
        assert w.start % multiple == 0 and 0 <= w.start <= w.keep < w.until <= w.start + w.size <= length
        assert w.start == 0 or w.keep - w.start >= halo
        assert w.start + w.size == length or w.start + w.size - w.until >= halo
    if length % multiple == 0:
        assert len({w.size for w in windows}) == 1


def test_no_thin_last_tile():
    assert planning.even_size(1030, 520, 10, 1) < 520 and planning.count(1030, planning.even_size(1030, 520, 10, 1), 10, 1) == 3


@pytest.mark.parametrize("ensemble", [False, True])
@pytest.mark.parametrize("shape", [(150, 211, 3), (151, 67, 1), (1, 1, 3), (3, 500, 1)])
def test_tiled_is_whole(shape, ensemble):
    net, samples = UNet().eval(), picture(*shape)
    whole = restore(net, samples, Settings("cpu", ensemble=ensemble))
    tiled = restore(net, samples, Settings("cpu", tile=48, ensemble=ensemble))
    assert whole.shape == samples.shape and np.array_equal(as_samples(whole, np.uint8), as_samples(tiled, np.uint8))
    assert np.abs(whole - tiled).max() <= 1e-6  # convolution libraries add in another order at another size


def test_a_halo_too_small_is_seen():
    class Short(UNet):
        def tiling(self, problem):
            return Exact(2, 2)

    samples = picture()
    assert not np.allclose(restore(UNet().eval(), samples), atol=1e-4, b=restore(Short().eval(), samples, Settings("cpu", tile=48)))


def test_probe_finds_what_is_global():
    class Normed(UNet):
        def net(self, y, sigma):
            return nn.functional.instance_norm(super().net(y, sigma))

    assert isinstance(Normed().tiling(PROBLEM), Whole) and UNet().tiling(PROBLEM).multiple == 2
    plan = engine.plan(Normed(), PROBLEM, 3, 500, 500, Settings("cpu", tile=64))
    assert (plan.rows, plan.columns) == (1, 1)


def test_the_ensemble_is_the_mean_of_eight():
    samples = picture(40, 40, 3)
    net = UNet().eval()
    eight = []
    for mirror in (False, True):
        for quarter in range(4):
            turned = np.ascontiguousarray(np.rot90(samples[:, ::-1] if mirror else samples, quarter))
            out = np.rot90(restore(net, turned), -quarter)
            eight.append(out[:, ::-1] if mirror else out)
    assert np.abs(np.mean(eight, 0) - restore(net, samples, Settings("cpu", ensemble=True))).max() < 1e-5


def test_blend_is_smooth_and_a_constant_stays():
    flat = np.full((120, 130, 1), 77, np.uint8)
    assert np.array_equal(as_samples(restore(Mean3(Blend(16)), flat, Settings("cpu", tile=50)), np.uint8), flat)
    samples = picture(120, 130, 1)
    method = Mean3(Blend(16))
    blended, whole = restore(method, samples, Settings("cpu", tile=50)), restore(Mean3(Whole()), samples)
    assert len(method.sizes) > 4 and blended.shape == whole.shape and np.abs(blended - whole).max() < 0.35 and np.abs(blended - whole).mean() < 0.01


def test_the_ladder_is_climbed_down_and_the_result_is_the_same():
    samples, notes = picture(200, 200, 1), []
    method = Mean3(limit=64 * 64)
    tiled = restore(method, samples, notes=notes)
    assert np.array_equal(tiled, restore(Mean3(), samples)) and any("memory ended" in note for note in notes) and len(method.sizes) > 4


def test_memory_that_ends_halfway_changes_nothing():
    class Shrinking(Mean3):
        def restore(self, y, problem):
            if len(self.sizes) > 3:
                self.limit = 40 * 40
            return super().restore(y, problem)

    samples, method = picture(300, 200, 1), Shrinking()
    assert np.array_equal(restore(method, samples, Settings("cpu", tile=80)), restore(Mean3(), samples))
    assert len({size for size in method.sizes}) > 1


def test_the_last_rung_is_an_error():
    with pytest.raises(RestoreError, match="memory ended"):
        restore(Mean3(limit=4), picture(100, 100, 1))


def test_settled_settings_are_handed_on():
    samples = picture(200, 200, 1)
    page = Page(lambda top, bottom: samples[top:bottom], Header(200, 200, 1))
    settled = engine.run(Mean3(limit=64 * 64), PROBLEM, page, lambda top, x: None, Settings("cpu"))
    assert settled.tile is not None and settled.tile <= 64


def test_the_guard_runs_a_poisoned_tile_again():
    class Poisoned(UNet):
        def net(self, y, sigma):
            x = super().net(y, sigma)
            return x if x.dtype == torch.float32 else x * float("inf")

    samples, notes = picture(60, 60, 3), []
    assert np.array_equal(restore(Poisoned().eval(), samples, Settings("cpu", precision="bf16"), notes), restore(UNet().eval(), samples))
    assert any("float32" in note for note in notes)


def test_half_precision_is_refused_where_it_is_not_allowed():
    with pytest.raises(UsageError, match="bf16"):
        restore(Mean3(), picture(20, 20, 1), Settings("cpu", precision="bf16"))


def test_nan_stays_and_does_not_spread():
    samples = picture(60, 70, 1).astype(np.float32) / 255
    broken = samples.copy()
    broken[30, 30], broken[5, 5] = np.nan, np.inf
    out = restore(Mean3(), broken)
    assert np.isnan(out[30, 30]) and np.isinf(out[5, 5]) and np.isfinite(out).sum() == out.size - 2


def test_alpha_is_carried_and_what_it_hides_does_not_bleed():
    samples = np.zeros((40, 60, 4), np.uint8)
    samples[:, :30] = (200, 100, 50, 255)
    samples[:, 30:] = (0, 255, 0, 0)  # a colour that nobody sees
    out = as_samples(restore(Mean3(), samples, header=Header(40, 60, 3, np.dtype(np.uint8), alpha=True)), np.uint8)
    assert np.array_equal(out, samples)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_strength_zero_is_the_picture(dtype):
    samples = picture(50, 60, 3, dtype)
    assert np.array_equal(as_samples(restore(UNet().eval(), samples, strength=0.0), dtype), samples)


def test_rows_are_read_once_and_forward():
    samples, asked = picture(300, 50, 3), []
    def read(top, bottom):
        asked.append((top, bottom))
        return samples[top:bottom]
    net = UNet().eval()
    page = Page(read, Header(300, 50, 3), net.multiple)
    engine.run(net, PROBLEM, page, lambda top, x: page.finish(top, x), Settings("cpu", tile=48))
    assert asked[0][0] == 0 and asked[-1][1] == 300 and all(a[1] == b[0] for a, b in zip(asked, asked[1:])) and len(asked) > 3


def test_bytes_at_work_are_near_what_is_planned():
    net = UNet().eval()
    assert 16 * 4 * 2 <= net.bytes_per_pixel(PROBLEM) <= 16 * 4 * 4
    small = engine.plan(net, PROBLEM, 3, 4000, 4000, Settings("cpu", memory=128 << 20))
    assert small.bytes <= 128 << 20 and small.rows * small.columns > 50 and small.overhead < 0.2


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_gives_what_the_cpu_gives():
    samples = picture()
    cpu, gpu = restore(UNet().eval(), samples), restore(UNet().eval(), samples, Settings("cuda", precision="float32", tile=64))
    assert np.abs(cpu - gpu).max() < 1e-5


def test_batches_of_equal_tiles_are_the_tiles_one_by_one(monkeypatch):
    samples, net = picture(130, 300, 3), UNet().eval()
    one_by_one = restore(net, samples, Settings("cpu", tile=48))
    plan = engine.plan
    monkeypatch.setattr(engine, "plan", lambda *given: replace(plan(*given), batch=3))
    assert np.array_equal(as_samples(restore(net, samples, Settings("cpu", tile=48)), np.uint8), as_samples(one_by_one, np.uint8))


def test_a_grey_method_takes_colour_and_each_channel_its_level():
    class Level(Network):
        channels = 1

        def net(self, y, sigma):
            return y * 0 + sigma

    y = torch.rand(2, 3, 8, 8)
    x = Level()(y, problem_of(Denoise(sigma=(51.0, 102.0, 153.0))))
    assert torch.allclose(x, torch.tensor([0.2, 0.4, 0.6]).reshape(1, 3, 1, 1).expand_as(x))


def test_a_copy_in_another_precision_leaves_its_listener_alone():
    """What hears of progress may hold a lock, as a progress bar at a terminal does."""
    import threading

    from restore import cards
    from restore.engine.wrap import Guarded

    class Bars:
        def __init__(self):
            self.lock, self.heard = threading.RLock(), []

        def progress(self, done, of):
            self.heard.append((done, of))
    bars, net = Bars(), cards.build("drunet", {"widths": (8, 8, 8), "blocks": (0, 0, 0, 0, 0)})
    net.tick = bars.progress
    fast = Guarded(net, torch.bfloat16, lambda text: None).fast
    assert net.tick == bars.progress and fast.tick == bars.progress and next(fast.parameters()).dtype == torch.bfloat16
    assert next(net.parameters()).dtype == torch.float32
