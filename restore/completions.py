"""Static completion scripts for bash, zsh and fish, written from the commands themselves: `python -m restore.completions completions`.

They know commands, options, their values and model names, and call nothing back. A test tells when they are stale.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import typer

from restore import cards
from restore.catalog import CATALOG
from restore.cli import app
from restore.engine.device import DEVICES, PRECISIONS
from restore.io import WRITABLE
from restore.measure.protocol import PROTOCOLS
from restore.tasks import TASKS, Denoise


@dataclass(frozen=True)
class Option:
    names: tuple[str, ...]
    help: str
    flag: bool
    values: tuple[str, ...]  # empty: a free value, completed as a file


@dataclass(frozen=True)
class Command:
    path: tuple[str, ...]  # ("models", "show")
    help: str
    options: tuple[Option, ...]
    arguments: tuple[str, ...]  # words that may stand without an option, beside files


def values() -> dict[str, tuple[str, ...]]:
    """Options whose values are known."""
    models = tuple(sorted({*CATALOG, *(card.full_name for card in cards.every() if card.path.parent == cards.folders()[-1])}))
    return {"--model": models, "--noise": Denoise.NOISES, "--device": DEVICES, "--precision": tuple(PRECISIONS), "--depth": ("8", "16", "32"),
            "--format": tuple(WRITABLE), "--subsampling": ("4:4:4", "4:2:2", "4:2:0"), "--protocol": tuple(PROTOCOLS), "--task": tuple(TASKS), "--sigma": ("auto",)}


def commands() -> list[Command]:
    """Every command of the app, groups before their members."""
    found: list[Command] = []

    def visit(node, path: tuple[str, ...]) -> None:
        options, known = [], values()
        for param in node.params:
            if param.param_type_name == "option":
                names = tuple(name for name in (*param.opts, *param.secondary_opts) if name.startswith("-"))
                listed = next((known[name] for name in names if name in known), ())
                options.append(Option(names, (param.help or "").split(";")[0].rstrip("."), bool(param.is_flag), listed))
        options.append(Option(("--help", "-h"), "Show help and exit", True, ()))
        arguments = known["--model"] if path == ("models", "show") else ()
        found.append(Command(path, (node.help or "").split("\n")[0].rstrip("."), tuple(options), arguments))
        for name, child in getattr(node, "commands", {}).items():
            visit(child, (*path, name))

    visit(typer.main.get_command(app), ())
    return found


def _children(command: Command, all_commands: list[Command]) -> list[Command]:
    return [c for c in all_commands if len(c.path) == len(command.path) + 1 and c.path[: len(command.path)] == command.path]


def bash() -> str:
    """One function; words by command path, values by option."""
    every = commands()
    lines = ["# bash completion for restore; written by python -m restore.completions", "_restore() {",
             "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} path='' word i", "    COMPREPLY=()",
             "    for ((i = 1; i < COMP_CWORD; i++)); do", "        word=${COMP_WORDS[i]}", '        case "$path/$word" in']
    lines += [f"            /{'/'.join(c.path)}) path=/{'/'.join(c.path)} ;;" for c in every if c.path]
    lines += ["        esac", "    done", '    case "$prev" in']
    for names, words in sorted({(o.names, o.values) for c in every for o in c.options if o.values}):
        lines.append(f"        {'|'.join(names)}) COMPREPLY=($(compgen -W '{' '.join(words)}' -- \"$cur\")); return ;;")
    free = sorted({name for c in every for o in c.options if not o.flag and not o.values for name in o.names})
    lines += [f"        {'|'.join(free)}) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- \"$cur\"); return ;;", "    esac", '    case "$path" in']
    for c in every:
        options = " ".join(name for o in c.options for name in o.names)
        words = " ".join([child.path[-1] for child in _children(c, every)] or list(c.arguments))
        lines.append(f"        {'/' + '/'.join(c.path) if c.path else chr(39) * 2})")
        lines.append(f"            if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W '{options}' -- \"$cur\")); return; fi")
        lines.append(f"            COMPREPLY=($(compgen -W '{words}' -- \"$cur\")); return ;;" if words else
                     "            compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- \"$cur\") ;;")
    return "\n".join([*lines, "    esac", "}", "complete -F _restore restore", ""])


def zsh() -> str:
    """`_arguments` per command."""
    def quoted(text: str) -> str:
        return text.replace("'", "'\\''").replace("[", "\\[").replace("]", "\\]").replace(":", "\\:")

    every = commands()
    lines = ["#compdef restore", "# written by python -m restore.completions", ""]
    for c in every:
        lines += [f"_restore{''.join('_' + part for part in c.path)}() {{", "    local line state" if _children(c, every) else "    local line"]
        specs = []
        for o in c.options:
            names = o.names[0] if len(o.names) == 1 else "{" + ",".join(o.names) + "}"
            action = "" if o.flag else f":value:({' '.join(value.replace(':', chr(92) + ':') for value in o.values)})" if o.values else ":value:_files"
            specs.append(f"{names}'[{quoted(o.help)}]{action}'" if len(o.names) > 1 else f"'{names}[{quoted(o.help)}]{action}'")
        children = _children(c, every)
        if children:
            lines += ["    _arguments -C \\"] + [f"        {spec} \\" for spec in specs] + ["        '1: :->command' '*::arg:->rest'", "    case $state in", "        command)",
                      "            local -a list", "            list=("] + [f"                '{child.path[-1]}:{quoted(child.help)}'" for child in children]
            lines += ["            )", "            _describe command list ;;", "        rest)", "            case $line[1] in"]
            lines += [f"                {child.path[-1]}) _restore{''.join('_' + part for part in child.path)} ;;" for child in children]
            lines += ["            esac ;;", "    esac", "}", ""]
        else:
            last = f"'*:name:({' '.join(c.arguments)})'" if c.arguments else "'*:file:_files'"
            lines += ["    _arguments \\"] + [f"        {spec} \\" for spec in specs] + [f"        {last}", "}", ""]
    return "\n".join([*lines, '_restore "$@"', ""])


def fish() -> str:
    """One `complete` per option."""
    def quoted(text: str) -> str:
        return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"

    every = commands()
    lines = ["# fish completion for restore; written by python -m restore.completions"]
    for c in every:
        children = _children(c, every)
        seen = "; and ".join(f"__fish_seen_subcommand_from {part}" for part in c.path)
        none = f"not __fish_seen_subcommand_from {' '.join(child.path[-1] for child in children)}" if children else ""
        where = "; and ".join(part for part in (seen, none) if part)
        lines += [f"complete -c restore -f -n {quoted(where)} -a {child.path[-1]} -d {quoted(child.help)}" for child in children]
        if c.arguments:
            lines.append(f"complete -c restore -f -n {quoted(where)} -a {quoted(' '.join(c.arguments))}")
        for o in c.options:
            names = " ".join(f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in o.names)
            value = "" if o.flag else f" -x -a {quoted(' '.join(o.values))}" if o.values else " -r -F"
            lines.append(f"complete -c restore -n {quoted(where)} {names}{value} -d {quoted(o.help)}")
    return "\n".join([*lines, ""])


SCRIPTS = {"restore.bash": bash, "_restore": zsh, "restore.fish": fish}


def write(folder: Path) -> None:
    """All scripts into a folder."""
    for name, script in SCRIPTS.items():
        (folder / name).write_text(script(), "utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
