"""`restore degrade`: apply D and n to a file. The one place that spoils a user's picture."""

from typing import Annotated

from restore import options


def degrade(
    files: options.Inputs = None,
    task: Annotated[str, options.own("--task", help="The task whose problem is applied.")] = "denoise",
    sigma: Annotated[str, options.own("--sigma", "-s", help="Noise level on the 0-255 scale; one per channel as 12,10,14.")] = "25",
    noise: Annotated[str, options.own("--noise", help="gaussian, poisson or poisson-gaussian.")] = "gaussian",
    peak: Annotated[str, options.own("--peak", help="Poisson: photons at white.")] = "30",
    seed: Annotated[int, options.own("--seed", help="The same seed gives the same noise.")] = 0,
    output: options.Output = None,
    overwrite: options.Overwrite = False,
    skip_existing: options.SkipExisting = False,
    from_file: options.FromFile = None,
    null: options.Nul = False,
    format: options.Format = None,
    depth: options.Depth = None,
    quality: options.Quality = None,
    subsampling: options.Subsampling = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> int:
    """Spoil pictures as a task says: to try methods on, and to train.

    The output keeps the input's depth, so noise is clipped and rounded to it; --depth 32 with a .tif keeps it as drawn.
    """
    from restore import batch
    from restore.jobs import Degrading, Request
    from restore.tasks import from_dict, parse_value

    words = {"gaussian": {"sigma": sigma}, "poisson": {"peak": peak}, "poisson-gaussian": {"sigma": sigma, "peak": peak}}.get(noise, {})
    stated = from_dict({"name": task, "noise": noise} | {part: parse_value(text, part) for part, text in words.items()})
    request = Request(stated, format=format, depth=depth, quality=quality, subsampling=subsampling, seed=seed)
    return batch.run("degrade", request, batch.Files(files, output, overwrite, skip_existing, from_file, null, False, json, quiet), Degrading)
