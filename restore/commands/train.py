"""`restore train`: fit a recipe to pictures; the result is weights with their card."""

import os
from pathlib import Path
from typing import Annotated

import typer

from restore import options

LEAST_HALVED = 16  # pixels of a patch of which half is left

Name = Annotated[str | None, typer.Argument(help="The recipe; --list shows all.", metavar="RECIPE")]
# RESTORE_DATA and RESTORE_WEIGHTS mean the folders that are read from, so these two have no variable of their own
Data = Annotated[list[str] | None, typer.Option("--data", help="Folders of pictures, or names of sets; the recipe's if not given.", metavar="DIR")]
Weights = Annotated[Path, typer.Option("--weights", help="Folder that the weights and their card are written to.", metavar="DIR")]
Steps = Annotated[int | None, options.own("--steps", help="How many steps; the recipe's if not given.")]
Minutes = Annotated[float | None, options.own("--minutes", help="How long: the rate of the first 50 steps settles how many steps that is.")]

PAIRED = ("denoise", "deblur", "inpaint", "jpeg", "sr")  # tasks whose y lies on x's grid


def train(
    recipe: Name = None,
    sigma: Annotated[str | None, options.own("--sigma", "-s", help="Train for this noise level (50) or range (5-75) instead of the recipe's.")] = None,
    data: Data = None,
    pairs: Annotated[tuple[Path, Path] | None, options.own("--pairs", help="Train on your own samples: degraded and clean pictures of the same names.",
                                                            metavar="DEGRADED_DIR CLEAN_DIR")] = None,
    start: Annotated[str, options.own("--from", help="Go on from these weights: NAME.TAG or a file.")] = "",
    patch: Annotated[int | None, options.own("--patch", help="Side of a patch, in pixels.")] = None,
    batch: Annotated[int | None, options.own("--batch", help="Patches in a step.")] = None,
    loss: Annotated[str | None, options.own("--loss", help="mse, l1, charbonnier, ms-ssim, lab or psnr.")] = None,
    optimiser: Annotated[str | None, options.own("--optimiser", help="gd, sgd, momentum, adam, adamw or muon.")] = None,
    rate: Annotated[float | None, options.own("--rate", help="Rate of learning at its highest.")] = None,
    activation: Annotated[str | None, options.own("--activation", help="relu, leaky_relu, elu, tanh, sigmoid or maxout.")] = None,
    precision: Annotated[str | None, options.own("--precision", help="Of convolutions: auto (bf16 where the device is fast at it), float32 or bf16.")] = None,
    seed: Annotated[int | None, options.own("--seed", help="Of first weights, patches and noise; another with --from goes on with other patches.")] = None,
    steps: Steps = None,
    minutes: Minutes = None,
    resume: Annotated[bool, options.own("--resume", help="Go on where the checkpoint in --folder left off.")] = False,
    folder: Annotated[Path | None, options.own("--folder", help="Folder of checkpoint and log; runs/RECIPE.TAG if not given.", metavar="DIR")] = None,
    weights: Weights = Path("weights"),
    split: Annotated[int | None, options.own("--split", help="Write checkpoints in files of at most this size, as 512M or 2G.", metavar="SIZE",
                                              parser=options.size)] = None,
    overwrite: Annotated[bool, options.own("--overwrite", help="Replace weights of this name in --weights.")] = False,
    device: options.Device = "auto",
    list: Annotated[bool, options.own("--list", help="Show the recipes and stop.")] = False,
    quiet: options.Quiet = False,
) -> int:
    """Fit a recipe's network to pictures. Ctrl-C saves; --resume goes on, bit for bit the run it would have been."""
    from dataclasses import replace

    from restore import console
    from restore.errors import UsageError
    from restore.train import recipes
    from restore.train.run import run_recipe
    from restore.values import parse_value

    if list:
        console.table(["recipe", "method", "task", "about"], [[r.name, f"{r.method}.{r.label}", r.task, r.line] for r in recipes.RECIPES.values()])
        return 0
    if recipe is None:
        raise UsageError("no recipe is named", "restore train RECIPE", "restore train --list shows all")
    chosen = recipes.find(recipe)
    for part, value in (("steps", steps), ("minutes", minutes), ("patch", patch), ("batch", batch), ("rate", rate)):
        if value is not None and not 0 < value < float("inf"):
            raise UsageError(f"--{part} {value:g} is out of range", "a number above 0")
    if seed is not None and not 0 <= seed < 2**31:
        raise UsageError(f"--seed {seed} is out of range", "0 to 2147483647")
    if steps and minutes:
        raise UsageError("--steps and --minutes both say how long", "one of the two")
    if pairs and data:
        raise UsageError("--data and --pairs both say what is trained on", "one of the two")
    if chosen.learner and patch is not None:
        raise UsageError(f"the patches of {recipe} have the sizes that its method works with", "", "leave --patch out")
    for part, value in (("pairs", pairs), ("sigma", sigma), ("from", start), ("loss", loss), ("optimiser", optimiser), ("rate", rate), ("precision", precision)):
        if chosen.learner and value:
            raise UsageError(f"{recipe} is learned from clean pictures alone, to which --{part} says nothing", "", f"leave --{part} out")
    if chosen.scene == "half" and patch is not None and patch < LEAST_HALVED:
        raise UsageError(f"{recipe} halves its patches, and {patch:g} pixels are too few for it", f"{LEAST_HALVED} or more")
    if pairs and (chosen.task.name not in PAIRED or chosen.task.name == "sr" and not chosen.begin):
        raise UsageError(f"{recipe} takes a y that is no picture on x's grid, and cannot be trained on pairs", "a recipe of " + ", ".join(PAIRED))
    if sigma is not None:
        if not hasattr(chosen.task, "sigma"):
            raise UsageError(f"the task {chosen.task.name} of {recipe} has no noise level", "", "leave --sigma out")
        level = parse_value(sigma, "sigma")
        if level is None or isinstance(level, tuple):
            raise UsageError(f"--sigma {sigma} is no level to train for", "a number as 50, or a range as 5-75")
        said = f"{level:g}" if isinstance(level, float) else str(level)
        chosen = replace(chosen, task=chosen.task.replace(sigma=level), tag=f"{chosen.tag}-{said}" if chosen.tag else f"s{said}")
    if pairs:  # y is what it is, and what commands may take the weights for is for the user to say
        chosen = replace(chosen, scene="", data=(), tag=f"{chosen.tag}-pairs" if chosen.tag else "pairs", apart=True)
    if activation is not None:
        chosen = replace(chosen, args={**chosen.args, "activation": activation})
    own = {"data": tuple(data or ()), "pairs": tuple(map(str, pairs or ())), "start": start, "patch": patch, "batch": batch, "loss": loss,
           "optimiser": optimiser, "rate": rate, "precision": precision, "seed": seed}
    chosen = replace(chosen, **{part: value for part, value in own.items() if value not in (None, "", ())})
    with console.training(quiet or os.environ.get("RANK", "0") != "0") as view:
        place = folder or Path("runs") / f"{chosen.name}.{chosen.label}"
        card = run_recipe(chosen, place, weights, steps, minutes, resume, overwrite, device, part_bytes=split, report=view.event, note=view.note)
    if card is not None:
        console.out(str(card.path))
        if not quiet:
            console.note(f"--model {console.shown(card.weights)} takes these weights; RESTORE_WEIGHTS={console.shown(weights)} puts the folder before those that came with the program")
    return 0
