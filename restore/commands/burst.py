"""`restore burst`: y_f = k_f * x + n, a different shake for every frame."""

from pathlib import Path
from typing import Annotated

from restore import options


def burst(
    files: options.Inputs = None,
    model: Annotated[str | None, options.own("--model", "--method", "-m", help="fba for shaken frames, hdrplus or mean for steady ones, sharpest for one alone, or NAME.TAG of weights.", metavar="NAME[.TAG]")] = None,
    align: Annotated[str, options.own("--align", help="homography, flow (tiles that move by themselves), translation, or none.")] = "homography",
    reference: Annotated[int | None, options.own("--reference", help="The frame that decides where things are, counted from 1; the sharpest if not given.", metavar="N")] = None,
    sigma: Annotated[str, options.own("--sigma", "-s", help="Noise level on the 0-255 scale, or auto.", metavar="SIGMA|auto")] = "auto",
    power: Annotated[float | None, options.own("--power", help="fba: 0 takes the mean of every frequency, 11 (the paper's) nearly the strongest.", metavar="P")] = None,
    save_map: Annotated[Path | None, options.own("--save-map", help="Also write which frame gave what: a TIFF with a page of shares for each frame.", metavar="FILE.tif")] = None,
    output: options.Output = None,
    overwrite: options.Overwrite = False,
    skip_existing: options.SkipExisting = False,
    from_file: options.FromFile = None,
    null: options.Nul = False,
    format: options.Format = None,
    depth: options.Depth = None,
    quality: options.Quality = None,
    subsampling: options.Subsampling = None,
    device: options.Device = "auto",
    tile: options.Tile = None,
    memory: options.Memory = None,
    dry_run: options.DryRun = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> int:
    """Merge several shaken pictures of one scene into a sharp one.

    restore burst frame*.jpg -o sharp.tif aligns the frames with the sharpest, whose metadata is kept, and writes 16 bits.
    restore burst *.dng -o merged.dng averages camera files on their mosaics, in linear light; restore isp develops the result.
    """
    from functools import partial

    from restore import batch
    from restore.engine.run import Settings
    from restore.errors import UsageError
    from restore.jobs.burst import Asked, Merging, MergingMosaics
    from restore.jobs.stating import Request
    from restore.names import none, suffixed
    from restore.tasks import Burst
    from restore.values import parse_value

    noise = parse_value(sigma, "sigma")
    if noise is not None and not isinstance(noise, float):
        raise UsageError(f"sigma {sigma!r} is not one number", "a number on the 0-255 scale, or auto")
    asked = Asked(align, None if reference is None else reference - 1, () if power is None else (("power", power),), save_map)
    dng = format == "dng" or (output or "").lower().endswith(".dng")
    if dng and depth not in (None, "16"):
        raise UsageError(f"--depth {depth}: a DNG has 16 bits", "", "leave --depth out")
    request = Request(Burst(sigma=noise), model, Settings(device, "auto", tile, memory), format="dng" if dng else format, depth=depth, quality=quality, subsampling=subsampling)
    files_ = batch.Files(files, output, overwrite, skip_existing, from_file, null, dry_run, json, quiet)
    return batch.run("burst", request, files_, partial(MergingMosaics if dng else Merging, asked=asked), beside=(lambda one: [suffixed(save_map, (".tif", ".tiff"))]) if save_map else none, gathered=True)
