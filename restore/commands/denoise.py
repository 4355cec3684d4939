"""`restore denoise`: y = x + n."""

from typing import Annotated

from restore import options


def denoise(
    files: options.Inputs = None,
    sigma: Annotated[str, options.own("--sigma", "-s", help="Noise level on the 0-255 scale, whatever the file's depth; one per channel as 12,10,14; or auto.", metavar="SIGMA|auto")] = "auto",
    noise: Annotated[str, options.own("--noise", help="gaussian, poisson or poisson-gaussian.")] = "gaussian",
    peak: Annotated[str, options.own("--peak", help="Poisson: photons at white, or auto.", metavar="PHOTONS|auto")] = "auto",
    model: options.Model = None,
    denoiser: options.Denoiser = None,
    strength: options.Strength = 1.0,
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
    """Remove noise from pictures.

    restore denoise photo.png --sigma 25 writes photo.denoise.png beside it, in the same format, depth and colour, with all metadata.
    """
    from restore import batch
    from restore.engine.run import Settings
    from restore.jobs.stating import Request
    from restore.tasks import Denoise
    from restore.values import parse_value

    task = Denoise(noise, parse_value(sigma, "sigma"), parse_value(peak, "peak"))
    request = Request(task, model, Settings(device, precision, tile, memory, ensemble), strength, format=format, depth=depth, quality=quality,
                      subsampling=subsampling, parts={"denoiser": denoiser})
    files_ = batch.Files(files, output, overwrite, skip_existing, from_file, null, dry_run, json, quiet)
    return batch.run("denoise", request, files_, compare=compare)
