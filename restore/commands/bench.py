"""`restore bench`: published tables with our figures beside theirs, and how fast."""

from pathlib import Path
from typing import Annotated

import typer

from restore import options

Table = Annotated[str, typer.Argument(help="A table; or blind, ct, sinograms, mri, raw, speed, sets, card NAME.TAG.", metavar="TABLE")]
Name = Annotated[str | None, typer.Argument(help="With card: the weights that the table's figures are added to.", metavar="NAME.TAG", show_default=False)]

TABLES = ("--set", "--methods", "--levels", "--images", "--every", "--protocol", "--tolerance", "-o", "--device", "--json")  # what the published ones take
TAKES = {"card": ("NAME.TAG", "--every", "--device"), "sets": ("--json",), "speed": ("--methods", "--side", "--device", "--json"),
         "blind": ("--methods", "--every", "-o", "--json"), "mri": ("--methods", "--levels", "--every", "-o", "--device", "--json"),
         "ct": ("--methods", "--every", "-o", "--device", "--json"), "sinograms": ("--methods", "--levels", "-o", "--device", "--json"),
         "raw": ("--methods", "--levels", "--every", "-o", "--json")}
ABOUT = {"card": "the figures of weights, onto their card", "sets": "the sets, and which are there", "speed": "seconds, memory and arithmetic of every method",
         "blind": "captured blurs of an unknown kernel", "mri": "head volumes, one coil", "ct": "slices at a quarter of their dose", "sinograms": "a real scan, from all its views and from arcs",
         "raw": "unprocessed photographs, to linear light and to pictures"}


def bench(
    table: Table = "red",
    name: Name = None,
    set: Annotated[str | None, options.own("--set", help="A set, or a folder of clean pictures; the table's first that is there if not given.", metavar="NAME|DIR")] = None,
    methods: Annotated[str | None, options.own("--methods", help="Only these rows of the table, as BM3D,RED30; any model of the catalog may join, as drunet.fast, with ' x8' for the self-ensemble.", metavar="A,B")] = None,
    sigmas: Annotated[str | None, options.own("--sigmas", "--levels", help="Levels of the table's task, as 10,50; of mri: accelerations; of sinograms: degrees; of raw: photons at white.", metavar="A,B")] = None,
    images: Annotated[str | None, options.own("--images", help="Only these pictures, by name without suffix.", metavar="A,B")] = None,
    every: Annotated[int, options.own("--every", help="Every n-th picture; the standard error is then reported.")] = 1,
    protocol: Annotated[str | None, options.own("--protocol", help="The table's if not given; several, as rednet,files, are compared.", metavar="A,B")] = None,
    tolerance: Annotated[float | None, options.own("--tolerance", help="Exit with 3 where a PSNR is further from the published one, in dB.")] = None,
    output: Annotated[list[Path] | None, options.own("--output", "-o", help="Also write .html, .md, .csv or .json; may be given several times.", metavar="FILE")] = None,
    side: Annotated[int, options.own("--side", help="speed: side of the picture in pixels.")] = 256,
    device: options.Device = "auto",
    list: Annotated[bool, options.own("--list", help="Show the tables and stop.")] = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> int:
    """Reproduce published tables: the published figure, ours and the difference, under a printed protocol.

    Of published tables, what was measured is kept, so the same command goes on where it was broken off; a method that was changed is run again.
    """
    from restore import benching, console
    from restore.bench import table as tables
    from restore.bench.run import Choice
    from restore.errors import UsageError, nearest

    if table not in (known := (*tables.names(), *TAKES)):
        raise UsageError(f"unknown table {table!r}", nearest(table, known), "restore bench --list shows all")
    if every < 1:
        raise UsageError(f"--every {every} is out of range", "1 or more")
    words = tuple(word.strip() for word in (methods or "").split(",") if word.strip())
    if list:
        console.table(["table", "about", "sets", "protocol"], [[one.name, one.title, ", ".join(row.set for row in one.sets), one.protocol]
                                                               for one in map(tables.find, tables.names())] + [[one, about, "", ""] for one, about in ABOUT.items()])
        return 0
    files = tuple(output or ())
    given = {"--set": set, "--methods": methods, "--levels": sigmas, "--images": images, "--every": every - 1, "--protocol": protocol,
             "--tolerance": tolerance is not None, "-o": files, "NAME.TAG": name, "--side": side - 256, "--device": device != "auto", "--json": json}
    takes = TAKES.get(table, TABLES)
    for option in (option for option, value in given.items() if value and option not in takes):
        raise UsageError(f"bench {table} takes no {option}", ", ".join(takes))
    if table == "sets":
        return benching.sets(json)
    if table == "speed":
        return benching.speed(words, side, device, json)
    if table == "blind":
        if len(words) > 1:
            raise UsageError(f"bench blind runs one method, not {len(words)}", "one name", f"type --methods {words[0]}")
        return benching.captured(words[0] if words else "pnp", every, files, json, quiet)
    if table == "mri":
        return benching.mri(words, benching.numbers(sigmas), every, device, files, json)
    if table == "ct":
        return benching.ct(words, every, device, files, json)
    if table == "sinograms":
        return benching.sinograms(words, benching.numbers(sigmas), device, files, json)
    if table == "raw":
        return benching.raw(words, benching.numbers(sigmas), every, files, json)
    choice = Choice(set, words, benching.levels(sigmas), tuple(part.strip() for part in (images or "").split(",") if part.strip()), every, device)
    if table == "card":
        return benching.card(name, choice, quiet)
    return benching.table(tables.find(table), choice, protocol, tolerance, files, json, quiet)
