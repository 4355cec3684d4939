"""The geometry of a scan in a small file of its own, TOML or JSON."""

import json
import math
import tomllib
from pathlib import Path

from restore.errors import RestoreError, nearest
from restore.image import Geometry
from restore.io.files import shown

_LENGTHS = ("pitch", "source", "detector", "center")


def read_geometry(path: Path, views: int, detectors: int) -> Geometry:
    """For a sinogram of so many views and detector pixels. `angles`: a list in degrees, or `arc`: that many degrees in equal steps, the last one left out;
    `pitch`, `source`, `detector` in mm, `center` in pixels. A fan has both source and detector.
    """
    name = shown(path)
    try:
        text = path.read_text("utf-8")
        words = json.loads(text) if path.suffix.lower() == ".json" else tomllib.loads(text)
        if not isinstance(words, dict):
            raise ValueError("no table")
        unknown = set(words) - {*_LENGTHS, "angles", "arc"}
        if unknown:
            raise RestoreError(f"{name}: says {', '.join(sorted(unknown))}", nearest(sorted(unknown)[0], [*_LENGTHS, "angles", "arc"]))
        lengths = {key: float(words[key]) for key in _LENGTHS if key in words}
        angles = [float(angle) for angle in words["angles"]] if "angles" in words else [float(words.get("arc", 180)) * k / views for k in range(views)]
    except (OSError, ValueError, TypeError) as error:
        raise RestoreError(f"{name}: is no geometry: {getattr(error, 'strerror', None) or error}", "TOML or JSON with angles or arc, pitch, source, detector, center") from error
    if not all(map(math.isfinite, (*angles, *lengths.values()))):
        raise RestoreError(f"{name}: holds NaN or Inf", "finite numbers")
    if len(angles) != views:
        raise RestoreError(f"{name}: has {len(angles)} angles, the sinogram {views} views", "one angle per view")
    if ("source" in lengths) != ("detector" in lengths):
        raise RestoreError(f"{name}: says only one of source and detector", "both for a fan, neither for parallel rays")
    if any(not value > 0 for key, value in lengths.items() if key != "center") or lengths.get("source", 0) > lengths.get("detector", 0):
        raise RestoreError(f"{name}: has a pitch, source or detector out of range", "mm above 0, the detector farther from the source than the axis is")
    return Geometry(tuple(angles), detectors, **lengths)
