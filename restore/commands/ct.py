"""`restore ct`: y = D x + n, D the line integrals of a scanner; and low-dose slices."""

from typing import Annotated

from restore import options


def ct(
    files: options.Inputs = None,
    geometry: Annotated[str, options.own("--geometry", help="auto: the file's, else parallel over half a turn; or a TOML or JSON file with angles or arc, pitch, source, detector, center.", metavar="FILE|auto")] = "auto",
    center: Annotated[str | None, options.own("--center", help="Detector pixel of the axis of rotation; auto finds it, even where the file says one.", metavar="PIXEL|auto")] = None,
    filter: Annotated[str, options.own("--filter", help="fbp: ramp, shepp-logan, cosine or hann.")] = "ramp",
    model: Annotated[str | None, options.own("--model", "-m", help="Sinograms: fbp, sirt, cgls, tv, pnp. Slices: any denoiser. The best that serves if not given.", metavar="NAME[.TAG]")] = None,
    size: Annotated[int | None, options.own("--size", help="Side of the picture in pixels; as many as the detector has if not given.")] = None,
    pixel: Annotated[float | None, options.own("--pixel", help="Side of a pixel in mm; what the detector sees if not given.")] = None,
    water: Annotated[float | None, options.own("--water", help="Attenuation of water in 1/mm, as 0.0192: the result is in HU.")] = None,
    hu: Annotated[str, options.own("--hu", help="Slices: noise inside the body in HU, or auto.", metavar="HU|auto")] = "auto",
    strength: options.Strength = 1.0,
    output: options.Output = None,
    overwrite: options.Overwrite = False,
    skip_existing: options.SkipExisting = False,
    from_file: options.FromFile = None,
    null: options.Nul = False,
    device: options.Device = "auto",
    dry_run: options.DryRun = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> int:
    """Reconstruct sinograms, and clean low-dose slices.

    restore ct scan.h5 -o recon.dcm takes .npy, HDF5 (with dark and bright fields) and the .mat of the Helsinki challenge; restore ct slice.dcm -o clean.dcm
    takes DICOM files and folders, and CT volumes in NIfTI. restore ct info FILE tells what a file holds.
    """
    from restore import scanning
    from restore.batch import Files
    from restore.engine.run import Settings
    from restore.errors import UsageError
    from restore.jobs.ct import Reconstruction, facts
    from restore.values import parse_number

    if files and files[0] == "info":
        return scanning.info(files[1:], "sinogram", facts, json)
    level = parse_number(hu, "hu", 0)
    where = center if center in (None, "auto") else parse_number(center, "center")
    for name, value in (("size", size), ("pixel", pixel), ("water", water)):
        if value is not None and not 0 < value < 1e6:
            raise UsageError(f"{name} {value:g} is out of range", "a number above 0")
    job = Reconstruction(model, Settings(device), None if geometry == "auto" else geometry, where, filter, size, pixel, water, level, strength)
    job.check()
    return scanning.run("ct", job, Files(files, output, overwrite, skip_existing, from_file, null, dry_run, json, quiet), default=".tif")
