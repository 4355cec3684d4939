"""`restore inpaint`: y = M x + n, M missing pixels."""

from typing import Annotated

from restore import options


def inpaint(
    files: options.Inputs = None,
    mask: Annotated[str | None, options.own("--mask", help="A picture that is white where pixels are missing, alpha, nan, or color:#ff00ff.", metavar="FILE|FORM")] = None,
    grow: Annotated[float, options.own("--grow", help="Widen the holes by so many pixels.")] = 0,
    feather: Annotated[float, options.own("--feather", help="Blend over so many known pixels around the holes, which are then changed.")] = 0,
    invert: Annotated[bool, options.own("--invert", help="White is known and black is missing.")] = False,
    sigma: Annotated[str, options.own("--sigma", "-s", help="Noise level of the known pixels on the 0-255 scale, or auto; it is taken off them too.", metavar="SIGMA|auto")] = "0",
    model: options.Model = None,
    denoiser: options.Denoiser = None,
    check: options.Check = False,
    compare: options.Compare = False,
    ensemble: options.Ensemble = False,
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
    precision: options.Precision = "auto",
    tile: options.Tile = None,
    memory: options.Memory = None,
    dry_run: options.DryRun = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> int:
    """Fill missing pixels: scratches, text, holes. What is known stays bit for bit as it is, unless --sigma says that it is noisy.

    restore inpaint photo.png --mask mask.png fills where the mask is white; {stem} and {dir} in its name stand for the picture's.
    """
    from restore import batch
    from restore.engine.run import Settings
    from restore.errors import UsageError
    from restore.jobs.stating import Request
    from restore.tasks import Inpaint
    from restore.values import parse_value

    if mask is None:
        raise UsageError("it is not said which pixels are missing", "--mask FILE, alpha, nan or color:#ff00ff")
    task = Inpaint(mask, parse_value(sigma, "sigma"), grow, feather, invert)
    request = Request(task, model, Settings(device, precision, tile, memory, ensemble), check=check, format=format, depth=depth, quality=quality, subsampling=subsampling,
                      parts={"denoiser": denoiser})
    files_ = batch.Files(files, output, overwrite, skip_existing, from_file, null, dry_run, json, quiet)
    return batch.run("inpaint", request, files_, compare=compare)
