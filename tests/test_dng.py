"""Digital negatives of others: what their tags say of levels, light, colours and the part to be shown is heeded."""

import numpy as np
import pytest
import tifffile

from restore import io
from restore.commands.isp import isp

NIKON = (0.9020, -0.2890, -0.0715, -0.4535, 1.2436, 0.2348, -0.0934, 0.1919, 0.7086)  # XYZ to camera


def ratios(*values, under=10000):
    return [part for value in values for part in (round(value * under), under)]


@pytest.fixture
def negative(tmp_path):
    """A DNG of samples (H, W) or (H, W, 3) with the tags of a plain camera, and others in their place; {tag: None} leaves one out."""
    def make(samples, name="shot.dng", **changed):
        mosaic = samples.ndim == 2
        told = {271: (2, 0, "Maker"), 272: (2, 0, "Model"), 50706: (1, 4, (1, 4, 0, 0)), 50707: (1, 4, (1, 1, 0, 0)), 50708: (2, 0, "a camera"), 50714: (4, 1, 0), 50717: (4, 1, 65535),
                50721: (10, 9, ratios(*NIKON)), 50778: (3, 1, 21), 50728: (5, 3, ratios(0.5, 1, 0.7))}
        if mosaic:
            told |= {33421: (3, 2, (2, 2)), 33422: (1, 4, (0, 1, 1, 2)), 50710: (1, 3, (0, 1, 2)), 50711: (3, 1, 1)}
        told |= {int(tag[1:]): entry for tag, entry in changed.items()}
        tifffile.imwrite(tmp_path / name, samples, photometric=32803 if mosaic else 34892, planarconfig=None if mosaic else "contig", metadata=None,
                         extratags=[(tag, *entry, True) for tag, entry in told.items() if entry])
        return tmp_path / name
    return make


def sensor(path):
    with io.open_sensor(path) as source:
        header = source.headers[0]
        return header.sensor, header.sensor.light(source.read(0, header.height))


@pytest.mark.parametrize("black", [(100, 200, 300), (300, 200, 100)])
def test_linear_samples_have_levels_of_their_own_in_each_colour(negative, black):
    white = (1100, 2200, 4300)
    half = np.broadcast_to((np.array(black) + np.array(white)) // 2, (40, 52, 3)).astype(np.uint16)
    found, light = sensor(negative(half, t50713=(3, 2, (1, 1)), t50714=(4, 3, black), t50717=(4, 3, white)))
    assert found.black == black and found.white == white and found.neutral == pytest.approx((0.5, 1, 0.7)) and np.abs(light - 0.5).max() < 1e-3
    found, light = sensor(negative(half, t50713=(3, 2, (1, 1)), t50714=(4, 3, black), t50717=(4, 3, (5000,) * 3)))
    assert found.white == (5000,) * 3 and found.neutral == pytest.approx((0.5, 1, 0.7))
    assert sensor(negative(half, t50717=(4, 1, 0)))[0].white[0] > 0  # no white at all


@pytest.mark.parametrize("light", [(0.44, 0.405), (0.3127, 0.3290)])
def test_the_light_that_a_camera_tells_of_gives_the_white_balance(negative, tmp_path, capsys, light):
    """As its neutral would: what the colour matrix makes of the light."""
    from restore.commands.burst import burst

    x, y = light
    seen = np.array(NIKON).reshape(3, 3) @ [x / y, 1, (1 - x - y) / y]
    samples, pictures = np.random.default_rng(0).integers(9000, 12000, (40, 52)).astype(np.uint16), []
    for name, told in (("light", {"t50728": None, "t50729": (5, 2, ratios(*light))}), ("neutral", {"t50728": (5, 3, ratios(*seen / seen.max()))})):
        shots = [str(negative(samples, f"{name}{n}.dng", **told)) for n in range(2)]
        assert burst(shots, align="none", output=str(tmp_path / f"{name}.dng"), quiet=True) == 0
        for shot in (shots[0], str(tmp_path / f"{name}.dng")):  # and a merged one tells of it too
            assert isp([shot], model="bilinear", noise="none", exposure="0", output=str(tmp_path / "x.tif"), overwrite=True) == 0 and "(camera)" in capsys.readouterr().err
            pictures.append(tifffile.imread(tmp_path / "x.tif").astype(int))
    assert all(np.abs(picture - pictures[0]).max() <= 200 for picture in pictures[::2]) and all(np.abs(picture - pictures[1]).max() <= 200 for picture in pictures[1::2])


@pytest.mark.parametrize("samples", [np.full((520, 528), 20000, np.uint16), np.full((520, 528, 4), 20000, np.uint16)], ids=["mosaic", "linear"])
def test_four_colours_are_not_taken_for_three(negative, tmp_path, capsys, samples):
    four = {"t33422": (1, 4, (1, 4, 3, 5)), "t50710": (1, 4, (1, 4, 3, 5))} if samples.ndim == 2 else {}
    shot = negative(samples, **four, t50721=(10, 12, ratios(*NIKON, 0.2, 0.9, 0.3)), t50728=(5, 4, ratios(0.5, 1, 0.7, 0.9)))
    assert isp([str(shot)], output=str(tmp_path / "x.tif")) == 1 and "4 colours" in capsys.readouterr().err and not (tmp_path / "x.tif").exists()
    with io.open_source(shot) as source:  # the way that the error names
        assert source.read(0, 1).shape[-1] == 3


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("mosaic", [True, False], ids=["mosaic", "linear"])
def test_what_is_not_to_be_shown_is_cut_off_pictures_and_kept_in_negatives(negative, tmp_path, orientation, mosaic):
    """As DefaultCropOrigin and DefaultCropSize say, from odd rows and columns too; the cut picture is that part of the whole one."""
    from restore.commands.burst import burst

    samples = np.random.default_rng(0).integers(9000, 12000, (601, 61) if mosaic else (601, 61, 3)).astype(np.uint16)
    crop, how = {"t50719": (3, 2, (5, 3)), "t50720": (3, 2, (50, 598))}, {"noise": "none", "exposure": "0", "model": "bilinear", "overwrite": True, "quiet": True}
    shots = [str(negative(samples, name, t274=(3, 1, orientation), **told)) for name, told in (("whole.dng", {}), ("cut.dng", crop), ("other.dng", crop))]
    pictures = []
    for shot in shots[:2]:
        assert isp([shot], output=str(tmp_path / "x.tif"), **how) == 0
        pictures.append(tifffile.imread(tmp_path / "x.tif"))
    assert np.array_equal(pictures[1], pictures[0][3:601, 5:55])
    assert isp([shots[1]], output=str(tmp_path / "again.dng"), noise="none", quiet=True) == 0 and burst(shots[1:], align="none", output=str(tmp_path / "merged.dng"), quiet=True) == 0
    assert sensor(tmp_path / "again.dng")[0].crop == (3, 5, 598, 50) and sensor(tmp_path / "again.dng")[1].shape[:2] == (601, 61)
    assert sensor(tmp_path / "merged.dng")[0].crop == ((3, 5, 597, 50) if mosaic else (3, 5, 598, 50)) and sensor(shots[0])[0].crop is None
    whole, part = (io.read(shot).samples for shot in shots[:2])  # as LibRaw develops it, upright
    assert np.array_equal(part, whole[3:601, 5:55] if orientation == 1 else whole[5:55, :598])


@pytest.mark.parametrize("origin, size", [((0, 0), (70, 40)), ((40, 0), (20, 40)), ((0, 0), (0, 0))])
def test_crops_that_cannot_be_are_left_out(negative, origin, size):
    assert sensor(negative(np.full((40, 52), 9000, np.uint16), t50719=(3, 2, origin), t50720=(3, 2, size)))[0].crop is None
