"""From a finished run to weights and their card, scored on the test sets by `measure`."""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import torch

from restore import cards
from restore.errors import RestoreError
from restore.measure import sets
from restore.measure.protocol import PROTOCOLS
from restore.measure.score import load, mean, score, score_one
from restore.method import Chain, Method
from restore.tasks import Denoise, LowDose, Task
from restore.train import slices
from restore.train.checkpoint import Fit, Run, words
from restore.train.loop import middle, middle_of
from restore.train.recipes import Recipe
from restore.values import Range

FP16_COST = 0.01  # dB that half precision may cost
GRADES = {"sr": "scale", "jpeg": "quality", "inpaint": "mask", "deblur": "kernel", "cs": "ratio"}


def write(recipe: Recipe, run: Run | Fit, validation: dict[str, float], files: list[Path], folder: Path, note: Callable[[str], None] = lambda text: None) -> cards.Card:
    """Check fp16, score, save `<method>.<tag>.safetensors` and its card. Raises where fp16 costs 0.01 dB or more.

    validation: what is known of the held-out pictures: PSNR in dB, or the likelihood of a mixture. files: what was trained on, held-out pictures included.
    """
    network = run.average.eval().requires_grad_(False)
    whole = Chain(cards.load(recipe.begin), network) if recipe.begin else network
    if isinstance(recipe.task, LowDose):
        slices.check_half(network, files[:2], recipe.task)
    else:
        check_half(whole, recipe.task, files[:: max(len(files) // 8, 1)][:8], run.pool.pixels.device)
    tests = [] if recipe.pairs else [sets.find(name) for name in recipe.tests]
    for row in [row for row in tests if not row.there]:
        note(f"{row.name} is not scored: RESTORE_DATA names no folder that holds it")
    there = [row for row in tests if row.there]
    if isinstance(recipe.task, LowDose):
        results = [line for row in there for line in slices.table(network.cpu(), row.files(), recipe.task, row.name)]
        for row in results:
            note(f"{row['set']}, dose {row['dose']:g}: RMSE {row['rmse_before']:.2f} HU before, {row['rmse']:.2f} HU after, SSIM {row['ssim']:.4f}")
    else:
        results = [line for row in there for line in table(recipe, whole, row.name, run.pool.pixels.device)]
        part = graded(recipe.task)
        for row in results:
            note(f"{row['set']}, {part} {row[part]}: {row['psnr']:.2f} dB, SSIM {row['ssim']:.4f}" + (", x8" if row["x8"] else ""))
    pixels = run.step * recipe.batch * recipe.patch**2
    device = run.pool.pixels.device.type
    card = cards.Card(
        name=recipe.method, tag=recipe.label, task=recipe.task, args=recipe.args, start=recipe.begin, apart=recipe.apart, flops_per_pixel=network.flops_per_pixel,
        parameters=sum(value.numel() for value in network.state_dict().values()), licence="MIT",
        recipe=words(recipe) | {"steps": run.step, "megapixels": round(pixels / 1e6), "hours": round(run.seconds / 3600, 2), "hours_before": hours(recipe.start), "device": device,
                                **{part: round(value, 3) for part, value in validation.items()}},
        data=tuple({"terms": terms, "count": count} for terms, count in sorted(Counter(map(sets.terms, files)).items())), results=tuple(results))
    return cards.save(card, network, folder)


def hours(start: str) -> float:
    """How long the weights that a run began from had been trained, all their runs together; 0 where it began from none, or they are gone."""
    with suppress(RestoreError):
        if start:
            told = cards.find(start)[1].recipe
            return round(told.get("hours", 0.0) + told.get("hours_before", 0.0), 2)
    return 0.0


def graded(task: Task) -> str:
    """The part of a task by whose levels figures are told: its first range, else what the papers' tables go by."""
    ranges = [part for part, value in task.words().items() if isinstance(value, Range)]
    return ranges[0] if ranges else GRADES.get(task.name) or ("sigma" if "sigma" in task.relevant() else "peak")


def table(recipe: Recipe, method: Method, name: str, device: torch.device) -> list[dict[str, object]]:
    """Mean PSNR and SSIM on a set at those of the recipe's levels that its task covers; other ranges are at their middle."""
    task, protocol, rows = recipe.task, PROTOCOLS[recipe.protocol], []
    part, channels = graded(task), channels_of(method.finish if isinstance(method, Chain) else method)
    known = getattr(task, part)
    for level in [level for level in recipe.levels if level in known] if isinstance(known, Range) else [known]:
        for ensemble in (False, True) if recipe.x8 else (False,):
            files = sets.find(name).files()[:: recipe.every]
            found = mean(score(method, middle_of(task.replace(**{part: level})), files, protocol, channels or sets.find(name).channels, ensemble, device))
            rows.append({"set": name, part: level, "psnr": round(found.psnr, 3), "ssim": round(found.ssim, 4), "x8": ensemble, "every": recipe.every,
                         "protocol": protocol.name})
    return rows


def check_half(network: Method, task: Task, files: list[Path], device: torch.device) -> None:
    """Raises where weights rounded to fp16 score 0.01 dB less than in float32 on the middles of some pictures."""
    from copy import deepcopy

    rounded = deepcopy(network)
    for value in rounded.state_dict().values():
        value.copy_(value.half())
    at, protocol = task.replace(sigma=task.sigma.low + 25) if isinstance(task, Denoise) and isinstance(task.sigma, Range) else middle_of(task), PROTOCOLS["rednet"]
    full, half = (mean(score_one(net, at, file.stem, middle(load(file, channels_of(net)), 128), protocol, device=device) for file in files).psnr
                  for net in (network, rounded))
    if not full - half < FP16_COST:
        raise RestoreError(f"fp16 costs {full - half:.3f} dB", f"less than {FP16_COST} dB")


def channels_of(method: Method) -> int:
    """Those of the pictures that it is trained on."""
    return getattr(method, "seen", None) or method.channels or 0
