"""A whole training: data, network, loop, card."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from restore import cards
from restore.engine import device as devices
from restore.errors import RestoreError, UsageError
from restore.measure import sets
from restore.method import Chain, Method
from restore.names import make_folder
from restore.tasks import LowDose
from restore.train import checkpoint, data, em, export, group, loop, progress, slices
from restore.train.recipes import RECIPES, Recipe
from restore.values import Range


class Stopped(RestoreError):
    """Ctrl-C was answered."""

    exit_code = 130


def run_recipe(recipe: Recipe, folder: Path, weights: Path, steps: int | None = None, minutes: float | None = None, resume: bool = False, overwrite: bool = False,
               device: str | None = None, compiled: bool | None = None, part_bytes: int | None = None,
               report: Callable[[progress.Event], None] = lambda event: None, note: Callable[[str], None] = lambda text: None) -> cards.Card | None:
    """Train a recipe in `folder` (checkpoint, log) and write its weights and card into `weights`; nothing in processes that do not lead.

    steps over minutes over the recipe's own number; a resumed run keeps the number it had. compiled: None compiles where it pays.
    Weights of this name in `weights` are replaced by a resumed run, or with `overwrite`.
    Raises Stopped after Ctrl-C; the checkpoint is written.
    """
    if not resume and (folder / checkpoint.NAME).exists():
        raise UsageError(f"{folder} holds a run already", "an empty folder, or a run to go on with", "type --resume, or another --folder")
    team = group.join()
    place = devices.of_process(devices.pick(device), team.local)
    if not team.leads:
        report, note = (lambda event: None), (lambda text: None)
    if resume and not (folder / checkpoint.NAME).exists():
        raise RestoreError(f"there is no checkpoint to resume in {folder}", "the --folder of a run that was begun", "leave --resume out to begin one")
    items = items_of(recipe, note)
    for written in (folder, weights):
        make_folder(written / progress.LOG)
    if not (resume or overwrite) and (weights / f"{recipe.method}.{recipe.label}.toml").exists():
        raise UsageError(f"{weights} holds {recipe.method}.{recipe.label} already", "a folder for the weights in which it does not", "type --weights DIR, or --overwrite")
    network = build(replace(recipe, start="") if resume else recipe)  # a checkpoint holds all weights
    if isinstance(recipe.task, LowDose):
        training, held, files = slices.gather([file for item in items for file in item], recipe.task, recipe.patch, recipe.seed, place, note)
    else:
        training, held, files = data.gather(items, export.channels_of(network), recipe.patch, recipe.seed, place, note)
    run = (em if recipe.learner else loop).start(recipe, network.to(place), training)
    run.of = steps or (0 if minutes else recipe.steps)
    if resume:
        checkpoint.load(run, recipe, folder)
        if run.of and (minutes or steps and steps != run.of):
            raise UsageError(f"the run was begun with {run.of} steps, by which its rate of learning goes", f"--steps {run.of}", "leave --steps and --minutes out")
        run.of = run.of or steps or (0 if minutes else recipe.steps)
    if team.leads:
        progress.trim(folder, run.step)
    if recipe.learner and team.size > 1:
        raise UsageError(f"{recipe.name} is learned by one process", "no torchrun")
    if recipe.learner and 0 < run.of < run.parts:
        raise UsageError(f"{recipe.name} has {run.parts} mixtures to learn in {run.of} steps", "at least one step each")
    if recipe.learner:
        em.train(recipe, run, folder, minutes, part_bytes, report)
    else:
        loop.train(recipe, run, held, folder, minutes, devices.compiles(place) if compiled is None else compiled, team, part_bytes, report)
    group.leave(team)
    if run.step != run.of:
        raise Stopped(f"stopped after step {run.step} of {run.of or '?'}", f"the checkpoint is in {folder}", "type the same again with --resume, without --minutes and --steps, to go on")
    if not team.leads:
        return None
    validation = {"validation": em.validate(recipe, run.average, held)} if recipe.learner == "em" else loop.compared(run.average, recipe.task, held, recipe.scene, recipe.begin)
    if "validation_before" in validation:
        note(f"held-out pictures: {validation['validation']:.2f} dB, {validation['validation_before']:.2f} dB before the network")
    return export.write(recipe, run, validation, files, weights, note)


def items_of(recipe: Recipe, note: Callable[[str], None] = lambda text: None) -> list[tuple[Path, ...]]:
    """The pictures (x,) of the recipe's sets and folders, or its pairs (x, y). Raises where one of the folders is kept for tests."""
    folders = [Path(name) for name in recipe.pairs] or [sets.SETS[name].path if name in sets.SETS else Path(name) for name in recipe.data]
    for folder in folders:
        sets.refuse_test(folder)
    if recipe.pairs:
        return data.pairs(*folders, note)
    if isinstance(recipe.task, LowDose):
        return [(file,) for folder in folders for file in sets.slices(folder)]
    return [(file,) for name, folder in zip(recipe.data, folders, strict=True)
            for file in (sets.SETS[name].files() if name in sets.SETS else sets.pictures(folder))]


def build(recipe: Recipe) -> Method:
    """The method with fresh weights drawn from the recipe's seed, or those of `recipe.start`; the global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        try:
            network = cards.build(recipe.method, recipe.args)
        except TypeError as error:
            raise UsageError(f"{recipe.method} cannot be built with {', '.join(recipe.args)}: {error}", "arguments that its class takes") from error
    if recipe.pairs and not getattr(network, "blind", False) and any(isinstance(value, Range) for value in recipe.task.words().values()):
        raise UsageError(f"{recipe.method} is told how much was lost, and that of the pairs is unknown", "one level for all pairs",
                         "type --sigma 25, or train red30" if hasattr(recipe.task, "sigma") else "train a recipe of one level, as red10-q10")
    if recipe.pairs and any(str(word).startswith("any:") for word in recipe.task.words().values()):
        raise UsageError(f"{recipe.method} is told what was done to every picture, and that of the pairs is unknown", "a network that is not told, as deblurnet or red30-marks")
    if recipe.start:
        makes = [one.name for one in RECIPES.values() if f"{one.method}.{one.label}" == recipe.start and one.args.get("width") == recipe.args.get("width")]
        if makes and recipe.start not in {card.full_name for card in cards.every()}:
            raise UsageError(f"{recipe.name} goes on from {recipe.start}, which is not there", "", f"restore train {makes[0]} makes it")
        name, card = cards.find(recipe.start)
        if card is None:
            raise UsageError(f"{recipe.start} is a method without weights", "NAME.TAG of weights to go on from")
        before = cards.load(name, card)
        before = before.finish if isinstance(before, Chain) else before
        prior = getattr(network, "prior", None)
        try:
            (prior if isinstance(before, type(prior)) else network).load_state_dict(before.state_dict())
        except RuntimeError as error:
            raise UsageError(f"{card.full_name} is of another shape than {recipe.name}: {str(error).splitlines()[-1].strip()}", "weights made with the same arguments") from error
    return network
