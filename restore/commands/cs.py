"""`restore cs`: y = F x + n, F a random matrix."""

from typing import Annotated

from restore import options


def cs(
    files: options.Inputs = None,
    sigma: Annotated[str, options.own("--sigma", "-s", help="Noise level of the measurements on the 0-255 scale; what their file says if not given.")] = "auto",
    model: options.Model = None,
    denoiser: options.Denoiser = None,
    check: options.Check = False,
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
    dry_run: options.DryRun = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> int:
    """Recover pictures from few random measurements.

    restore degrade photo.png --task cs --ratio 0.25 -o y.npz measures a picture; restore cs y.npz -o x.png recovers it.
    """
    from restore import batch
    from restore.engine.run import Settings
    from restore.io.measured import SUFFIX
    from restore.jobs.cs import Recovering
    from restore.jobs.stating import Request
    from restore.tasks import CompressedSensing
    from restore.values import parse_value

    task = CompressedSensing(None, 0.0, parse_value(sigma, "sigma"))
    request = Request(task, model, Settings(device, precision), check=check, format=format, depth=depth, quality=quality, subsampling=subsampling,
                      parts={"denoiser": denoiser})
    files_ = batch.Files(files, output, overwrite, skip_existing, from_file, null, dry_run, json, quiet)
    return batch.run("cs", request, files_, Recovering, readable=(SUFFIX,))
