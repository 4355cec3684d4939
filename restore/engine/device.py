"""The only place that says "cuda" or "mps"."""

import torch

from restore.errors import UsageError


def pick(name: str | None = None) -> torch.device:
    """The device of this name (cpu, cuda, cuda:1, mps); `auto` or nothing: the first that is there of CUDA, MPS, CPU."""
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name in (None, "auto"):
        return torch.device(next(kind for kind, there in present.items() if there))
    kind = name.partition(":")[0]
    if kind not in present:
        raise UsageError(f"unknown device {name!r}", "auto, cpu, cuda, cuda:N or mps")
    if not present[kind]:
        raise UsageError(f"there is no {kind} device here", f"present: {', '.join(k for k, there in present.items() if there)}", "leave --device out")
    return torch.device(name)
