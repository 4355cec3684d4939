"""`restore sr`: y = D x + n, D a reduction."""

from typing import Annotated

from restore import options


def sr(
    files: options.Inputs = None,
    scale: Annotated[float, options.own("--scale", help="By how much the sides grow: 2, 3, 4, or any number from 1; between them by the next and bicubic reduction.")] = 2,
    down: Annotated[str, options.own("--down", help="How the picture was reduced: bicubic, area, or a blur as gaussian:1.6.")] = "bicubic",
    sigma: Annotated[str, options.own("--sigma", "-s", help="Noise level on the 0-255 scale, or auto.", metavar="SIGMA|auto")] = "0",
    consistent: Annotated[bool | None, options.own("--consistent/--free", help="Reduced again, the result is the input to one level, or a note says how far off; so it is with pnp where there is no noise.")] = None,
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
    """Enlarge pictures.

    restore sr photo.png --scale 2 doubles both sides.
    """
    from restore import batch
    from restore.engine.run import Settings
    from restore.errors import UsageError
    from restore.jobs.stating import Request
    from restore.tasks import SuperResolution
    from restore.values import parse_value

    if consistent and parse_value(sigma, "sigma") != 0:
        raise UsageError("--consistent makes the result fit the input, and --sigma says that the input is noisy", "one of the two")
    task, factor = SuperResolution(scale, down, parse_value(sigma, "sigma")).whole()
    request = Request(task, model, Settings(device, precision, tile, memory, ensemble, consistent if task.sigma == 0 else False), check=check, format=format, depth=depth, quality=quality, subsampling=subsampling,
                      parts={"denoiser": denoiser}, factor=factor)
    files_ = batch.Files(files, output, overwrite, skip_existing, from_file, null, dry_run, json, quiet)
    return batch.run("sr", request, files_, compare=compare)
