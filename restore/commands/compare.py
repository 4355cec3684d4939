"""`restore compare`: how far one picture is from another."""

from pathlib import Path
from typing import Annotated

import typer

from restore import options


def compare(
    first: Annotated[str, typer.Argument(help="A picture.")],
    second: Annotated[str, typer.Argument(help="The picture it is measured against.")],
    protocol: Annotated[str, options.own("--protocol", help="rednet (float), dncnn (both rounded to 8 bits), or another of the benches' that needs no task.")] = "rednet",
    json: options.Json = False,
) -> int:
    """PSNR and SSIM of two pictures of one size, with the protocol that they were measured under; of CT slices in DICOM, RMSE in HU and SSIM in the window."""
    import numpy as np
    import torch

    from restore.io import scans

    if all(scans.suffix_of(Path(name)) in scans.DICOM for name in (first, second)):
        return _slices(Path(first), Path(second), json)

    from restore import console, io
    from restore.errors import RestoreError, UsageError
    from restore.image import upright
    from restore.measure import protocol as protocols
    from restore.streams import stdin

    chosen = protocols.find(protocol)
    if chosen.shave:
        raise UsageError(f"protocol {protocol} shaves a border of the scale, which two pictures do not tell", "a protocol without a task", "type --protocol sr")
    if first == second == "-":
        raise UsageError("standard input holds one picture", "the name of the other")
    pictures = [io.read(stdin() if name == "-" else name) for name in (first, second)]
    for name, picture in zip((first, second), pictures, strict=True):
        if picture.header.pages > 1:
            console.note(f"{console.shown(name)}: the first of its {picture.header.pages} pages is compared")
    one, two = (torch.from_numpy(upright(picture.pixels, picture.header.orientation).transpose(2, 0, 1).copy())[None].double() for picture in pictures)
    _check(first, one)
    _check(second, two)
    if one.shape != two.shape:
        sizes = " and ".join(f"{x.shape[3]} x {x.shape[2]} x {x.shape[1]}" for x in (one, two))
        raise RestoreError(f"{console.shown(first)} and {console.shown(second)} differ in size: {sizes}", "two pictures of one size and number of channels")
    if any(picture.header.alpha for picture in pictures):
        console.note("transparency is not compared")
    try:
        psnr, ssim = chosen.scores(*(x / two.max().clamp_min(1e-6) if chosen.stretch else x for x in (one, two)))
    except RestoreError as error:
        raise error.of(f"{console.shown(first)} and {console.shown(second)}") from None
    if json:
        console.json_line({"schema": 1, "psnr": _finite(psnr), "ssim": _finite(ssim), "identical": torch.equal(one, two) and np.array_equal(*map(_opacity, pictures)), "protocol": chosen.text(simulated=False)})
    else:
        console.note(chosen.text(simulated=False))
        console.out(f"PSNR {psnr:.4f} dB\nSSIM {ssim:.5f}")
    return 0


def _opacity(picture):
    """(H, W, 1), upright; 1 where a picture has no alpha."""
    import numpy as np

    from restore.image import upright

    return upright(picture.alpha[..., None] if picture.header.alpha else np.ones((*picture.samples.shape[:2], 1), np.float32), picture.header.orientation)


def _check(name: Path, x) -> None:
    from restore.console import shown
    from restore.errors import RestoreError

    if hidden := int((~x.isfinite()).sum()):
        raise RestoreError(f"{shown(name)}: {hidden} samples are NaN or Inf", "numbers, of which a mean can be taken")


def _finite(value: float) -> float | None:
    """What JSON can say of a figure."""
    return value if abs(value) < float("inf") else None


def _slices(first: Path, second: Path, json: bool) -> int:
    import torch

    from restore import console
    from restore.errors import RestoreError
    from restore.io.scans import read_scan
    from restore.jobs.ct import is_slice
    from restore.measure import hounsfield
    from restore.numerics.body import body

    scans = [read_scan(path) for path in (first, second)]
    for path, scan in zip((first, second), scans, strict=True):
        if not is_slice(scan, console.shown(path)):
            raise RestoreError(f"{console.shown(path)} is a sinogram", "two CT slices")
        if len(scan.array) > 1:
            console.note(f"{console.shown(path)}: the first of its {len(scan.array)} slices is compared")
    one, two = (torch.from_numpy(scan.array[0]) for scan in scans)
    _check(first, one)
    _check(second, two)
    if one.shape != two.shape:
        raise RestoreError(f"{console.shown(first)} and {console.shown(second)} differ in size", "two slices of one size")
    rmse, ssim = hounsfield.rmse(one, two, body(two)), hounsfield.ssim(one, two)
    if json:
        console.json_line({"schema": 1, "rmse": _finite(rmse), "ssim": _finite(ssim), "protocol": hounsfield.TEXT})
    else:
        console.note(hounsfield.TEXT)
        console.out(f"RMSE {rmse:.2f} HU\nSSIM {ssim:.5f}")
    return 0
