"""`restore degrade`: apply D and n to a file. The one place that spoils a user's picture."""

from typing import Annotated

from restore import options

EXAMPLES = {"sigma": "--sigma 25", "peak": "--peak 30", "kernel": "--kernel gaussian:1.6", "scale": "--scale 2", "mask": "--missing 0.8", "quality": "--quality 10", "ratio": "--ratio 0.25"}
PARTS = {"denoise": "sigma noise peak", "deblur": "kernel boundary sigma", "sr": "scale down sigma", "inpaint": "missing mask sigma", "jpeg": "", "cs": "ratio sigma",
         "isp": "pattern peak sigma", "mri": "acceleration center-fraction mask coils sigma", "ct": "dose photons"}  # what says how much is spoiled, by task


def degrade(
    files: options.Inputs = None,
    task: Annotated[str, options.own("--task", help="The task whose problem is applied: denoise, deblur, sr, inpaint, jpeg, cs, isp, mri, ct.")] = "denoise",
    sigma: Annotated[str | None, options.own("--sigma", "-s", help="Noise level on the 0-255 scale; one per channel as 12,10,14; 25 for denoise, else 0.")] = None,
    noise: Annotated[str | None, options.own("--noise", help="gaussian, poisson or poisson-gaussian.")] = None,
    peak: Annotated[str | None, options.own("--peak", help="Poisson, isp: photons at white.")] = None,
    pattern: Annotated[str | None, options.own("--pattern", help="isp: colours of the first 2 x 2 pixels: rggb, bggr, grbg or gbrg; rggb if not given.")] = None,
    kernel: Annotated[str | None, options.own("--kernel", "-k", help="deblur: gaussian:1.6, disk:3, motion:15@30, airy:4, shake:31@0, or a file.")] = None,
    boundary: Annotated[str | None, options.own("--boundary", help="deblur: reflect, circular or valid.")] = None,
    scale: Annotated[str | None, options.own("--scale", help="sr: by what the sides are divided.")] = None,
    down: Annotated[str | None, options.own("--down", help="sr: bicubic, area or gaussian:1.6.")] = None,
    missing: Annotated[str | None, options.own("--missing", help="inpaint: share of pixels that go missing, as 0.8.")] = None,
    mask: Annotated[str | None, options.own("--mask", help="inpaint: a picture that is white where pixels go missing, text:16 or scratches:12; mri: random, equispaced or poisson.")] = None,
    ratio: Annotated[str | None, options.own("--ratio", help="cs: measurements per pixel.")] = None,
    acceleration: Annotated[str | None, options.own("--acceleration", help="mri: one sample in so many is taken; 4 if not given.")] = None,
    center_fraction: Annotated[str | None, options.own("--center-fraction", help="mri: share of the central lines, all taken; 0.32 / acceleration if not given.")] = None,
    coils: Annotated[str | None, options.own("--coils", help="mri: coils around the picture; 1 if not given.")] = None,
    dose: Annotated[str | None, options.own("--dose", help="ct: share of the routine exposure of the slice; 0.25 if not given.")] = None,
    photons: Annotated[str | None, options.own("--photons", help="ct: photons per ray, in place of the dose.")] = None,
    seed: Annotated[int, options.own("--seed", help="The same seed gives a file of the same name the same noise.")] = 0,
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
    from restore.errors import UsageError
    from restore.jobs.degrading import Degrading, mask_files
    from restore.jobs.stating import Request
    from restore.names import none
    from restore.tasks import from_dict

    if task not in PARTS:
        raise UsageError(f"degrade knows no task {task!r}", " ".join(PARTS))
    given = {"sigma": sigma, "noise": noise, "peak": peak, "pattern": pattern, "kernel": kernel, "boundary": boundary, "scale": scale, "down": down, "missing": missing,
             "mask": mask, "ratio": ratio, "acceleration": acceleration, "center-fraction": center_fraction, "coils": coils, "dose": dose, "photons": photons}
    for part, value in given.items():
        if value is not None and part not in PARTS[task].split():
            raise UsageError(f"--{part} says nothing of the task {task}", "--" + " --".join(PARTS[task].split()),
                             "type --task " + " or --task ".join(name for name, parts in PARTS.items() if part in parts.split()))
    for part, value in (("format", format), ("depth", depth), ("quality", quality), ("subsampling", subsampling)):
        if value is not None and task in ("isp", "mri", "ct", "cs"):
            raise UsageError(f"--{part} says nothing of what {task} is kept in", "", "leave it out")
    if task == "mri":
        from restore.jobs.mri import Simulation
        from restore.scanning import run
        from restore.tasks import Mri
        from restore.values import parse_number

        numbers = {part: parse_number(text, part, 0) for part, text in (("acceleration", acceleration or "4"), ("center_fraction", center_fraction), ("coils", coils or "1"))}
        job = Simulation(Mri(mask=mask or "random", sigma=parse_number(sigma or "0", "sigma"), **numbers), seed)
        return run("degrade", job, batch.Files(files, output, overwrite, skip_existing, from_file, null, False, json, quiet), (".h5", ".hdf5", ".npy"))
    if task == "ct":
        from restore.jobs.lowdose import Simulation as LowerDose
        from restore.scanning import run
        from restore.tasks import LowDose
        from restore.values import parse_number

        job = LowerDose(LowDose(dose=parse_number(dose or "0.25", "dose", 0), photons=parse_number(photons, "photons", 0)), seed)
        return run("degrade", job, batch.Files(files, output, overwrite, skip_existing, from_file, null, False, json, quiet), default=".nii.gz")
    if task == "isp":
        from restore.jobs.mosaicking import Mosaicking
        from restore.operators.mosaic import PATTERNS
        from restore.tasks import NOISELESS, Isp
        from restore.values import parse_value

        pattern = pattern or "rggb"
        if pattern not in PATTERNS:
            raise UsageError(f"unknown pattern {pattern!r}", " or ".join(PATTERNS), "the colours of the first 2 x 2 pixels in reading order")
        if peak == "auto" or sigma == "auto":
            raise UsageError("what is to be spoiled holds no noise to be found", "--peak PHOTONS, --sigma SIGMA")
        levels = {"peak": NOISELESS if peak is None else parse_value(peak, "peak"), "sigma": parse_value(sigma, "sigma")} if peak or sigma else {}
        request = Request(Isp(pattern, "poisson-gaussian" if levels else "none", **levels), format="dng", seed=seed)
        return batch.run("degrade", request, batch.Files(files, output, overwrite, skip_existing, from_file, null, False, json, quiet), Mosaicking)
    if task == "denoise" and noise != "poisson":
        sigma = "25" if sigma is None else sigma
    if noise in ("poisson", "poisson-gaussian"):
        peak = "30" if peak is None else peak
    elif task == "deblur":
        sigma = "0" if sigma is None else sigma
    if missing and mask:
        raise UsageError("--missing and --mask both say which pixels are missing", "one of them")
    words = {"noise": noise, "sigma": sigma, "peak": peak, "kernel": kernel, "boundary": boundary, "scale": scale, "down": down, "ratio": ratio,
             "mask": f"missing:{missing}" if missing else mask, "quality": str(quality) if task == "jpeg" and quality is not None else None}
    stated = from_dict({"name": task} | {part: word for part, word in words.items() if word is not None})
    if stated.unknown():
        raise UsageError(f"{' and '.join(stated.unknown())} of {task} is not said", "", " ".join(EXAMPLES[part] for part in stated.unknown()))
    request = Request(stated, format=format, depth=depth, quality=quality, subsampling=subsampling, seed=seed)
    files_ = batch.Files(files, output, overwrite, skip_existing, from_file, null, False, json, quiet)
    if task == "cs":
        from restore.io.measured import SUFFIX
        from restore.jobs.cs import Measuring

        return batch.run("degrade", request, files_, Measuring, writable=(SUFFIX,))
    return batch.run("degrade", request, files_, Degrading, beside=(lambda one: mask_files(one.target)) if stated.name == "inpaint" else none)
