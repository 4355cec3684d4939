"""A run and its checkpoint: one safetensors file, written under a temporary name and renamed. Never pickle."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as pack
from torch import Tensor

from restore.errors import RestoreError, UsageError
from restore.method import Network
from restore.train.data import Pool
from restore.train.recipes import Recipe

NAME = "checkpoint.safetensors"


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


def words(recipe: Recipe) -> dict[str, object]:
    """A recipe as JSON and cards hold it."""
    return json.loads(json.dumps(asdict(recipe) | {"task": recipe.task.to_dict()}))


def save(run: Run, recipe: Recipe, folder: Path) -> None:
    """Tensors of the networks, the optimiser and the generator; step, sampler position, seconds and recipe as JSON in the header."""
    tensors = {"generator": run.generator.get_state()}
    for part in ("network", "average"):
        tensors |= {f"{part}.{key}": value for key, value in getattr(run, part).state_dict().items()}
    for index, parameter in enumerate(run.network.parameters()):
        tensors |= {f"optimiser.{index}.{key}": value for key, value in run.optimiser.state[parameter].items() if isinstance(value, Tensor)}
    header = {"step": run.step, "of": run.of, "seconds": run.seconds, "position": run.pool.position, "recipe": words(recipe)}
    packed = pack({key: value.detach().cpu().contiguous() for key, value in tensors.items()}, {"run": json.dumps(header)})
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{NAME}.tmp-{os.getpid()}"
    temporary.write_bytes(packed)
    os.replace(temporary, folder / NAME)


@torch.no_grad()
def load(run: Run, recipe: Recipe, folder: Path) -> None:
    """Put a run where its checkpoint left it. Raises where there is none, or where it belongs to another recipe."""
    try:
        with safe_open(folder / NAME, "pt") as file:
            header = json.loads(file.metadata()["run"])
            tensors = {key: file.get_tensor(key) for key in file.keys()}
    except (OSError, SafetensorError, KeyError, TypeError) as error:
        raise RestoreError(f"there is no checkpoint to resume in {folder} ({error})", f"a file {NAME}, as restore train writes it", "leave --resume out") from error
    differing = [part for part, value in words(recipe).items() if part not in ("steps", "line") and header["recipe"].get(part) != value]
    if differing:
        raise UsageError(f"the checkpoint in {folder} was made with another recipe: {', '.join(differing)} differ", "the same recipe and options",
                         "take another --folder, or leave --resume out")
    for part in ("network", "average"):
        getattr(run, part).load_state_dict({key.removeprefix(f"{part}."): value for key, value in tensors.items() if key.startswith(f"{part}.")})
    for index, parameter in enumerate(run.network.parameters()):
        prefix = f"optimiser.{index}."
        run.optimiser.state[parameter] = {key.removeprefix(prefix): _like(parameter, value) for key, value in tensors.items() if key.startswith(prefix)}
    run.generator.set_state(tensors["generator"])
    run.step, run.of, run.seconds, run.pool.position = (header[part] for part in ("step", "of", "seconds", "position"))


def _like(parameter: Tensor, value: Tensor) -> Tensor:
    """A moment lies in memory as its parameter does; a step count stays where it is."""
    return torch.empty_like(parameter).copy_(value) if value.shape == parameter.shape else value
