"""`restore models`: what methods and weights there are, what is known of one, whether its bytes are whole."""

from typing import Annotated

import typer

from restore import options

Name = Annotated[str, typer.Argument(help="NAME or NAME.TAG.")]


def list(json: options.Json = False) -> int:
    """Every method and every file of weights, with what it serves."""
    from restore import cards, console
    from restore.catalog import CATALOG

    rows = []
    for name, row in CATALOG.items():
        for card in [card for card in cards.every() if card.name == name] if row.trained else [None]:
            rows.append({
                "model": card.full_name if card else name, "task": str(card.task) if card else f"{', '.join(row.tasks)} ({', '.join(row.noises)})",
                "parameters": card.parameters if card else 0, "licence": card.licence if card else "MIT",
                "bytes": card.weights.stat().st_size if card and card.weights.is_file() else 0, "results": [dict(r) for r in card.results] if card else [], "about": row.line + ("; an experiment, taken only by its full name" if card and card.apart else ""),
            })
    chosen = _defaults()
    for row in rows:
        row["default"] = row["model"] in chosen
    if json:
        for row in rows:
            console.json_line({"schema": 1} | row)
    else:
        console.table(["model", "task", "parameters", "MB", "default", "results", "about"],
                      [[r["model"], r["task"], r["parameters"] or "", f"{r['bytes'] / 1e6:.1f}" if r["bytes"] else "", "yes" if r["default"] else "",
                        _results(r["results"]), r["about"]] for r in rows])
    return 0


def _met() -> list:
    """Tasks that users meet."""
    from restore.tasks import Burst, CompressedSensing, Deblur, Denoise, Inpaint, Isp, Jpeg, LowDose, Mri, SuperResolution, Tomography

    return [Denoise(sigma=25.0), Denoise("poisson", peak=30.0), Denoise("poisson-gaussian", sigma=5.0, peak=30.0), *(SuperResolution(scale) for scale in (2.0, 3.0, 4.0)),
            Jpeg(30.0), *(CompressedSensing(ratio) for ratio in (0.1, 0.25, 0.4, 0.5)), Inpaint("mask.png"), Deblur("disk:3", 1.0), Isp("rggb", "poisson-gaussian", 1000.0, 2.0), Burst(8.0, sigma=2.0), Tomography(1e5),
            LowDose(50.0), Mri(4.0, sigma=1.0), Mri(4.0, sigma=1.0, coils=8.0)]


def _defaults() -> set[str]:
    """What is chosen for them, on a small picture and on a large one, in colour and in grey."""
    from restore import cards

    chosen = [cards.choose(task, None, frugal, channels) for task in _met() for frugal in (False, True) for channels in (1, 3)]
    return {card.full_name if card else name for name, card in chosen}


def _results(results) -> str:
    """Set, level and PSNR; the level is the part of the task that a row names."""
    parts = {part for task in _met() for part in task.words()} - {"name"}
    return "; ".join(f"{row['set']}{' x8' if row.get('x8') else ''} {part} {row[part]}: {row['psnr']:.2f}" + (f" ({row['pictures']} pictures)" if row.get("pictures", 10) < 10 else "")
                     for row in results if "psnr" in row for part in row if part in parts)


def show(name: Name) -> int:
    """Card, receptive field, halo, arithmetic per pixel."""
    import torch

    from restore import api, cards, console
    from restore.catalog import CATALOG
    from restore.method import Exact
    from restore.operators.problem import problem_of

    base, card = cards.find(name)
    method, row = api.load(name), CATALOG[base]
    served = card.task.name if card else row.tasks[0]
    task = next((task for task in _met() if task.name == served and getattr(task, "noise", "gaussian") in row.noises), _met()[0])
    lines = [f"{name}: {row.line}", f"paper: {row.paper}", f"serves: {', '.join(row.tasks)}; noise {', '.join(row.noises)}",
             f"parameters: {card.parameters if card else sum(value.numel() for value in method.state_dict().values())}"]
    if served != "ct":  # whose problem is a scanner's
        problem = problem_of(task, {"mask": torch.ones(1, 1, 66, 66)} if task.name == "inpaint" else {}, (3, 66, 66))
        kind = method.tiling(problem)
        lines += [f"tiling: {kind}", f"bytes per pixel at work: {method.bytes_per_pixel(problem):.0f}"]
        lines += [f"receptive field: {2 * kind.halo + 1} pixels"] if isinstance(kind, Exact) else []
    if hasattr(method, "flops_per_pixel"):
        lines.append(f"FLOPs per pixel: {method.flops_per_pixel:.0f}")
    console.out("\n".join(lines))
    if card:
        console.out(card.path.read_text("utf-8"))
    return 0


def verify() -> int:
    """Whether every file of weights is the one its card was written for (sha256)."""
    from restore import cards, console

    damaged, rows = 0, []
    for card in cards.every():
        whole = card.weights.is_file() and cards.verify(card)
        damaged += not whole
        rows.append((card.full_name, "whole" if whole else "DAMAGED OR MISSING: install the program again"))
    console.table(("weights", "bytes"), rows)
    return 1 if damaged else 0
