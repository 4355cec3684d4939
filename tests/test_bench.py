"""Tables, the run with its cache, reports; a small run of every method."""

import json
import shutil
from dataclasses import dataclass, replace
from math import inf, isfinite, isnan, log10, nan

import numpy as np
import pytest

from restore import cards, io
from restore.bench import cache, plot, report, table
from restore.bench.run import Choice, Events, beyond, comparable, run
from restore.cli import app
from restore.errors import RestoreError, UsageError
from restore.measure import protocol, sets


@pytest.fixture
def folder(tmp_path):
    """Two small crops of pictures that come with scikit-image."""
    place = tmp_path / "pictures"
    place.mkdir()
    camera = io.read(sets.find("skimage").path / "camera.png").samples
    for name, (top, left) in {"a": (100, 200), "b": (300, 120)}.items():
        io.write(place / f"{name}.png", np.ascontiguousarray(camera[top : top + 48, left : left + 56]))
    return place


@pytest.mark.parametrize("name", table.names())
def test_tables_hold_together(name):
    asked = table.find(name)
    assert asked.baseline in [entry.name for entry in asked.entries] and asked.source
    protocol.find(asked.protocol)
    for published in asked.sets:
        assert published.set in sets.SETS
        for figure in (published.psnr, published.ssim):
            assert set(figure) <= {entry.name for entry in asked.entries}
            assert all(len(values) == len(asked.levels) for values in figure.values())
    for level in asked.levels:
        assert not asked.at(level).unknown()


def test_the_papers_own_offsets():
    """Table 1 of RED-Net, distances from BM3D that the paper's text and ours quote."""
    published = table.find("red").published("red14_proxy256").psnr
    gains = [round(ours - theirs, 2) for ours, theirs in zip(published["RED30"], published["BM3D"], strict=True)]
    assert gains == [0.63, 0.68, 0.73, 0.66]


def small(folder, methods=("BM3D",), levels=(50.0,), **more):
    events, red = [], table.find("red")
    red = replace(red, sets=(replace(red.sets[0], pictures=2), *red.sets[1:]))  # the folder may be the paper's set
    result = run(red, Choice(str(folder), methods, levels, device="cpu", **more), protocol.find("rednet"),
                 Events(lambda done, of, text, left: events.append((done, of))))
    return result, events


def test_a_run_goes_on_where_it_was(folder):
    first, measured = small(folder)
    again, none = small(folder)
    assert len(measured) == 2 and not none
    assert repr(first.cells) == repr(again.cells) and first.cells[0].mean("psnr") > 20
    more, fresh = small(folder, levels=(50.0, 30.0))
    assert len(fresh) == 2 and repr(more.cell("BM3D", 50.0)) == repr(first.cells[0])


def test_a_changed_picture_or_protocol_is_run_again(folder):
    small(folder)
    pixels = io.read(folder / "a.png").samples.copy()
    pixels[3, 4] ^= 1
    io.write(folder / "a.png", pixels, overwrite=True)
    assert len(small(folder)[1]) == 1


@dataclass(frozen=True)
class Measured:
    file: str
    level: float
    seconds: float = nan


def test_a_row_is_measured_once_for_a_file_and_words(tmp_path, monkeypatch):
    file, calls = tmp_path / "a.png", []

    def measure(path, level):
        calls.append(level)
        return Measured(path.name, level)

    file.write_bytes(b"one")
    first, again = (cache.row(Measured, measure, file, 4.0) for _ in range(2))
    assert calls == [4.0] and (first.file, first.level) == (again.file, again.level) == ("a.png", 4.0) and isnan(again.seconds)
    cache.row(Measured, measure, file, 8.0)
    file.write_bytes(b"two")
    cache.row(Measured, measure, file, 4.0)
    monkeypatch.setattr(cache, "every", lambda: [])
    cache.row(Measured, measure, file, 4.0)
    assert calls == [4.0, 8.0, 4.0, 4.0]


def test_a_bench_of_slices_goes_on_where_it_was_broken_off(tmp_path, monkeypatch, capsys):
    from restore.bench import doses
    from restore.commands.bench import bench
    from restore.measure.sets import SETS

    done = []
    monkeypatch.setattr(type(SETS["ct_test"]), "files", lambda self: files)
    files = [tmp_path / f"{name}.dcm" for name in "abc"]
    for number, file in enumerate(files):
        file.write_bytes(bytes([number]))

    def score(file, name, settings):
        if file.stem == "c" and len(done) == 2:
            done.append("")
            raise KeyboardInterrupt
        done.append(file.stem)
        return doses.Row(file.stem, "B", name, 1.0, 1.0, 1.0)

    monkeypatch.setattr(doses, "score", score)
    with pytest.raises(KeyboardInterrupt):
        bench("ct", methods="fbp", json=True)
    assert bench("ct", methods="fbp", json=True) == 0
    assert done == ["a", "b", "", "c"] and len(capsys.readouterr().out.splitlines()) == 2 + 3


def test_a_changed_method_has_another_key(monkeypatch):
    by_bm3d = {"denoiser": "bm3d"}
    before = cache.method_key("vst", None, by_bm3d)
    cache.digest.cache_clear()
    monkeypatch.setattr(cache, "digest", lambda module: "changed" if module == "restore.numerics.patches" else "as it was")
    one = cache.method_key("vst", None, by_bm3d)
    monkeypatch.setattr(cache, "digest", lambda module: "as it was")
    same = cache.method_key("vst", None, by_bm3d)
    assert before != same != one  # patches are used by its part, BM3D
    monkeypatch.setattr(cache, "__version__", "of another torch")
    assert cache.method_key("vst", None, by_bm3d) != same


def test_a_part_makes_another_row(folder):
    row = table.row
    assert row("A", "ivst+bm3d x8") == table.Entry("A", "ivst", "bm3d", True) and row("A", "red10+.toml") == table.Entry("A", "red10+.toml")
    assert cache.method_key("vst", None, {"denoiser": "bm3d"}) != cache.method_key("vst", None)
    choice = Choice(str(folder), ("ivst+bm3d", "ivst+tv", "I+VST+BM3D"), (4,), device="cpu")  # the first and the last are one
    bm3d, tv = run(table.find("poisson"), choice, protocol.find("poisson")).cells
    assert bm3d.entry.name == "I+VST+BM3D" and bm3d.mean("psnr") != tv.mean("psnr")


@pytest.fixture
def untrained(monkeypatch):
    """No weights at all."""
    monkeypatch.setattr(cards, "folders", lambda: [])


def test_what_cannot_be_run_says_why(folder, untrained):
    result, _ = small(folder, ("RED30",))
    assert isnan(result.ours("RED30", 50.0)) and "red30" in result.cells[0].reason
    assert report.reasons(result) and "| RED30 | - (" in report.markdown(result)


def test_differences(folder):
    result, _ = small(folder, ("BM3D",), (50.0, 20.0))
    published = table.find("red").published("red14_proxy256").psnr["BM3D"][2]
    assert result.difference("BM3D", 50.0) == pytest.approx(result.ours("BM3D", 50.0) - published)
    assert isnan(result.theirs("BM3D", 20.0))  # a level that the paper does not have
    assert beyond(result, 0.0) and not beyond(result, 100.0)


@pytest.mark.parametrize("changed", [{"of": 14}, {"stand_in": True}])
def test_on_other_pictures_than_the_papers_distances_from_the_baseline_are_compared(changed, folder):
    """On some of its pictures, or on a set that stands in for it: picture by picture, so that their error is that of the differences."""
    result, _ = small(folder, ("BM3D", "PGPD"))
    apart = np.subtract([row.psnr for row in result.cell("PGPD", 50.0).rows], [row.psnr for row in result.cell("BM3D", 50.0).rows])
    theirs = result.theirs("PGPD", 50.0) - result.theirs("BM3D", 50.0)
    assert result.difference("PGPD", 50.0) == pytest.approx(result.ours("PGPD", 50.0) - result.theirs("PGPD", 50.0))
    assert not report.distances(result) and len(report.grids(result)) == 2
    other = replace(result, of=14) if "of" in changed else replace(result, published=replace(result.published, absolute=False))
    assert other.difference("BM3D", 50.0) == pytest.approx(0) and other.difference("PGPD", 50.0) == pytest.approx(apart.mean() - theirs)
    assert other.distance("PGPD", 50.0) == pytest.approx((apart.mean(), np.std(apart, ddof=1) / 2**0.5))
    assert report.distances(other)[1] == [["PGPD", f"{apart.mean():+.2f} ± {np.std(apart, ddof=1) / 2**0.5:.2f} ({theirs:+.2f})"]]
    assert f"{apart.mean():+.2f} ±" in report.html(other) and f"{apart.mean():+.2f} ±" in report.markdown(other)
    assert report.records(other)[1]["psnr_less_baseline"] == pytest.approx(apart.mean(), abs=1e-4)
    off = apart.mean() - theirs
    assert [name for name, *_ in beyond(other, abs(off) / 2)] == ["PGPD"] and not beyond(other, 2 * abs(off))
    alone, _ = small(folder, ("PGPD",))
    assert isnan(replace(alone, of=14).difference("PGPD", 50.0))


def test_every_and_the_standard_error(folder):
    result, _ = small(folder, every=2)
    assert [picture.name for picture in result.pictures] == ["a"] and result.of == 2 and isnan(result.cells[0].error("psnr"))
    both, _ = small(folder)
    values = [row.psnr for row in both.cells[0].rows]
    assert both.cells[0].error("psnr") == pytest.approx(np.std(values, ddof=1) / 2**0.5)
    assert "1 of 2 pictures" in " ".join(report.lines(result))


def test_reports(folder, untrained):
    result, _ = small(folder, ("BM3D", "RED30"))
    text = report.html(result)
    assert text.count("data:image/png;base64,") == 4 and "<svg" in text and "http" not in text.replace("http://www.w3.org/2000/svg", "")
    words = json.loads(report.to_json(result))
    assert len(words["cells"][0]["rows"]) == 2 and words["cells"][0]["psnr"] == pytest.approx(result.ours("BM3D", 50.0), abs=1e-4)
    lines = report.to_csv(result).splitlines()
    assert len(lines) == 3 and lines[0].startswith("table,set,protocol,method")
    row = result.cell("BM3D", 50.0).rows[1]
    assert f"<td>2 b</td><td>{row.psnr:.2f}</td>" in text and f"{max(one.bytes for one in result.cells[0].rows) / 2**20:.0f}" == report.grid(result, "psnr")[1][0][-1]


def test_the_crop_is_the_estimate(folder):
    """The PSNR of the stored crops, over all of a picture smaller than a crop, is the row's, to the rounding of 8 bits."""
    import base64

    result, _ = small(folder)
    row, picture = result.cells[0].rows[0], result.pictures[0]
    crop = np.frombuffer(base64.b64decode(row.crop), np.uint8).reshape(48, 56) / 255
    assert 10 * np.log10(1 / np.mean((crop - picture.x[0, 0].numpy()) ** 2)) == pytest.approx(row.psnr, abs=0.1)


def test_charts_leave_out_what_is_not_known():
    drawn = plot.chart("t", "x", "y", {"a": [(1, 2.0), (2, nan), (3, 4.0)], "b": [(1, nan)]})
    assert drawn.count("<circle") == 2 and ">b<" not in drawn
    assert plot.chart("t", "x", "y", {"a": []}) == ""
    assert plot.chart("t", "x", "y", {"a": [(1, 2.0)]}, rings={"a": [(1, 3.0)], "b": [(1, 3.0)]}).count('fill="none"') == 1


def test_protocol_variants(folder):
    """Clipping the noisy picture costs PSNR at sigma 50: the reason why it is named."""
    asked, choice = table.find("red"), Choice(str(folder), ("BM3D",), (50.0,), device="cpu")
    plain, files = (run(asked, choice, protocol.find(name)) for name in ("rednet", "files"))
    assert plain.ours("BM3D", 50.0) > files.ours("BM3D", 50.0) + 0.02


def test_levels_that_are_words(folder):
    """A kernel is a level too; missing pixels are drawn by the picture's name, so the order of a run never matters."""
    asked = table.find("inpaint")
    one = run(asked, Choice(str(folder), ("TV",), ("missing:0.5",), device="cpu"), protocol.find("rednet"))
    alone = run(asked, Choice(str(folder), ("TV",), ("missing:0.5",), pictures=("b",), device="cpu"), protocol.find("pgpd"))
    assert one.cells[0].rows[1].psnr == pytest.approx(alone.cells[0].rows[0].psnr, abs=0.05)
    blurred = run(table.find("deblur"), Choice(str(folder), ("Wiener",), ("motion:7@30",), device="cpu"), protocol.find("rednet"))
    assert blurred.ours("Wiener", "motion:7@30") > 20 and "kernel motion:7@30" in report.markdown(blurred) and "<svg" in report.html(blurred)


def test_super_resolution_is_cropped_to_the_scale(folder):
    """Bicubic in both directions on the luma; shaving the border moves the figure."""
    asked, choice = table.find("sr"), Choice(str(folder), ("bicubic",), (3.0,), device="cpu")
    plain, shaved = (run(asked, choice, protocol.find(name)) for name in ("sr", "sr-shaved"))
    assert plain.ours("bicubic", 3.0) != shaved.ours("bicubic", 3.0) and plain.ours("bicubic", 3.0) > 15


def test_the_command(cli, folder, tmp_path):
    for number in range(12):
        shutil.copy(folder / "a.png", folder / f"a{number}.png")
    line = ["bench", "red", "--set", folder, "--methods", "BM3D", "--sigmas", "50", "--device", "cpu"]
    done = cli(*line, "-o", tmp_path / "r.html", env={"RESTORE_CACHE": str(tmp_path / "c")}, text=True)
    assert done.returncode == 0 and "BM3D\t" in done.stdout and "protocol rednet" in done.stderr and (tmp_path / "r.html").is_file()
    assert cli(*line, "--tolerance", "0.01", env={"RESTORE_CACHE": str(tmp_path / "c")}).returncode == 3
    for wrong in (["bench", "reds"], ["bench", "--methods", "bm3"], ["bench", "--set", folder, "--images", "c"], ["bench", "--sigmas", "x"], ["bench", "card"],
                  ["bench", "-o", "a.pdf", "--set", folder]):
        assert cli(*wrong).returncode == 2, wrong
    assert b"skimage" in cli("bench", "sets").stdout and b"red14_proxy256" in cli("bench", "--list").stdout


def test_without_sets_the_pictures_of_scikit_image_are_used(monkeypatch):
    monkeypatch.delenv("RESTORE_DATA", raising=False)
    assert table.find("red").first() == "skimage" and table.find("red").published("skimage").psnr == {}
    monkeypatch.setattr(sets, "find_spec", lambda name: None)
    with pytest.raises(RestoreError, match="not installed"):
        run(table.find("red"), Choice(methods=("BM3D",)), protocol.find("rednet"))


def test_every_method_of_the_table_runs(folder, tmp_path, monkeypatch):
    """Two crops, one level. Classical methods clean them; the networks, small and untrained here, return what a card says they may."""
    from restore.tasks import Denoise
    from restore.values import Range

    place = tmp_path / "weights"
    monkeypatch.setenv("RESTORE_WEIGHTS", str(place))
    small = {"red10": {"width": 4}, "red20": {"width": 4}, "red30": {"width": 4}, "mlp": {"width": 16}, "autoencoder": {"widths": [4, 4, 4]},
             "drunet": {"channels": 1, "widths": [8, 16], "blocks": [1, 1, 1]}}
    for name, args in small.items():
        cards.save(cards.Card(name, "blind", Denoise(sigma=Range(5, 75)), args, flops_per_pixel=1e12), cards.build(name, args), place)
    result = run(table.find("red"), Choice(str(folder), (), (50.0,), device="cpu"), protocol.find("rednet"))
    assert [cell.reason for cell in result.cells] == [""] * len(result.cells)
    assert any(line.startswith("weights: ") and "RED10 by red10.blind x8 (8 x 1000000.00 MFLOP/px)" in line for line in report.lines(result))
    for cell in result.cells:
        untrained = cell.model.partition(".")[0] in small
        assert len(cell.rows) == 2 and all(isfinite(row.psnr) if untrained else row.psnr > 20 * log10(255 / 50) + 2 for row in cell.rows), cell.entry


def test_card_takes_the_figures(tiny_weights, tmp_path, monkeypatch, folder):
    from restore import benching

    shutil.copytree(tiny_weights, tmp_path / "w")
    monkeypatch.setenv("RESTORE_WEIGHTS", str(tmp_path / "w"))
    short = {name: sets.ImageSet(name, "", "test", "", 3, own=("rocket.jpg",)) for name in ("cbsd68",)}
    monkeypatch.setattr(sets.ImageSet, "there", property(lambda row: row.name in short))
    monkeypatch.setattr(sets.ImageSet, "files", lambda row: [folder / "a.png"])
    benching.card("drunet.tiny", Choice(device="cpu"), quiet=True)
    card = cards.find("drunet.tiny")[1]
    monkeypatch.setattr(sets.ImageSet, "there", property(lambda row: False))
    with pytest.raises(RestoreError, match="left as it was"):
        benching.card("drunet.tiny", Choice(device="cpu"), quiet=True)
    assert cards.find("drunet.tiny")[1].results == card.results
    assert [row["sigma"] for row in card.results if row["set"] == "cbsd68"] == [15, 25, 50] and cards.verify(card)


def test_a_card_is_of_the_file_that_was_named(tiny_weights, tmp_path, monkeypatch):
    """Weights of the same name are installed; those of the path are scored."""
    from restore import benching

    shutil.copytree(tiny_weights, tmp_path / "own")
    monkeypatch.setenv("RESTORE_WEIGHTS", str(tiny_weights))
    path, asked = str(tmp_path / "own" / "drunet.tiny.safetensors"), []
    monkeypatch.setattr(sets.ImageSet, "there", property(lambda row: row.name == "cbsd68"))
    monkeypatch.setattr(benching, "run", lambda table, choice, *others: asked.append(choice.methods))
    monkeypatch.setattr(benching, "_rows", lambda result: [])
    with pytest.raises(RestoreError, match="left as it was"):
        benching.card(path, Choice(device="cpu"), quiet=True)
    assert asked and all(name.removesuffix(" x8") == path for names in asked for name in names)


def test_speed(capsys):
    from restore.bench import speed

    lines = list(speed.ours(64, "cpu", ("bm3d",)))
    assert [line.name for line in lines] == ["bm3d"] and lines[0].seconds > 0 and lines[0].rate == pytest.approx(64**2 / 1e6 / lines[0].seconds)
    x, y = (speed.leaves(1, 64, 64), speed.noisy(1, 64, speed.problem_of(speed.Denoise(sigma=25.0))))
    assert 0 <= x.min() < 0.2 and 0.8 < x.max() <= 1 and float((y - x).std()) == pytest.approx(25 / 255, rel=0.05)
    told = [line.name for line in speed.projections(64, "cpu")]
    assert sum("backprojection" in name for name in told) == 2 and "scikit-image iradon" in told


def test_tables_of_another_kind_are_written_in_every_format(tmp_path):
    records = [{"method": "fbp", "rmse": 53.2}, {"method": "tv", "rmse": 41.0}]
    sheet = report.Sheet(["what was <measured>"], ["method", "RMSE"], [["fbp", "53.2"], ["tv", "41.0"]], records)
    assert json.loads(sheet.text(".json"))["rows"] == records
    assert sheet.text(".csv").splitlines() == ["method,rmse", "fbp,53.2", "tv,41.0"]
    assert "| tv | 41.0 |" in sheet.text(".md") and "> what was" in sheet.text(".md")
    assert "<td>53.2</td>" in sheet.text(".html") and "what was &lt;measured&gt;" in sheet.text(".html")


@pytest.mark.parametrize("line, named", [("mri --levels gaussian:1.6", "gaussian:1.6"), ("sinograms --levels=-90", "-90"), ("ct --levels 3", "no --levels"), ("raw --set bsd68", "--set"),
                                         ("speed --every 3", "--every"), ("sets -o a.md", "-o"), ("mri drunet.fast", "NAME.TAG"),
                                         ("red drunet.fast", "NAME.TAG"), ("grey --side 64", "--side"), ("raw --device cuda", "--device"), ("card drunet.fast --json", "--json"),
                                         ("blind --methods pnp,tv", "one method"), ("blind --methods bicubic", "does not serve")])
def test_what_a_table_does_not_take_is_refused(line, named):
    with pytest.raises(UsageError, match=named):
        app(["bench", *line.split()], standalone_mode=False)


def test_a_level_as_tables_say_it_finds_its_own_setting():
    """255 times 50/255 in single precision is a little more than 50."""
    from restore.numerics.levels import for_level
    from restore.operators.problem import problem_of
    from restore.tasks import Denoise

    for level in (10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 75.0):
        sigma = float(problem_of(Denoise(sigma=level)).noise.sigma)
        assert for_level({level: "its own", inf: "the next"}, sigma) == "its own"


def test_weights_of_parts_are_part_of_what_was_measured(tiny_weights, tmp_path, monkeypatch):
    monkeypatch.setenv("RESTORE_WEIGHTS", str(tiny_weights))
    before = cache.method_key("pnp", None)
    monkeypatch.setenv("RESTORE_WEIGHTS", str(tmp_path))
    assert cache.method_key("pnp", None) != before


def test_names_that_cannot_be_timed_are_refused():
    from restore import benching

    with pytest.raises(UsageError, match="timed"):
        benching.speed(("fbp",), 64, "cpu", False)


def test_figures_are_of_as_many_pictures_as_the_papers(tmp_path):
    """A user's folder is beside published figures only where it can be the paper's set."""
    red = table.find("red")
    for number in range(14):
        assert not red.published(str(tmp_path)).psnr
        io.write(tmp_path / f"{number}.png", np.full((8, 8), number, np.uint8))
    assert red.published(str(tmp_path)).psnr


def test_what_is_published_alone_is_not_held_against_a_tolerance(folder):
    """Rows without a model of ours are no failures, and where nothing can be compared a tolerance says so."""
    asked = table.find("sr")
    result = run(asked, Choice(str(folder), device="cpu", methods=("SRCNN", "bicubic"), levels=(2.0,)), protocol.find("sr"))
    result = replace(result, published=replace(asked.sets[0], psnr={name: (99.0,) * 3 for name in ("SRCNN", "bicubic")}))
    assert not any(name == "SRCNN" for name, _, _ in beyond(result, 0.0)) and beyond(result, 0.0)
    here = Choice(str(folder), ("SRCNN", "bicubic"), (2.0,))
    assert not comparable(asked, here) and not comparable(asked, Choice("set5", ("SRCNN",))) and not comparable(asked, Choice("set5", levels=(2.5,)))
    assert comparable(asked, Choice("set5"))


def test_pictures_of_one_stem_have_names_of_their_own(folder):
    (folder / "inside").mkdir()
    for place in (folder / "a.bmp", folder / "inside/a.png"):
        io.write(place, io.read(folder / "b.png"))
    result, _ = small(folder, ("BM3D",))
    names = [row.picture for row in result.cells[0].rows]
    assert len(set(names)) == len(names) == 4 and "b" in names and "a.bmp" in names


def test_a_method_of_the_table_with_the_ensemble(folder):
    result, _ = small(folder, ("bm3d x8",))
    assert result.cells[0].entry.ensemble and result.cells[0].model == "bm3d" and result.cells[0].rows


def test_what_is_named_twice_is_measured_once(folder):
    result, events = small(folder, ("BM3D", "bm3d"), (50.0, 50.0), pictures=("a", "a"))
    assert len(result.cells) == len(result.pictures) == len(events) == 1


def test_a_set_is_not_hidden_by_a_folder_of_its_name(folder, tmp_path, monkeypatch):
    """Figures that are published for a set stand beside it alone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RESTORE_DATA", raising=False)
    folder.rename(tmp_path / "set12")
    with pytest.raises(RestoreError, match="RESTORE_DATA"):
        run(table.find("grey"), Choice("set12", ("BM3D",), (50.0,)), protocol.find("rednet"))
    assert len(run(table.find("grey"), Choice("./set12", ("BM3D",), (50.0,)), protocol.find("rednet")).pictures) == 2


def test_time_left_is_that_of_each_method(monkeypatch):
    from restore.bench import run as running

    now, told = [0.0], []
    monkeypatch.setattr(running.time, "monotonic", lambda: now[0])
    clock = running._Clock({"quick": 2, "slow": 3}, Events(lambda done, of, text, left: told.append((done, left))))
    for name, seconds in (("quick", 1.0), ("quick", 1.0), ("slow", 10.0)):
        now[0] += seconds
        clock.measured(name, "")
    assert told == [(1, 4.0), (2, 3.0), (3, 20.0)]


def test_plots_without_the_baseline(folder):
    result, _ = small(folder, ("PGPD", "EPLL"))
    assert "PSNR less that of PGPD" in report.html(result)


def test_entries_of_another_shape_are_measured_again(folder):
    result, events = small(folder, ("BM3D",))
    for file in cache.folder().rglob("*.json"):
        file.write_text('{"picture": "a"}')
    again, events = small(folder, ("BM3D",))
    assert [row.psnr for row in again.cells[0].rows] == [row.psnr for row in result.cells[0].rows]


def test_json_has_no_infinity(folder):
    result, _ = small(folder, ("BM3D",))
    perfect = replace(result.cells[0].rows[0], psnr=inf, psnrb=31.0)
    result = replace(result, cells=(replace(result.cells[0], rows=(perfect,)),))
    found = json.loads(report.to_json(result), parse_constant=lambda word: pytest.fail(word))
    assert found["cells"][0]["rows"][0]["psnr"] is None and "psnrb" in report.to_csv(result)


def test_sets_that_are_there_in_part_are_not_there(tmp_path, monkeypatch):
    monkeypatch.setenv("RESTORE_DATA", str(tmp_path))
    for name in ("test/b100", "test/set12", "test/levin09/gt", "train/bsds"):
        (tmp_path / name).mkdir(parents=True)
    assert not any(sets.SETS[name].there for name in ("cbsd68", "dpir4", "levin", "held")) and sets.SETS["set12"].there


def test_a_models_own_name_is_that_without_the_ensemble():
    from restore.bench.run import entries_of

    plain, often = entries_of(table.find("red"), ("red30.blind", "red30.blind x8"))
    assert not plain.ensemble and often.ensemble and plain.model == often.model == "red30.blind"


def test_peers_are_measured_again_where_problems_change(monkeypatch):
    from restore.bench import peers

    pytest.importorskip("rawpy")
    before = peers.key("peer:libraw-ahd")
    monkeypatch.setattr(cache, "digest", lambda module: "changed" if module == "restore.operators.masks" else "as it was")
    one = peers.key("peer:libraw-ahd")
    monkeypatch.setattr(cache, "digest", lambda module: "as it was")
    assert before != one != peers.key("peer:libraw-ahd")


def test_a_crop_has_its_size_where_the_picture_was_cut(tmp_path):
    place = tmp_path / "set"
    place.mkdir()
    camera = io.read(sets.find("skimage").path / "camera.png").samples
    io.write(place / "a.png", np.ascontiguousarray(camera[100:175, 100:191]))
    result = run(table.find("sr"), Choice(str(place), ("bicubic",), (2,), device="cpu"), protocol.find("sr"))
    assert "<img" in report.html(result)


def test_figures_of_one_set_replace_those_before(tmp_path):
    from restore import benching

    before, after = ({"set": "set12", "sigma": 25.0, "psnr": psnr, "x8": False, "protocol": "dncnn"} for psnr in (1.0, 2.0))
    assert benching._what(before | {"every": 1}) == benching._what(after)


def test_a_report_needs_its_folder(tmp_path):
    from restore import benching

    with pytest.raises(UsageError, match="no folder"):
        benching._suffixes([tmp_path / "new/x.md"], [".md"])


def test_a_row_that_no_table_has_is_told_of_those_there_are():
    with pytest.raises(UsageError, match="or a row of inpaint-colour: OpenCV Telea"):
        run(table.find("inpaint-colour"), Choice(methods=("OpenCV",), device="cpu"), protocol.find("rednet"))
