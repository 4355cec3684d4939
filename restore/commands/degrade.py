"""`restore degrade`: apply D and n to a file. The one place that spoils a user's picture."""

from typing import Annotated

from restore import options


def degrade(
    files: options.Inputs = None,
    task: Annotated[str, options.own("--task", help="The task whose problem is applied.")] = "denoise",
    sigma: Annotated[str | None, options.own("--sigma", "-s", help="Noise level on the 0-255 scale; one per channel as 12,10,14; 25, or 0 for mri, if not given.")] = None,
    noise: Annotated[str, options.own("--noise", help="gaussian, poisson or poisson-gaussian.")] = "gaussian",
    peak: Annotated[str, options.own("--peak", help="Poisson: photons at white.")] = "30",
    acceleration: Annotated[str, options.own("--acceleration", help="mri: one sample in so many is taken.")] = "4",
    center_fraction: Annotated[str | None, options.own("--center-fraction", help="mri: share of the central lines, all taken; 0.32 / acceleration if not given.")] = None,
    mask: Annotated[str | None, options.own("--mask", help="mri: random, equispaced or poisson.")] = None,
    coils: Annotated[str, options.own("--coils", help="mri: coils around the picture.")] = "1",
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

    if task == "mri":
        from restore.mri import Simulation
        from restore.scanning import run
        from restore.tasks import Mri, parse_value

        numbers = {part: parse_value(text, part) for part, text in (("acceleration", acceleration), ("center_fraction", center_fraction), ("coils", coils))}
        job = Simulation(Mri(mask=mask or "random", sigma=parse_value(sigma or "0", "sigma"), **numbers), seed)
        return run("degrade", job, batch.Files(files, output, overwrite, skip_existing, from_file, null, False, json, quiet), (".h5", ".hdf5", ".npy"))
    from restore.jobs import Degrading, Request
    from restore.tasks import from_dict, parse_value

    sigma = sigma or "25"
    words = {"gaussian": {"sigma": sigma}, "poisson": {"peak": peak}, "poisson-gaussian": {"sigma": sigma, "peak": peak}}.get(noise, {})
    stated = from_dict({"name": task, "noise": noise} | {part: parse_value(text, part) for part, text in words.items()})
    request = Request(stated, format=format, depth=depth, quality=quality, subsampling=subsampling, seed=seed)
    return batch.run("degrade", request, batch.Files(files, output, overwrite, skip_existing, from_file, null, False, json, quiet), Degrading)
