"""Mixtures fitted by stepwise EM: the learner of methods that have `mixtures`, and `samples(number, x)` that say what each is learned from.

Where these are `nested`, what one mixture is learned from contains what the one before it was, whose posterior is then where it begins.

Cappe & Moulines, Online expectation-maximization algorithm for latent data models, JRSS B 2009; the mixtures of EPLL are learned this way too.
"""

import math
import time
from collections.abc import Callable
from pathlib import Path

import torch

from restore.errors import RestoreError
from restore.method import Method
from restore.numerics import gmm
from restore.train import checkpoint, curves, dictionary, progress
from restore.train.checkpoint import Fit
from restore.train.data import Pool
from restore.train.progress import Clock, Event, Interrupt
from restore.train.recipes import Recipe

WARM = 5  # steps after which, with `minutes`, the number of steps is settled
FORGET = 0.6  # the statistics of step t enter with (t + 2)^-0.6
FLOOR = 1e-6  # added to all variances: about that of rounding to 8 bits
LEAST = 0.05  # components of less than this share of an equal one are given up for halves of heavy ones, in the first half of the steps
SAVE = 60.0  # seconds between two checkpoints


def start(recipe: Recipe, method: Method, pool: Pool) -> Fit:
    """A fit before its first step."""
    return Fit(method, pool, torch.Generator(pool.pixels.device).manual_seed(recipe.seed))


def train(recipe: Recipe, fit: Fit, folder: Path, minutes: float | None = None, part_bytes: int | None = None,
          report: Callable[[Event], None] = lambda event: None) -> None:
    """From `fit.step` to `fit.of`; where that is 0, it is settled after 5 steps as what fits into `minutes`. The result is `fit.average`.

    Every step draws fresh patches. Checkpoints as in `loop.train`; the loss, of patches not yet seen, is what the learner's step says.
    """
    step = STEPS[recipe.learner]
    clock, saved, last = Clock(fit.seconds), time.monotonic(), 0 < fit.of <= fit.step
    with Interrupt() as stop:
        while not last:
            loss = step(recipe, fit)
            clock.steps += 1
            if not fit.of and fit.step == WARM:
                fit.of = max(WARM * fit.parts, int(fit.step + (60 * minutes - clock.seconds) * clock.measure()))
            last, late = fit.step == fit.of or stop.asked, time.monotonic() - saved > SAVE
            progress.write(folder, event := look(recipe, fit, loss, clock))
            report(event)
            if last or late:
                fit.seconds, saved = clock.seconds, time.monotonic()
                checkpoint.save(fit, recipe, folder, part_bytes)
                curves.draw(folder)


def step(recipe: Recipe, fit: Fit) -> float:
    """One E step on fresh patches, and the M step of the running means; the first step of a mixture finds where it begins. Minus the log-likelihood, in nats per number."""
    last = len(fit.average.mixtures) - 1
    each = fit.of // (last + 1) if fit.of else fit.step + 1
    number = min(fit.step // each, last)
    done, mixture = fit.step - number * each, fit.average.mixtures[number]
    x, _ = fit.pool.patches(recipe.batch, recipe.patch, fit.generator)
    samples, allowed = fit.average.samples(number, x)
    if done == 0:
        if number and fit.average.nested:
            fit.sums = gmm.expect(fit.average.mixtures[number - 1], fit.average.samples(number - 1, x)[0], seen=samples)
        else:
            fit.sums = gmm.seeded(samples, mixture.count, fit.generator, allowed)
        gmm.maximise(mixture, fit.sums, samples.shape[1], FLOOR)
    found = gmm.expect(mixture, samples, allowed)
    fit.sums = fit.sums.towards(found, (done + 2) ** -FORGET)
    if done < each / 2 or not fit.of:
        fit.sums = gmm.revived(fit.sums, LEAST / mixture.count)
    gmm.maximise(mixture, fit.sums, samples.shape[1], FLOOR)
    fit.step += 1
    return -float(found.likelihood) / samples.shape[:2].numel()


STEPS = {"em": step, "dictionary": dictionary.step}


def look(recipe: Recipe, fit: Fit, loss: float, clock: Clock) -> Event:
    """The event at hand; marks the clock."""
    if not math.isfinite(loss):
        raise RestoreError(f"the loss is not a number (seen after step {fit.step})", "the last good checkpoint is kept", "type --resume")
    rate = clock.measure()
    clock.mark()
    patches = rate * recipe.batch
    return Event(fit.step, fit.of, loss, 0.0, patches, patches * recipe.patch**2 / 1e6, (fit.of - fit.step) / rate if fit.of else math.nan)


def validate(recipe: Recipe, method: Method, held: Pool) -> float:
    """The log-likelihood of patches of the held-out pictures, in nats per number, mean over the mixtures."""
    generator, found = torch.Generator(held.pixels.device).manual_seed(recipe.seed), []
    for number, mixture in enumerate(method.mixtures):
        samples, allowed = method.samples(number, held.patches(recipe.batch, recipe.patch, generator)[0])
        found.append(float(gmm.expect(mixture, samples, allowed).likelihood) / samples.shape[:2].numel())
    return sum(found) / len(found)
