"""`restore deblur`: y = k * x + n."""

from typing import Annotated

from restore import options


def deblur(
    files: options.Inputs = None,
    kernel: Annotated[str | None, options.own("--kernel", "-k", help="gaussian:SIGMA, disk:RADIUS, motion:LENGTH@DEGREES, airy:RADIUS in pixels, or a file of the kernel; estimated if not given.",
                                              metavar="FORM|FILE")] = None,
    kernel_size: Annotated[int | None, options.own("--kernel-size", help="Without --kernel: the pixels across that it is looked for in.", metavar="PIXELS")] = None,
    save_kernel: Annotated[str | None, options.own("--save-kernel", help="Also write the kernel, as a picture that --kernel reads; {stem} and {dir} are those of the picture.",
                                                   metavar="FILE")] = None,
    sigma: Annotated[str, options.own("--sigma", "-s", help="Noise level on the 0-255 scale; one per channel as 12,10,14; or auto.", metavar="SIGMA|auto")] = "auto",
    boundary: Annotated[str, options.own("--boundary", help="What lies beyond the edges: reflect (unknown), or circular (joined, as simulations have it).")] = "reflect",
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
    """Sharpen pictures that were blurred by camera shake, defocus or a lens.

    restore deblur photo.png --kernel motion:15@30 undoes a straight shake of 15 pixels; without --kernel the blur is estimated, one for the whole picture.
    """
    from functools import partial

    from restore import batch
    from restore.engine.run import Settings
    from restore.errors import UsageError
    from restore.jobs.deblur import Keeping, kernel_file
    from restore.jobs.stating import Request
    from restore.jobs.walk import Walk
    from restore.names import none
    from restore.tasks import Deblur
    from restore.values import parse_value

    if kernel is not None and kernel_size is not None:
        raise UsageError("--kernel-size says where an unknown kernel is looked for, and --kernel says the kernel", "one of them")
    if boundary not in ("reflect", "circular"):
        raise UsageError(f"unknown boundary {boundary!r}", "reflect or circular: what lies beyond the edges of a picture as large as what it shows")
    task = Deblur(kernel, parse_value(sigma, "sigma"), boundary, parse_value(kernel_size))
    request = Request(task, model, Settings(device, precision, tile, memory, ensemble), check=check, format=format, depth=depth, quality=quality, subsampling=subsampling,
                      parts={"denoiser": denoiser})
    files_ = batch.Files(files, output, overwrite, skip_existing, from_file, null, dry_run, json, quiet)
    return batch.run("deblur", request, files_, partial(Keeping, target=save_kernel) if save_kernel else Walk, compare,
                     (lambda one: [kernel_file(save_kernel, one.source)]) if save_kernel else none)
