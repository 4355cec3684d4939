"""How strongly a JPEG was compressed: read from its quantisation tables, not guessed."""

import torch
from torch import Tensor

from restore.errors import RestoreError
from restore.image import Header
from restore.operators.jpeg import tables


def read(header: Header | None) -> tuple[float, dict[str, Tensor]]:
    """The nearest quality, 1 to 100, on the scale of the Independent JPEG Group, and what the file says itself: `tables` (1, 2 | 3, 8, 8) of its components, the `sampling`
    of chroma, and `rgb` where it was coded so.

    RestoreError where the picture is no JPEG: of one that was converted since, nothing is known.
    """
    found = (header.carry.get("tables") if header is not None and header.format == "jpeg" else None) or []
    if not found:
        raise RestoreError("the picture is no JPEG, so its quality cannot be read", "a JPEG", "say the quality that it was coded with: --quality-of 30, or quality=30 in a call")
    given = torch.tensor(found if len(found) > 1 else found * 2, dtype=torch.float32).reshape(1, -1, 8, 8).clamp_min(1)  # no step is 0; some files say so
    known = tables(torch.arange(1.0, 101.0))
    distance = (known[:, 0].log() - given[:, 0].log()).abs().mean((1, 2))
    said = {part: torch.tensor(header.carry[part]) for part in ("sampling", "rgb") if header.carry.get(part)}
    return float(distance.argmin() + 1), {"tables": given} | said
