"""Options that commands share, as Annotated aliases. A default stands in the command's signature; every option is also RESTORE_*."""

from typing import Annotated

import typer

from restore.errors import UsageError

SMALLEST = 1 << 16  # bytes that an option may mean
FILES, ENGINE, REPORT = "Files", "Engine", "Report"


def _option(*names: str, help: str, panel: str | None = None, metavar: str | None = None, parser=None):
    variable = "RESTORE_" + next(name for name in names if name.startswith("--")).split("/")[0].strip("-").replace("-", "_").upper()
    return typer.Option(*names, help=help, rich_help_panel=panel, metavar=metavar, envvar=variable, parser=parser, show_envvar=False)


def own(*names: str, help: str, metavar: str | None = None, parser=None):
    """An option of one command's own."""
    return _option(*names, help=help, metavar=metavar, parser=parser)


def size(text: str | int) -> int:
    """512M, 2G or a plain number of bytes."""
    if isinstance(text, int):
        return text
    scale = {"k": 2**10, "m": 2**20, "g": 2**30}.get(text.strip().lower().removesuffix("b").removesuffix("i")[-1:], 1)
    digits = text.strip().lower().removesuffix("b").removesuffix("i").rstrip("kmg")
    try:
        value = int(float(digits) * scale)
    except (ValueError, OverflowError):
        value = 0
    if value < SMALLEST:
        raise UsageError(f"{text!r} is no size, or one of next to nothing", "as 512M or 2G; a plain number is of bytes")
    return value


def spelt(text: str) -> str:
    """A format as it is called here."""
    return {"jpg": "jpeg", "tif": "tiff"}.get(text.lower(), text.lower())


def share(text: str | float) -> float:
    """A number from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise UsageError(f"the strength {text} is out of range", "0 to 1")
    return value


Inputs = Annotated[list[str] | None, typer.Argument(help="Pictures, folders, patterns; - reads standard input.", metavar="FILES...", show_default=False)]

Output = Annotated[str | None, _option("--output", "-o", help="File, folder, or template of {dir} {stem} {ext} {name} {cmd} and {sigma} {model} as they were typed; - is standard output.",
                                       panel=FILES, metavar="FILE|DIR|TEMPLATE")]
Overwrite = Annotated[bool, _option("--overwrite", help="Replace outputs that exist.", panel=FILES)]
SkipExisting = Annotated[bool, _option("--skip-existing", help="Leave outputs that exist, and go on.", panel=FILES)]
FromFile = Annotated[str | None, _option("--from-file", help="Read names from a file, one per line; - reads them from standard input.", panel=FILES, metavar="LIST")]
Nul = Annotated[bool, _option("--null", "-0", help="Names in the list end in NUL, as find -print0 writes them.", panel=FILES)]
Format = Annotated[str | None, _option("--format", help="Format of the output (png, tiff, jpeg ...) where no file name says it.", panel=FILES, parser=spelt, metavar="FORMAT")]
Depth = Annotated[str | None, _option("--depth", help="Samples of the output: 8, 16, or 32 (float); the input's if not given.", panel=FILES, metavar="8|16|32")]
Quality = Annotated[int | None, _option("--quality", help="JPEG and WebP quality, 1 to 100; a JPEG input's own tables if not given.", panel=FILES)]
Subsampling = Annotated[str | None, _option("--subsampling", help="JPEG chroma: 4:4:4, 4:2:2 or 4:2:0; the input's if not given.", panel=FILES)]

Model = Annotated[str | None, own("--model", "-m", help="NAME, NAME.TAG or a file of weights; the best that covers the task if not given.", metavar="NAME[.TAG]")]
Strength = Annotated[float, _option("--strength", help="0 keeps the picture, 1 takes the result whole.", metavar="0..1", parser=share)]

Device = Annotated[str, _option("--device", help="auto, cpu, cuda, cuda:N or mps.", panel=ENGINE)]
Precision = Annotated[str, _option("--precision", help="auto, float32, bf16 or fp16.", panel=ENGINE)]
Tile = Annotated[int | None, _option("--tile", help="Side of a tile in pixels; chosen from the memory if not given.", panel=ENGINE)]
Memory = Annotated[int | None, _option("--memory", help="Memory that tiles may take, as 512M or 2G.", panel=ENGINE, metavar="SIZE", parser=size)]
Ensemble = Annotated[bool, _option("--ensemble", help="Mean over eight turns of the picture: eight times the time, about 0.05 dB.", panel=ENGINE)]

Denoiser = Annotated[str | None, own("--denoiser", help="The denoiser inside a method that is made of one: pnp, deblock, vst, ivst.", metavar="NAME[.TAG]")]
Check = Annotated[bool, own("--check", help="Print how far D x is from y, beside the noise.")]
Compare = Annotated[bool, own("--compare", help="Also write NAME.compare.png: before, after, and crops where most changed.")]

DryRun = Annotated[bool, _option("--dry-run", "-n", help="Print the plan and stop.", panel=REPORT)]
Json = Annotated[bool, _option("--json", help="One JSON line per file on standard output.", panel=REPORT)]
Quiet = Annotated[bool, _option("--quiet", "-q", help="Errors only.", panel=REPORT)]
