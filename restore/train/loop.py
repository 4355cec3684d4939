"""The training loop: one readable page. Emits events, prints nothing; a run that was cut resumes bit for bit."""

import math
import time
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import torch
from torch import Tensor, nn

from restore import cards
from restore.engine import device as devices
from restore.errors import RestoreError
from restore.measure.metrics import psnr
from restore.measure.protocol import PROTOCOLS
from restore.method import Network
from restore.operators.masks import Mask
from restore.operators.problem import Problem, draw, posed
from restore.tasks import Task
from restore.train import checkpoint, curves, progress
from restore.train.checkpoint import Run
from restore.train.data import Pool
from restore.train.group import Group
from restore.train.loss import LOSSES
from restore.train.optimisers import OPTIMISERS
from restore.train.progress import Clock, Event, Interrupt
from restore.train.recipes import Recipe
from restore.train.scenes import SCENES
from restore.values import Range

WARM = 50  # steps over which the learning rate rises; with `minutes`, those after which the number of steps is settled
REPORT = 50  # steps between two events
FIRST = 5  # steps that warm up, and are not timed
SAVE = 60.0  # seconds between two checkpoints
VALIDATIONS = 40  # in a whole run, at most
CHECKING = 0.1  # of the time for training, which validations but the last may take
SIDE = 768  # of what is validated of a large picture, in pixels: it is not tiled


def start(recipe: Recipe, network: Network, pool: Pool) -> Run:
    """A run before its first step. The network lies on the pool's device."""
    network = network.to(memory_format=network.layout).train().requires_grad_(True)
    return Run(network, deepcopy(network), OPTIMISERS[recipe.optimiser](network.parameters(), recipe.rate), pool,
               torch.Generator(pool.pixels.device).manual_seed(recipe.seed))


def train(recipe: Recipe, run: Run, held: Pool, folder: Path, minutes: float | None = None, compiled: bool = False, group: Group = Group(),
          part_bytes: int | None = None, report: Callable[[Event], None] = lambda event: None) -> None:
    """Descend from `run.step` to `run.of`; where that is 0, it is settled after 50 steps, or a third of `minutes`, as what fits into them. The result is `run.average`.

    A checkpoint, in parts of at most `part_bytes`, is written every minute, at the end and after Ctrl-C. Raises RestoreError where the loss
    is not a number: the last good checkpoint is kept.
    """
    if compiled:
        run.network.net = torch.compile(run.network.net)
    call, clock, losses, saved, last = group.share(run.network), Clock(run.seconds), [], time.monotonic(), 0 < run.of <= run.step
    checked, before = 0.0, run.seconds
    with Interrupt() as stop, devices.training(run.pool.pixels.device):
        while not last:
            losses.append(step(recipe, run, call, group))
            clock.steps += 1
            if run.step == FIRST:
                clock.measure()
                clock.mark()  # the first steps warm up
            if not run.of and group.any(run.step == WARM or run.step > FIRST and clock.seconds > 20 * minutes):  # a third of them
                run.of = group.most(max(run.step, int(run.step + (60 * minutes - clock.seconds) * clock.measure())))
            last = run.step == run.of or group.any(stop.asked)
            late = group.any(time.monotonic() - saved > SAVE)
            due = run.of and (run.step % max(run.of // VALIDATIONS, REPORT) == 0 or run.step == run.of)
            if run.step % REPORT == 0 or due or last or late:
                checks, began = due and group.leads and (last or checked < CHECKING * (clock.seconds - before)), time.monotonic()
                event = look(recipe, run, held if checks else None, losses, clock, group)
                checked += checks * (time.monotonic() - began)
                if group.leads:
                    progress.write(folder, event)
                    report(event)
            if (last or late) and group.leads:
                run.seconds = clock.seconds
                checkpoint.save(run, recipe, folder, part_bytes)
                curves.draw(folder)
            if late:
                saved = time.monotonic()


def step(recipe: Recipe, run: Run, call: Callable[[Tensor, Problem], Tensor], group: Group = Group()) -> Tensor:
    """Draw patches and their problem, descend once, average; the loss over this process's rows, still on the device. `call`: the network, shared."""
    device, rows = run.pool.pixels.device, group.rows(recipe.batch)
    for settings in run.optimiser.param_groups:
        settings["lr"] = learning_rate(recipe, run.step, run.of)
    if recipe.optimiser == "gd":  # gradient descent proper: the function that it descends is fixed
        run.pool.position = 0
        run.generator.manual_seed(recipe.seed)
    x, y = run.pool.patches(recipe.batch, recipe.patch, run.generator)
    scene = SCENES[recipe.scene](x, run.generator)
    x, problem = scene.wanted, scene.posed(draw(recipe.task, recipe.batch, run.generator, device, scene.wanted.shape[1:]))
    y, problem = begun(recipe.begin, problem.simulate(scene.x, run.generator), problem) if y is None else (y, of_pairs(problem))
    with devices.mixed(device, recipe.precision):
        estimate = call(y[rows], problem.rows(rows))
    loss = LOSSES[recipe.loss](estimate.float(), x[rows])
    run.optimiser.zero_grad(set_to_none=True)
    loss.backward()
    length = nn.utils.clip_grad_norm_(run.network.parameters(), recipe.clip)
    run.optimiser.step()
    run.step += 1
    follow(run.average, run.network, min(recipe.ema, (1 + run.step) / (10 + run.step)))
    return loss.detach() + 0 * length  # NaN, as the weights now are, where the gradient was infinite


def of_pairs(problem: Problem) -> Problem:
    """What is known of a y that came with its x, on x's grid: not which pixels are missing."""
    return problem.on_x() if problem.scale > 1 or isinstance(problem.operator, Mask) else problem


def begun(name: str, y: Tensor, problem: Problem) -> tuple[Tensor, Problem]:
    """The first reconstruction by the catalog's method of this name, on the whole picture, and what is left to do; y itself without a name."""
    if not name:
        return y, problem
    with torch.no_grad():
        return cards.load(name)(y, problem), problem.on_x()


def learning_rate(recipe: Recipe, done: int, of: int) -> float:
    """A linear rise over the first 50 steps, times a cosine to 0 (flat while the number of steps is not settled)."""
    return recipe.rate * min(1.0, (done + 1) / WARM) * (0.5 + 0.5 * math.cos(math.pi * done / of) if of else 1.0)


@torch.no_grad()
def follow(average: nn.Module, network: nn.Module, keep: float) -> None:
    """average <- keep average + (1 - keep) network."""
    torch._foreach_lerp_(list(average.parameters()), list(network.parameters()), 1 - keep)


def look(recipe: Recipe, run: Run, held: Pool | None, losses: list[Tensor], clock: Clock, group: Group) -> Event:
    """The event at hand, and the validation if pictures are given. Empties `losses`, marks the clock."""
    loss, rate = group.mean(float(torch.stack(losses).mean())), clock.measure()
    if not math.isfinite(loss):
        raise RestoreError(f"the loss is not a number (seen after step {run.step})", "the last good checkpoint is kept, if there was one",
                           "resume from it, or try a lower rate of learning")
    psnr = validate(run.average.eval(), recipe.task, held, recipe.scene, recipe.begin) if held else None
    if psnr is not None and not psnr > -math.inf:  # NaN too; what is exact is infinite
        raise RestoreError(f"what the network makes of held-out pictures is not a number (seen after step {run.step})", "the last good checkpoint is kept, if there was one",
                           "resume from it, or try a lower rate of learning")
    losses.clear()
    clock.mark()
    patches = rate * recipe.batch
    return Event(run.step, run.of, loss, learning_rate(recipe, run.step - 1, run.of), patches, patches * recipe.patch**2 / 1e6,
                 (run.of - run.step) / rate if run.of else math.nan, psnr)


@torch.inference_mode()
def validate(average: Callable[[Tensor, Problem], Tensor], task: Task, held: Pool, scene: str = "", begin: str = "") -> float:
    """PSNR in dB over the middles of the held-out pictures, each range of the task at its middle; y by the seed of the picture's number, or its own."""
    at = middle_of(task)
    protocol, found = PROTOCOLS["rednet"], []
    for number in range(len(held)):
        x, y = (part if part is None else middle(part, SIDE) for part in held.picture(number))
        generator = protocol.generator(str(number), at)
        align = draw(at, 1, torch.Generator(), shape=x.shape[1:]).operator.align
        x, y = (None if part is None else part[..., : part.shape[-2] // align * align, : part.shape[-1] // align * align] for part in (x, y))
        shown = SCENES[scene](x.cpu(), generator)
        problem = shown.posed(posed(at, shown.x.shape[1:], generator))
        x, there = shown.wanted.to(x), problem.to(held.pixels.device)
        given = begun(begin, problem.simulate(shown.x, generator).to(x.device), there) if y is None else (y, of_pairs(there))
        found.append(float(psnr(average(*given), x)))
    return sum(found) / len(found)


def compared(average: Network, task: Task, held: Pool, scene: str = "", begin: str = "") -> dict[str, float]:
    """`validate` of the network and of what it was given, where that is a picture on x's grid; of y enlarged where y is a smaller one, demosaiced where it is a mosaic."""
    found = {"validation": validate(average.eval(), task, held, scene, begin)}
    if average.takes == average.gives == "srgb" and task.name not in ("burst", "cs"):
        before = begin or {"sr": "bicubic", "isp": "malvar"}.get(task.name, "")
        found["validation_before"] = validate(lambda y, problem: y, task, held, scene, before)
    return found


def middle(x: Tensor, side: int) -> Tensor:
    """What lies in the middle of x, at most `side` pixels high and wide; it begins at multiples of 16."""
    top, left = (max(0, length - side) // 32 * 16 for length in x.shape[2:])
    return x[..., top : top + side, left : left + side]


def middle_of(task: Task) -> Task:
    """The task with every range at its middle."""
    return task.replace(**{part: (value.low + value.high) / 2 for part, value in task.words().items() if isinstance(value, Range)})
