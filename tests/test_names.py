"""Which files are read and written: settled before the first pixel."""

import os

import pytest

from restore.errors import RestoreError, UsageError
from restore.io import open_source
from restore.names import STREAM, Input, compared, expand, settle

READABLE, WRITABLE, RAW = {".png", ".tif", ".jpg", ".nef"}, {".png", ".tif", ".jpg"}, {".nef"}


def files(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return folder


def plan(inputs, output=None, **how):
    return [str(n.target) for n in settle(inputs, "denoise", output, {"sigma": "25", "model": "bm3d"}, WRITABLE, RAW, **how)]


def test_folders_keep_sub_folders_in_natural_order(tmp_path):
    files(tmp_path / "in", "p10.png", "p2.png", "deep/er/a.tif", "x.txt", "p2.denoise.png", ".hidden.png")
    inputs = expand([str(tmp_path / "in")], READABLE, "denoise")
    assert [str(i.path.relative_to(tmp_path / "in")) for i in inputs] == ["deep/er/a.tif", "p2.png", "p10.png"]
    out = tmp_path / "out"
    assert plan(inputs, str(out)) == [str(out / "deep/er/a.tif"), str(out / "p2.png"), str(out / "p10.png")]


def test_masks_beside_their_picture_are_no_pictures_of_a_folder(tmp_path):
    """Unless they are named, or there is nothing that they are masks of."""
    files(tmp_path / "in", "a.png", "a.mask.png", "deep/b.tif", "deep/b.mask.png", "c.mask.png", "deep/a.mask.png")
    inputs = expand([str(tmp_path / "in")], READABLE, "inpaint")
    assert [str(i.path.relative_to(tmp_path / "in")) for i in inputs] == ["a.png", "c.mask.png", "deep/a.mask.png", "deep/b.tif"]
    assert len(expand([str(tmp_path / "in/a.png"), str(tmp_path / "in/a.mask.png")], READABLE, "inpaint")) == 2


def test_a_folder_inside_that_may_not_be_read_is_a_job_that_fails(tmp_path, monkeypatch):
    files(tmp_path / "in", "a.png", "deep/b.png", "locked/c.png", ".git/d.png")
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: os.path.basename(path) not in ("locked", ".git") and access(path, mode))
    assert [str(i.path.relative_to(tmp_path / "in")) for i in expand([str(tmp_path / "in")], READABLE, "denoise")] == ["a.png", "deep/b.png", "locked", "locked/c.png"]
    with pytest.raises(RestoreError, match="may not be read"):
        open_source(tmp_path / "in/locked")


def test_where_the_format_is_said_a_name_needs_no_suffix(tmp_path):
    one = [Input(tmp_path / "a.png")]
    assert plan(one, str(tmp_path / "plain"), bare=True) == [str(tmp_path / "plain")]
    assert plan(one, str(tmp_path / "{stem}_x"), bare=True) == [str(tmp_path / "a_x")]
    for how, said in ((dict(bare=True), "two formats"), ({}, "no suffix")):
        with pytest.raises(UsageError, match=said):
            plan(one, str(tmp_path / "x.gif"), **how)


def test_default_is_beside_and_raw_becomes_tif(tmp_path):
    assert plan([Input(tmp_path / "a.png"), Input(tmp_path / "b.nef")]) == [str(tmp_path / "a.denoise.png"), str(tmp_path / "b.denoise.tif")]


def test_patterns_lists_and_repeats(tmp_path):
    files(tmp_path, "a.png", "b.png", "c d.png")
    given = [str(tmp_path / "[ab].png"), str(tmp_path / "a.png")]
    (tmp_path / "list").write_bytes(os.fsencode(tmp_path / "c d.png") + b"\0")
    assert [i.path.name for i in expand(given, READABLE, "denoise", str(tmp_path / "list"), True)] == ["a.png", "b.png", "c d.png"]
    with pytest.raises(UsageError, match="nothing matches"):
        expand([str(tmp_path / "z*.png")], READABLE, "denoise")
    with pytest.raises(UsageError, match="nothing to read"):
        expand([], READABLE, "denoise")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="holds no picture"):
        expand([str(tmp_path / "empty")], READABLE, "denoise")


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(tmp_path):
    files(tmp_path, "a[1].png")
    assert [i.path.name for i in expand([str(tmp_path / "a[1].png")], READABLE, "denoise")] == ["a[1].png"]


def test_templates(tmp_path):
    one = [Input(tmp_path / "a.png")]
    assert plan(one, "{dir}/{stem}_s{sigma}_{model}_{cmd}{ext}") == [str(tmp_path / "a_s25_bm3d_denoise.png")]
    with pytest.raises(UsageError, match="unknown field"):
        plan(one, "{stme}.png")


def test_streams():
    assert plan([Input(STREAM)]) == ["-"]
    with pytest.raises(UsageError, match="standard output"):
        plan([Input(STREAM), Input(STREAM)], "-")


def test_clashes_are_found(tmp_path):
    files(tmp_path, "x/a.png", "y/a.png", "out/keep")
    both = [Input(tmp_path / "x/a.png"), Input(tmp_path / "y/a.png")]
    with pytest.raises(UsageError, match="would both be written"):
        plan(both, str(tmp_path / "out"))
    with pytest.raises(UsageError, match="also an input"):
        plan(both, "{dir}/{stem}{ext}", overwrite=True)
    (tmp_path / "link.png").symlink_to(tmp_path / "x/a.png")
    with pytest.raises(UsageError, match="also an input"):
        plan(both[:1], str(tmp_path / "link.png"), overwrite=True)


def test_nothing_is_overwritten_unasked(tmp_path):
    files(tmp_path, "a.png", "a.denoise.png")
    one = [Input(tmp_path / "a.png")]
    with pytest.raises(UsageError, match="exists already") as caught:
        plan(one)
    assert "--overwrite" in caught.value.remedy and caught.value.exit_code == 2
    assert plan(one, overwrite=True) == [str(tmp_path / "a.denoise.png")]
    assert settle(one, "denoise", None, {}, WRITABLE, RAW, skip_existing=True)[0].skip


def test_what_is_there_is_replaced_or_kept_and_not_both(tmp_path):
    with pytest.raises(UsageError, match="one of them"):
        settle([Input(tmp_path / "a.png")], "denoise", None, {}, [".png"], [], overwrite=True, skip_existing=True)


def test_one_file_for_many_is_refused(tmp_path):
    with pytest.raises(UsageError, match="cannot all be written"):
        plan([Input(tmp_path / "a.png"), Input(tmp_path / "b.png")], str(tmp_path / "one.png"))
    with pytest.raises(UsageError, match="no suffix that can be written"):
        plan([Input(tmp_path / "a.png")], str(tmp_path / "one.xyz"))


def test_what_is_written_beside_an_output_is_settled_with_it(tmp_path):
    files(tmp_path, "a.png", "b.png", "mask.png")
    two = [Input(tmp_path / "a.png"), Input(tmp_path / "b.png")]
    settle(two, "denoise", None, {}, WRITABLE, RAW, beside=lambda one: [compared(one.target)])
    with pytest.raises(UsageError, match="would both be written"):
        settle(two, "denoise", None, {}, WRITABLE, RAW, beside=lambda one: [tmp_path / "kernel.png"])
    with pytest.raises(UsageError, match="also an input"):
        settle(two, "denoise", None, {}, WRITABLE, RAW, overwrite=True, beside=lambda one: [tmp_path / "b.png"])
    with pytest.raises(UsageError, match="also an input"):
        settle(two[:1], "denoise", str(tmp_path / "mask.png"), {}, WRITABLE, RAW, overwrite=True, read=lambda one: [tmp_path / "mask.png"])
    files(tmp_path, "a.denoise.compare.png")
    with pytest.raises(UsageError, match="exists already"):
        settle(two, "denoise", None, {}, WRITABLE, RAW, beside=lambda one: [compared(one.target)])
    both = [Input(tmp_path / "a.png"), Input(tmp_path / "a.compare.png")]
    with pytest.raises(UsageError, match="would both be written"):
        settle(both, "denoise", str(tmp_path) + "/out/", {}, WRITABLE, RAW, beside=lambda one: [compared(one.target)])


def test_a_folder_of_one_file_goes_to_a_folder(tmp_path):
    files(tmp_path, "in/a.png")
    assert plan(expand([str(tmp_path / "in")], READABLE, "denoise"), str(tmp_path / "clean")) == [str(tmp_path / "clean/a.png")]


def test_names_that_no_file_system_takes_are_failed_jobs(tmp_path):
    assert len(expand(["x" * 300 + ".png"], READABLE, "denoise")) == 1
    (tmp_path / "list").write_bytes(b"a.png\0b.png\0")
    with pytest.raises(UsageError, match="end in NUL") as caught:
        expand([], READABLE, "denoise", str(tmp_path / "list"))
    assert "-0" in caught.value.remedy


def test_empty_names_are_refused(tmp_path):
    with pytest.raises(UsageError, match="empty"):
        expand([""], [".png"], "denoise")
    with pytest.raises(UsageError, match="empty"):
        settle([Input(tmp_path / "a.png")], "denoise", "", {}, [".png"], [])


def test_a_list_may_begin_with_a_byte_order_mark(tmp_path):
    (tmp_path / "a.png").touch()
    (tmp_path / "list.txt").write_text(f"{tmp_path / 'a.png'}\n", "utf-8-sig")
    assert [item.path for item in expand([], [".png"], "denoise", str(tmp_path / "list.txt"))] == [tmp_path / "a.png"]
