"""The Typer app: the explicit list of commands, and the only place that exits."""

import functools
import os
import signal
import sys
from collections.abc import Callable
from typing import Annotated

import typer
import typer.core

from restore import console
from restore.commands import (
    bench,
    burst,
    compare,
    cs,
    ct,
    deblur,
    degrade,
    denoise,
    doctor,
    inpaint,
    isp,
    jpeg,
    models,
    mri,
    sr,
    train,
)
from restore.errors import RestoreError, UsageError


class Commands(typer.core.TyperGroup):
    """The commands; a file in the place of one is told so."""

    def resolve_command(self, context, words):
        if words and self.get_command(context, words[0]) is None and os.path.exists(words[0]):
            raise UsageError(f"{words[0]!r} is no command but a file", "restore COMMAND FILES", f"restore denoise {words[0]}")
        return super().resolve_command(context, words)


app = typer.Typer(name="restore", cls=Commands, help="Undo what a camera, a scanner or a wire did to a picture: y = D x + n.", no_args_is_help=True, add_completion=False,
                  pretty_exceptions_enable=False, context_settings={"help_option_names": ["-h", "--help"]})


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        console.out(f"restore {version('restore')}")
        raise typer.Exit


@app.callback()
def _restore(version: Annotated[bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)] = False) -> None:
    pass


def _exits(command: Callable[..., int | None]) -> Callable[..., None]:
    """A command returns its exit code; here it becomes one."""

    @functools.wraps(command)
    def wrapper(*args, **options) -> None:
        raise typer.Exit(command(*args, **options) or 0)

    return wrapper


for _command in (
    denoise.denoise,
    deblur.deblur,
    sr.sr,
    inpaint.inpaint,
    jpeg.jpeg,
    cs.cs,
    isp.isp,
    burst.burst,
    ct.ct,
    mri.mri,
    degrade.degrade,
    compare.compare,
    train.train,
    bench.bench,
    doctor.doctor,
):
    app.command()(_exits(_command))

_models = typer.Typer(help="Methods and weights: list, show, verify.", no_args_is_help=True)
for _command in (models.list, models.show, models.verify):
    _models.command()(_exits(_command))
app.add_typer(_models, name="models")


def main() -> None:
    """The entry point. Exit codes: 0 all done, 1 some failed, 2 usage, 3 a bench is off by more than its tolerance, 130 interrupted, 143 terminated."""
    if "OMP_WAIT_POLICY" not in os.environ:  # read when torch is imported; threads that wait for long keep busy the cores that others, and each other, wait for
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    signal.signal(signal.SIGTERM, _terminated)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):  # closed by the caller
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))
    try:
        app()
    except RestoreError as problem:
        console.error(problem)
        sys.exit(problem.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


def _terminated(number: int, frame: object) -> None:
    sys.exit(128 + number)
