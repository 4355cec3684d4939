"""The curves of a run beside its checkpoint: loss and validation PSNR over steps, from the log."""

import math
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageDraw

from restore.io.files import put
from restore.train import progress

SIZE, MARGIN = (480, 300), (64, 24, 12, 32)  # of one panel; left, top, right, bottom
INK, GRID, LINE = (40, 40, 40), (225, 225, 225), (20, 90, 170)


def draw(folder: Path) -> Path:
    """Read the log and write curves.png, two panels side by side; the loss on a logarithmic scale where it is positive."""
    rows = progress.rows(folder)
    last = max([row["step"] for row in rows] + [row["of"] for row in rows] + [1])
    picture = Image.new("RGB", (2 * SIZE[0], SIZE[1]), "white")
    pen = ImageDraw.Draw(picture)
    _panel(pen, 0, "loss", [(row["step"], row["loss"]) for row in rows], last, logarithmic=all(row["loss"] > 0 for row in rows))
    _panel(pen, SIZE[0], "validation PSNR, dB", [(row["step"], row["psnr"]) for row in rows if math.isfinite(row.get("psnr", math.inf))], last)
    packed, path = BytesIO(), folder / "curves.png"
    picture.save(packed, "png")
    put(path, packed.getvalue())
    return path


def _panel(pen: ImageDraw.ImageDraw, left: int, title: str, points: list[tuple[int, float]], last: int, logarithmic: bool = False) -> None:
    box = (left + MARGIN[0], MARGIN[1], left + SIZE[0] - MARGIN[2], SIZE[1] - MARGIN[3])
    pen.text((box[0], 6), title, INK)
    heights = [_scaled(value, logarithmic) for _, value in points] or [0.0, 1.0]
    low, high = min(heights), max(heights)
    high = high if high > low else low + 1

    def place(step: float, height: float) -> tuple[float, float]:
        return box[0] + (box[2] - box[0]) * step / last, box[3] - (box[3] - box[1]) * (height - low) / (high - low)

    for part in range(5):
        height, step = low + (high - low) * part / 4, last * part / 4
        (x, _), (_, y) = place(step, low), place(0, height)
        pen.line((box[0], y, box[2], y), GRID)
        pen.text((left + 6, y - 6), f"{10**height if logarithmic else height:.4g}", INK)
        pen.text((x - 12, box[3] + 8), f"{step:.0f}", INK)
    pen.rectangle(box, outline=INK)
    pen.line([place(step, _scaled(value, logarithmic)) for step, value in points], LINE, 2)


def _scaled(value: float, logarithmic: bool) -> float:
    return math.log10(value) if logarithmic else value
