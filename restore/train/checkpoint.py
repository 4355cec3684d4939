"""A run and its checkpoint: safetensors and JSON, written under temporary names and renamed. Never pickle."""

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as pack
from torch import Tensor

from restore.errors import RestoreError, UsageError
from restore.io.files import put
from restore.method import Method, Network
from restore.numerics.gmm import Statistics
from restore.train.data import Pool
from restore.train.recipes import Recipe

NAME = "checkpoint.json"
ENTRY = 160  # bytes that a tensor takes in the head of a file, at most, but its name
WHATEVER = ("line", "steps", "apart", "tests", "levels", "protocol", "every", "x8")  # parts of a recipe that a run does not depend on


@dataclass
class Run:
    """All that a run is: what is not in here is not needed to go on. `of`: the number of steps, 0 while it is not settled."""

    network: Network
    average: Network  # the exponential moving average of the weights: the result
    optimiser: torch.optim.Optimizer
    pool: Pool
    generator: torch.Generator
    step: int = 0
    of: int = 0
    seconds: float = 0.0

    def tensors(self) -> dict[str, Tensor]:
        """All that is a tensor, by name; the generator's state apart."""
        found = {f"{name}.{key}": value for name in ("network", "average") for key, value in getattr(self, name).state_dict().items()}
        for index, parameter in enumerate(self.network.parameters()):
            found |= {f"optimiser.{index}.{key}": value for key, value in self.optimiser.state[parameter].items() if isinstance(value, Tensor)}
        return found

    def take(self, tensors: dict[str, Tensor]) -> None:
        """The inverse of `tensors`."""
        for name in ("network", "average"):
            getattr(self, name).load_state_dict(_under(f"{name}.", tensors))
        for index, parameter in enumerate(self.network.parameters()):
            moments = _under(f"optimiser.{index}.", tensors)
            self.optimiser.state[parameter] = {key: _like(parameter, value) for key, value in moments.items()}


@dataclass
class Fit:
    """A run of a learner: the method whose `mixtures` are fitted one after the other, for a like number of steps, or whose dictionary is; `sums`: the statistics of the mixture at hand."""

    average: Method
    pool: Pool
    generator: torch.Generator
    sums: Statistics | None = None
    step: int = 0
    of: int = 0
    seconds: float = 0.0

    @property
    def parts(self) -> int:
        """What is learned one after the other."""
        return len(getattr(self.average, "mixtures", (self.average,)))

    def tensors(self) -> dict[str, Tensor]:
        """As `Run.tensors`."""
        return {f"average.{key}": value for key, value in self.average.state_dict().items()} | (
            {f"sums.{key}": value for key, value in self.sums._asdict().items()} if self.sums else {})

    def take(self, tensors: dict[str, Tensor]) -> None:
        """The inverse of `tensors`."""
        self.average.load_state_dict(_under("average.", tensors))
        sums = {key: value.to(self.pool.pixels.device) for key, value in _under("sums.", tensors).items()}
        self.sums = Statistics(**sums) if sums else None


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def words(recipe: Recipe) -> dict[str, object]:
    """A recipe as JSON and cards hold it."""
    return json.loads(json.dumps(asdict(recipe) | {"task": recipe.task.to_dict()}))


def save(run: Run | Fit, recipe: Recipe, folder: Path, part: int | None = None) -> None:
    """Tensors of the networks, the optimiser and the generator in safetensors, in files of at most `part` bytes (one file if not given); what is
    no tensor, and the names of the files, in JSON, which is renamed into place last: a checkpoint is whole or is the one before.
    """
    tensors = {"generator": run.generator.get_state()} | run.tensors()
    folder.mkdir(parents=True, exist_ok=True)
    before = set(folder.glob("checkpoint-*.safetensors"))
    files = []
    for index, tensors_of_part in enumerate(_parts(tensors, part)):
        files.append(f"checkpoint-{run.step}-{index}.safetensors")
        put(folder / files[-1], pack({key: value.detach().cpu().contiguous() for key, value in tensors_of_part.items()}))
    state = {"step": run.step, "of": run.of, "seconds": run.seconds, "position": run.pool.position, "pictures": run.pool.fingerprint, "files": files, "recipe": words(recipe)}
    put(folder / NAME, json.dumps(state, indent=1).encode())
    for file in before - {folder / name for name in files}:
        file.unlink()


def _parts(tensors: dict[str, Tensor], most: int | None) -> list[dict[str, Tensor]]:
    """Tensors in order, as many in a part as fit into `most` bytes with their names, one at least."""
    parts: list[dict[str, Tensor]] = [{}]
    size = 0
    for key, value in tensors.items():
        own = value.nbytes + len(key) + ENTRY
        if most and parts[-1] and size + own > most:
            parts.append({})
            size = 0
        parts[-1][key] = value
        size += own
    return parts


@torch.no_grad()
def load(run: Run | Fit, recipe: Recipe, folder: Path) -> None:
    """Put a run where its checkpoint left it. Raises where there is none, or where it belongs to another recipe."""
    try:
        state = json.loads((folder / NAME).read_text("utf-8"))
        tensors = {key: value for file in state["files"] for key, value in load_file(folder / file).items()}
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        raise RestoreError(f"there is no checkpoint to resume in {folder} ({error})", f"{NAME} and the files it names, as restore train writes them",
                           "leave --resume out") from error
    defaults = {field.name: field.default for field in fields(recipe)}  # a part that the checkpoint lacks is younger than it
    differing = [part for part, value in words(recipe).items() if part not in WHATEVER and state["recipe"].get(part, defaults[part]) != value]
    if differing:
        raise UsageError(f"the checkpoint in {folder} was made with another recipe: {', '.join(differing)} differ", "the same recipe and options",
                         "take another --folder, or leave --resume out")
    if state.get("pictures", run.pool.fingerprint) != run.pool.fingerprint:
        raise UsageError(f"the checkpoint in {folder} was made from other pictures: {state['pictures']}, now {run.pool.fingerprint}", "the same files, unchanged",
                         "put them back, or take another --folder")
    try:
        run.generator.set_state(tensors["generator"])
    except RuntimeError as error:
        raise UsageError(f"the checkpoint in {folder} was made on another kind of device than {run.pool.pixels.device.type}: random numbers go on where they were drawn", "",
                         "resume with the --device that it was begun with") from error
    run.take(tensors)
    run.step, run.of, run.seconds, run.pool.position = (state[key] for key in ("step", "of", "seconds", "position"))


def _like(parameter: Tensor, value: Tensor) -> Tensor:
    """A moment lies in memory as its parameter does; a step count stays where it is."""
    return torch.empty_like(parameter).copy_(value) if value.shape == parameter.shape else value
