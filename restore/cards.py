"""Model cards: what weights are there, which serve a task, load and save them. Importable without torch.

`weights/<name>.<tag>.safetensors` beside `<name>.<tag>.toml`. Nothing is fetched from anywhere.
"""

import hashlib
import importlib
import os
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from restore.catalog import CATALOG, Row
from restore.errors import RestoreError, UsageError, nearest
from restore.io.files import put
from restore.tasks import Denoise, Task, from_dict
from restore.values import Range

if TYPE_CHECKING:
    from restore.method import Method


@dataclass(frozen=True)
class Card:
    """What is known of one file of weights."""

    name: str  # the catalog's
    tag: str  # from the task: s50, blind, best
    task: Task  # what it was trained for
    args: Mapping[str, object] = field(default_factory=dict)  # of the constructor, over the catalog row's
    parts: Mapping[str, str] = field(default_factory=dict)
    start: str = ""  # catalog name of what makes the first reconstruction that the network works on
    apart: bool = False  # an experiment: taken only where name.tag asks for it
    flops_per_pixel: float = 0.0  # multiply and add counted as two
    facts: Mapping[str, object] = field(default_factory=dict)  # halo (left out: global) and bytes_per_pixel, as probed when the weights were saved
    parameters: int = 0
    sha256: str = ""
    licence: str = ""
    recipe: Mapping[str, object] = field(default_factory=dict)  # recipe name, steps, seed, pixels seen, hours, device
    data: tuple[Mapping[str, object], ...] = ()  # name, count, terms
    results: tuple[Mapping[str, object], ...] = ()  # set, sigma, psnr, ssim, protocol
    path: Path = Path()

    @property
    def full_name(self) -> str:
        return f"{self.name}.{self.tag}"

    @property
    def channels(self) -> int | None:
        """What the network works on: 1 grey, 3 colour, None both."""
        return None if self.args.get("luma") else {**CATALOG[self.name].args, **self.args}.get("channels")

    @property
    def weights(self) -> Path:
        return self.path.with_suffix(".safetensors")


def folders() -> list[Path]:
    """Where weights are looked for: RESTORE_WEIGHTS (folders, as PATH), then those that came with the program."""
    own = [Path(part) for part in os.environ.get("RESTORE_WEIGHTS", "").split(os.pathsep) if part]
    here = Path(__file__).parent
    return own + [folder for folder in (here / "weights", here.parent / "weights") if folder.is_dir()][:1]


def read(path: Path) -> Card:
    """The card in a TOML file."""
    about = path.stat() if path.exists() else None
    return _read(path, about and (about.st_ino, about.st_size, about.st_mtime_ns))


@lru_cache(maxsize=256)
def _read(path: Path, version: tuple[int, ...] | None) -> Card:
    """A file is read once, and again when it has changed."""
    try:
        words = tomllib.loads(path.read_text("utf-8"))
        words["task"] = from_dict(words["task"])
        words["data"], words["results"] = tuple(words.get("data", ())), tuple(words.get("results", ()))
        card = Card(**words, path=path)
        if card.name not in CATALOG:
            raise ValueError(f"there is no method {card.name!r}")
        return card
    except (OSError, ValueError, KeyError, TypeError, RestoreError) as error:
        raise RestoreError(f"{path} is not a model card: {getattr(error, 'what', error)}", "a TOML file as restore train writes it beside the weights") from error


def every() -> list[Card]:
    """All cards, by name and tag; a folder named earlier hides later ones."""
    found: dict[str, Card] = {}
    for folder in folders():
        for path in sorted(folder.glob("*.toml")):
            card = read(path)
            found.setdefault(card.full_name, card)
    return [found[name] for name in sorted(found)]


def offered() -> list[Card]:
    """Those that are taken without being asked for by name and tag."""
    return [card for card in every() if not card.apart]


def usable(name: str, task: Task | None = None) -> bool:
    """Whether a method of the catalog can run here: it is untrained, or there are weights of it, for this task if one is named."""
    return not CATALOG[name].trained or any(card.name == name and (task is None or card.task.covers(task)) for card in offered())


def find(model: str) -> tuple[str, Card | None]:
    """The catalog name and card for `NAME`, `NAME.TAG` or the path of a `.safetensors` or `.toml` file; no card for untrained methods."""
    if model.endswith((".safetensors", ".toml")):
        for file in (Path(model), Path(model).with_suffix(".toml")):
            if not file.is_file():
                raise UsageError(f"the model {model!r} cannot be taken: there is no file {str(file)!r}", "weights (.safetensors) and their card (.toml) side by side", "restore models list shows what is there")
        card = read(Path(model).with_suffix(".toml"))
        return card.name, card
    name, _, tag = model.partition(".")
    if name not in CATALOG and os.path.exists(model):
        raise UsageError(f"{model} is no file of weights", "a .safetensors file with its card beside it, or NAME.TAG", "restore models list shows what is there")
    if name not in CATALOG:
        there = {card.name for card in every()}
        raise UsageError(f"unknown model {model!r}", nearest(name, (one for one, row in CATALOG.items() if not row.trained or one in there)), "restore models list shows all")
    if not tag:
        return name, None
    cards = {card.full_name: card for card in every() if card.name == name}
    if model not in cards:
        raise UsageError(f"there are no weights {model!r}", nearest(model, cards) if cards else f"{name}, of which no weights are installed" if CATALOG[name].trained else f"{name}, which needs none",
                         "restore models list shows all")
    return name, cards[model]


def denoiser(model: str) -> tuple[str, Card | None]:
    """`find` for what is put inside a method that is made of a denoiser. Raises UsageError for what does not treat pictures with Gaussian noise."""
    name, card = find(model)
    if not _fits(CATALOG[name], Denoise()) or card is not None and card.task.name != "denoise":
        raise UsageError(f"{model} is no denoiser of Gaussian noise", "drunet or bm3d, say", "restore models list shows what each serves")
    return name, card


def choose(task: Task, model: str | None = None, frugal: bool = False, channels: int | None = None, parts: Collection[str] = ()) -> tuple[str, Card | None]:
    """The catalog name and card that serve a task whose parts are known, on pictures of so many channels.

    Without `model`: the first row of the catalog that fits, is made of `parts` if some are named, and, if it is trained, has a card that covers the task, made for these channels.
    With several covering cards, the costliest, or the cheapest if `frugal`. A level outside every card's range is an
    error that names the nearest card, never a silent substitute.
    """
    if model is not None:
        name, card = find(model)
        if not _fits(CATALOG[name], task):
            raise UsageError(f"{name} does not serve {task}", f"{', '.join(CATALOG[name].tasks)} with noise {' or '.join(CATALOG[name].noises)}")
        if not CATALOG[name].trained:
            return name, None
        if card is not None:
            if not (card.task.admits(task) or _knows_pictures(card, task)):
                raise UsageError(f"{model} was trained for {card.task}, not for {task}", "", _alternatives(task))
            return name, card
        cards = _covering(name, task)
        if not cards:
            raise UsageError(f"no weights of {name} cover {task}", _installed(name), _alternatives(task))
        return name, _pick([card for card in cards if card.channels == channels] or cards, frugal)
    for name, row in CATALOG.items():
        if _fits(row, task) and set(parts) <= set(row.parts):
            if not row.trained:
                return name, None
            made_for = [card for card in _covering(name, task) if channels is None or card.channels in (None, channels)]
            if made_for:
                return name, _pick(made_for, frugal)
    raise RestoreError(f"no method for {task} takes another {' or '.join(parts)}" if parts else f"no method serves {task}", "", "restore models list shows what each serves")


def _fits(row: Row, task: Task) -> bool:
    return task.name in row.tasks and getattr(task, "noise", "gaussian") in row.noises


def _covering(name: str, task: Task) -> list[Card]:
    return [card for card in offered() if card.name == name and (card.task.covers(task) or _knows_pictures(card, task))]


def _knows_pictures(card: Card, task: Task) -> bool:
    """Whether a card of another task serves this one."""
    return CATALOG[card.name].prior and card.task.name != task.name


def _pick(cards: list[Card], frugal: bool) -> Card:
    """The costliest, or the cheapest; of equals one that was trained for less."""
    def cost(card: Card) -> tuple[float, bool]:
        return card.flops_per_pixel if frugal else -card.flops_per_pixel, any(isinstance(value, Range) for value in card.task.words().values())

    return min(cards, key=cost)


def _installed(name: str) -> str:
    cards = [f"{card.full_name} ({card.task})" for card in offered() if card.name == name]
    return "weights of it: installed are " + ("; ".join(cards) or "none")


def _alternatives(task: Task) -> str:
    others = [card.full_name for card in offered() if card.task.covers(task)]
    untrained = [name for name, row in CATALOG.items() if _fits(row, task) and not row.trained]
    return "type --model " + " or ".join([*others[:3], *untrained[:1]]) if others or untrained else "leave --model out"


def verify(card: Card) -> bool:
    """Whether the weights are the bytes that the card was written for."""
    with open(card.weights, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == card.sha256


def load(name: str, card: Card | None = None, parts: Mapping[str, str] = {}, channels: int | None = None, frugal: bool = True) -> "Method":
    """The method, its numbers in float32 on the CPU, its parts filled, ready to run. parts: over the card's and the catalog's.

    A trained method without a card, as parts are, comes with the weights made for these channels, the cheapest if `frugal`; where none are installed, it
    is the first untrained method of its task. A network that works on a first reconstruction comes joined to what makes it.
    """
    if CATALOG[name].trained and card is None:
        name, card = _part(name, channels, frugal)
    method = build(name, card.args if card else {}, {**(card.parts if card else {}), **parts}, channels, frugal)
    if card is not None:
        _fill(method, card)
    if card is not None and card.start:
        from restore.method import Chain

        method = Chain(load(*find(card.start), channels=channels, frugal=frugal), method)
    return method.eval().requires_grad_(False)


def _part(name: str, channels: int | None, frugal: bool) -> tuple[str, Card | None]:
    found = [card for card in offered() if card.name == name and card.task.name == CATALOG[name].tasks[0]]  # a part does what its method was made for
    if found:
        return name, _pick([card for card in found if card.channels == channels] or found, frugal)
    for other, row in CATALOG.items():
        if not row.trained and set(row.tasks) & set(CATALOG[name].tasks) and set(row.noises) >= set(CATALOG[name].noises):
            return other, None
    raise RestoreError(f"{name} needs weights", _installed(name))


def build(name: str, args: Mapping[str, object], parts: Mapping[str, str] | None = None, channels: int | None = None, frugal: bool = True) -> "Method":
    """The method of a catalog row with arguments and parts over the row's; a trained one with the numbers that its constructor draws."""
    row = CATALOG[name]
    module, _, attribute = row.target.partition(":")
    kind = getattr(importlib.import_module(module), attribute)
    unknown = set(parts or {}) - set(row.parts)
    if unknown:
        raise UsageError(f"{name} has no {', '.join(sorted(unknown))}", " or ".join(row.parts) or "a method that is made of others")
    filled = {argument: load(*find(part), channels=channels, frugal=frugal) for argument, part in {**row.parts, **(parts or {})}.items()}
    return kind(**{**row.args, **args, **filled})


def _fill(method: "Method", card: Card) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from restore.method import Facts

    try:
        if not verify(card):
            raise RestoreError(f"{card.weights} is not the file that its card was written for (sha256 differs)",
                               "the bytes that it was written with", "install the program again, or restore models verify")
        state = load_file(card.weights)
        method.load_state_dict({key: value.float() if value.is_floating_point() else value for key, value in state.items()})
        if card.facts:
            method.facts = Facts(card.facts.get("halo"), card.facts["bytes_per_pixel"], card.flops_per_pixel)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise RestoreError(f"{card.weights} cannot be loaded: {error}", f"weights for {card.full_name}", "restore models verify") from error


def save(card: Card, method: "Method", folder: Path) -> Card:
    """Write the method's numbers in fp16 safetensors and the card beside them, each under a temporary name; returns the card with its sha256."""
    import torch
    from safetensors.torch import save as pack

    from restore.method import Network

    state = {key: value.half() if value.dtype == torch.float32 else value for key, value in method.state_dict().items()}
    packed = pack({key: value.contiguous().cpu() for key, value in state.items()})
    facts = {}
    if isinstance(method, Network):
        facts = {"bytes_per_pixel": method.facts.bytes_per_pixel} | ({} if method.facts.halo is None else {"halo": method.facts.halo})
    folder.mkdir(parents=True, exist_ok=True)
    card = replace(card, facts=facts, sha256=hashlib.sha256(packed).hexdigest(), path=folder / f"{card.full_name}.toml")
    put(card.weights, packed)
    write(card)
    return read(card.path)


def write(card: Card) -> None:
    """Write a card at its path, under a temporary name first."""
    import tomli_w

    words = {
        "name": card.name, "tag": card.tag, "flops_per_pixel": card.flops_per_pixel, "parameters": card.parameters, "facts": dict(card.facts),
        "sha256": card.sha256, "licence": card.licence, "args": dict(card.args), "parts": dict(card.parts), "start": card.start, "apart": card.apart,
        "task": card.task.to_dict(), "recipe": dict(card.recipe), "data": [dict(row) for row in card.data], "results": [dict(row) for row in card.results],
    }
    put(card.path, tomli_w.dumps(words).encode())
