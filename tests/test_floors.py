"""Imports run strictly downwards; every string of the catalog resolves; the front door imports nothing heavy."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import restore
from restore.catalog import CATALOG

ROOT = Path(restore.__file__).parent
FLOORS = {
    "errors": -1, "values": -0.5, "image": 0, "tasks": 0, "catalog": 0,
    "io": 1, "numerics": 1,
    "operators": 2,
    "method": 3,
    "methods": 4, "estimate": 4,
    "cards": 5,
    "engine": 6,
    "names": 6, "streams": 6, "jobs": 7, "measure": 7.5,
    "api": 8, "train": 8, "bench": 8,
    "batch": 8, "scanning": 9, "benching": 9,
    "commands": 10,
    "cli": 11, "__main__": 12, "completions": 12,
}
SIDE = {"options", "console"}  # for commands, batch, cli
MODULES = sorted(ROOT.rglob("*.py"))


def room(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def name_of(path: Path) -> str:
    parts = ("restore", *path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> set[str]:
    """Modules of the program that a file imports, inside functions too, but not for type checkers alone."""
    tree, found = ast.parse(path.read_text("utf-8")), set()
    skipped = {id(n) for node in ast.walk(tree) if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING" for n in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            inside = [f"{node.module}.{alias.name}" for alias in node.names]
            found |= {one if (ROOT.parent / one.replace(".", "/")).with_suffix(".py").is_file() or (ROOT.parent / one.replace(".", "/")).is_dir() else node.module
                      for one in inside}
    return found


@pytest.mark.parametrize("path", [p for p in MODULES if p != ROOT / "__init__.py"], ids=lambda p: name_of(p))
def test_imports_run_downwards(path):
    mine = room(name_of(path))
    for other in (name for name in imports(path) if name.startswith("restore.")):
        theirs = room(other)
        if theirs == mine:
            assert mine != "commands", f"the command {path.name} imports {other}"
            continue
        if theirs in SIDE:
            assert mine in {"commands", "batch", "scanning", "benching", "cli"} | SIDE, f"{path} imports {other}"
        elif mine in SIDE:
            assert FLOORS[theirs] <= 0, f"{path} imports {other}"
        else:
            assert FLOORS[theirs] < FLOORS[mine], f"{path} (floor {FLOORS[mine]}) imports {other} (floor {FLOORS[theirs]})"


FORBIDDEN = {  # who may not see what
    "torch": {"errors", "values", "image", "tasks", "catalog", "io", "names", "console", "options", "cli", "batch"},
    "rawpy": {room(name_of(p)) for p in MODULES} - {"io"},
    "OpenImageIO": {room(name_of(p)) for p in MODULES} - {"io"},
    "restore.io": {"numerics", "operators", "method", "methods", "estimate", "engine"},
    "rich": {room(name_of(p)) for p in MODULES} - {"console"},
}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: name_of(p))
def test_nobody_sees_what_is_not_theirs(path):
    mine = room(name_of(path))
    for other in imports(path):
        for what, rooms in FORBIDDEN.items():
            assert not (mine in rooms and (other == what or other.startswith(what + "."))), f"{path} imports {other}"


@pytest.mark.parametrize("path", [p for p in MODULES if p != ROOT / "engine/device.py"], ids=lambda p: name_of(p))
def test_only_one_file_names_devices(path):
    strings = {node.value for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    assert not strings & {"cuda", "mps"}


@pytest.mark.parametrize("path", [p for p in MODULES if room(name_of(p)) not in {"console", "cli"}], ids=lambda p: name_of(p))
def test_only_the_console_prints_and_only_cli_exits(path):
    calls = [node.func for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)]
    assert not [f for f in calls if isinstance(f, ast.Name) and f.id in {"print", "exit", "quit"}]
    assert not [f for f in calls if isinstance(f, ast.Attribute) and ast.unparse(f) in {"sys.exit", "os._exit"}]


@pytest.mark.parametrize("name", CATALOG)
def test_catalog_resolves(name):
    row = CATALOG[name]
    module, _, attribute = row.target.partition(":")
    kind = getattr(importlib.import_module(module), attribute)
    method = kind(**row.args, **{argument: importlib.import_module(CATALOG[part].target.split(":")[0]).__dict__[CATALOG[part].target.split(":")[1]]()
                                 for argument, part in row.parts.items()})
    spoken = {"Gaussian": "gaussian", "Poisson": "poisson", "PoissonGaussian": "poisson-gaussian", "NoNoise": "none", "Transmission": "transmission"}
    assert set(row.noises) <= {spoken[noise] for noise in method.noises}
    assert row.line and row.paper and row.tasks


def test_front_door_is_light():
    heavy = "torch scipy skimage numpy PIL tifffile OpenImageIO rawpy"
    code = f"import sys, restore.cli; print([m for m in {heavy.split()} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_training_and_engine_need_no_codec_libraries():
    code = ("import sys; sys.modules['rawpy'] = sys.modules['OpenImageIO'] = None\n"
            "import restore.train.run, restore.engine.run, restore.measure.score, restore.api")
    subprocess.run([sys.executable, "-c", code], check=True)
