"""`restore jpeg`: y = decode(code(x))."""

from typing import Annotated

from restore import options


def jpeg(
    files: options.Inputs = None,
    coded: Annotated[str, options.own("--quality-of", help="Quality that the picture was coded with, 1 to 100; what its tables say if not given.", metavar="QUALITY|auto")] = "auto",
    strength: options.Strength = 1.0,
    model: options.Model = None,
    denoiser: options.Denoiser = None,
    compare: options.Compare = False,
    ensemble: options.Ensemble = False,
    output: options.Output = None,
    overwrite: options.Overwrite = False,
    skip_existing: options.SkipExisting = False,
    from_file: options.FromFile = None,
    null: options.Nul = False,
    format: options.Format = None,
    depth: options.Depth = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    tile: options.Tile = None,
    memory: options.Memory = None,
    dry_run: options.DryRun = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> int:
    """Take blocks and ringing away that JPEG coding left.

    restore jpeg photo.jpg writes photo.jpeg.png beside it; how strongly it was compressed is read from its tables.
    """
    from restore import batch
    from restore.engine.run import Settings
    from restore.errors import UsageError
    from restore.jobs.deblocking import Deblocking
    from restore.jobs.stating import Request
    from restore.tasks import Jpeg
    from restore.values import parse_number

    if format == "jpeg":
        raise UsageError("coded as JPEG again, the result would have its blocks again", "png, tiff or another format without loss")
    if format is None and (output == "-" or "-" in (files or ()) and output is None):
        format = "png"
    task = Jpeg(parse_number(coded, "quality-of"))
    request = Request(task, model, Settings(device, precision, tile, memory, ensemble), strength, format=format, depth=depth,
                      parts={"denoiser": denoiser})
    files_ = batch.Files(files, output, overwrite, skip_existing, from_file, null, dry_run, json, quiet)
    return batch.run("jpeg", request, files_, Deblocking, compare=compare, writable=(".png", ".tif", ".tiff", ".webp", ".bmp", ".exr"))
