"""`restore isp`: y = M x + n, from the mosaic of a sensor to a picture."""

from typing import Annotated

from restore import options


def isp(
    files: options.Inputs = None,
    wb: Annotated[str, options.own("--wb", help="White balance: camera, daylight, auto, or gains as 2.1,1,1.4.", metavar="camera|daylight|auto|R,G,B")] = "camera",
    noise: Annotated[str, options.own("--noise", help="auto (as the file says, else estimated), none, or A,B: variance A x + B of x from black 0 to white 1.", metavar="auto|none|A,B")] = "auto",
    model: Annotated[str | None, options.own("--model", "-m", help="Method of demosaicing; the best that covers the noise if not given.", metavar="NAME[.TAG]")] = None,
    low_level: Annotated[bool, options.own("--low-level", help="Demosaic and denoise at once by a network (the low level of learned development); an error where none is installed.")] = False,
    exposure: Annotated[str, options.own("--exposure", help="Stops, or auto.", metavar="STOPS|auto")] = "auto",
    curve: Annotated[str, options.own("--curve", help="filmic, or plain: the curve of the space alone.")] = "filmic",
    match_embedded: Annotated[bool, options.own("--match-embedded", help="Take the tone from the picture that the camera put into its file.")] = False,
    linear: Annotated[bool, options.own("--linear", help="Linear light in 32-bit float, not clipped, white 1; into a .dng: demosaiced, in the camera's colours.")] = False,
    space: Annotated[str, options.own("--space", help="srgb, p3 or adobergb; the profile is attached.")] = "srgb",
    highlights: Annotated[str, options.own("--highlights", help="rebuild what not all colours clipped, or clip.")] = "rebuild",
    sharpen: Annotated[float, options.own("--sharpen", help="Amount of unsharp masking; 0 leaves it.")] = 0.5,
    repair: Annotated[bool, options.own("--repair/--no-repair", help="Replace hot and dead pixels, level the two greens.")] = True,
    raw_size: Annotated[str | None, options.own("--raw-size", help="The files have no header: samples of this many columns and rows.", metavar="WIDTHxHEIGHT")] = None,
    pattern: Annotated[str, options.own("--pattern", help="Colours of their first 2 x 2 pixels: rggb, bggr, grbg or gbrg.")] = "rggb",
    black: Annotated[float, options.own("--black", help="Their sample that stands for black.")] = 0.0,
    white: Annotated[float | None, options.own("--white", help="Their sample that stands for white; the largest of their bits (8, 10, 12, 14 or 16) if not given.")] = None,
    xyz2cam: Annotated[str | None, options.own("--xyz2cam", help="Colour matrix, nine numbers by rows, instead of the file's.", metavar="M11,M12,...")] = None,
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
    tile: options.Tile = None,
    memory: options.Memory = None,
    dry_run: options.DryRun = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> int:
    """Develop the raw files of cameras.

    restore isp photo.dng writes photo.isp.tif beside it: 16 bits, with profile and EXIF. -o photo.jpg or .png chooses another format, -o photo.dng writes the
    mosaic again, without noise.
    """
    from functools import partial
    from pathlib import PurePath

    from restore import batch
    from restore.engine.run import Settings
    from restore.errors import UsageError
    from restore.io import SUFFIXES
    from restore.io.mosaic import Layout
    from restore.jobs.isp import Developing, Look
    from restore.jobs.stating import Request
    from restore.tasks import Isp
    from restore.values import parse_numbers, parse_size

    dng = format == "dng" or (output or "").lower().endswith(".dng")
    if linear and PurePath(output or "").suffix.lower() not in ("", ".tif", ".tiff", ".exr", ".dng"):
        raise UsageError(f"--linear needs floats, and {output} holds none", "a .tif or .exr, or a .dng", "-o NAME.tif")
    if linear and (format not in (None, "tiff", "exr", "dng") or depth not in (None, "32") and not dng):
        raise UsageError(f"--linear needs floats, and {f'--format {format}' if depth in (None, '32') else f'--depth {depth}'} has none", "tiff or exr, in 32 bits")
    if match_embedded and (exposure != "auto" or curve != "filmic"):
        raise UsageError("--match-embedded takes exposure and curve from the camera's picture", "one of the two")
    if raw_size is None and (pattern != "rggb" or black or white is not None):
        raise UsageError("--pattern, --black and --white are for files without a header", "--raw-size WIDTHxHEIGHT with them")
    if low_level and model:
        raise UsageError(f"--low-level chooses the network, and --model {model} another method", "one of the two")
    layout = None if raw_size is None else Layout(*parse_size(raw_size), pattern, black, white)
    matrix = None if xyz2cam is None else parse_numbers(xyz2cam, 9, "xyz2cam")
    if dng and depth not in (None, "16"):
        raise UsageError(f"--depth {depth}: a DNG has 16 bits", "", "leave --depth out")
    if low_level and dng and not linear:
        raise UsageError("--low-level makes colours of the mosaic, and a DNG keeps it", "", "type --linear too, for a DNG of what was demosaiced")
    if model and dng and not linear:
        raise UsageError(f"--model {model} demosaics, and a DNG keeps the mosaic", "", "type --linear too, for a DNG of what was demosaiced")
    look = Look(wb if wb in ("camera", "daylight", "auto") else parse_numbers(wb, 3, "wb", "camera, daylight, auto"),
                noise if noise in ("auto", "none") else parse_numbers(noise, 2, "noise", "auto, none"),
                None if exposure == "auto" else parse_numbers(exposure, 1, "exposure", "auto")[0], curve, linear, space, highlights, sharpen, repair, match_embedded, dng, low_level, layout,
                matrix and (matrix[0:3], matrix[3:6], matrix[6:9]))
    request = Request(Isp(noise="none" if noise == "none" else "poisson-gaussian"), model, Settings(device, "auto", tile, memory), format="dng" if dng else format, depth=depth, quality=quality, subsampling=subsampling)
    files_ = batch.Files(files, output, overwrite, skip_existing, from_file, null, dry_run, json, quiet)
    readable = (".raw",) if layout else tuple(suffix for suffix, of in SUFFIXES.items() if of in ("raw", "dng"))
    return batch.run("isp", request, files_, partial(Developing, look=look), readable=readable, default=".tif")
