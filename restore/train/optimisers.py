"""Optimisers by name: optimiser(parameters, rate)."""

from collections.abc import Callable, Iterable

from torch import Tensor, optim

from restore.train.muon import Muon

OPTIMISERS: dict[str, Callable[[Iterable[Tensor], float], optim.Optimizer]] = {
    "gd": lambda parameters, rate: optim.SGD(parameters, rate),  # the loop gives it one and the same batch in every step
    "sgd": lambda parameters, rate: optim.SGD(parameters, rate),
    "momentum": lambda parameters, rate: optim.SGD(parameters, rate, momentum=0.9, nesterov=True),
    "adam": lambda parameters, rate: optim.Adam(parameters, rate),
    "adamw": lambda parameters, rate: optim.AdamW(parameters, rate, weight_decay=1e-2),
    "muon": Muon,
}
