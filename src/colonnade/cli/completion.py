# SPDX-License-Identifier: Apache-2.0
"""Print a completion script.

eval "$(colonnade completion bash)"       (or zsh)
colonnade completion fish | source
"""

from __future__ import annotations

import argparse
import importlib

from colonnade.cli.table import COMMANDS

SHELLS = ("bash", "zsh", "fish")


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("shell", choices=SHELLS)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    print({"bash": _bash, "zsh": _zsh, "fish": _fish}[args.shell]())
    return 0


def options() -> dict[str, list[str]]:
    """Command -> its options and fixed words."""
    found: dict[str, list[str]] = {}
    for command in COMMANDS:
        parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
        importlib.import_module(f"colonnade.cli.{command.module}").configure(parser)
        words = ["-C", "--json", "--help"]
        for action in parser._actions:
            if action.help is not argparse.SUPPRESS:
                words += action.option_strings
                words += [str(choice) for choice in action.choices or ()] if not action.option_strings else []
        found[command.name] = words
    return found


def _bash() -> str:
    cases = "\n".join(f"    {name}) words='{' '.join(words)}' ;;" for name, words in options().items())
    names = " ".join(command.name for command in COMMANDS)
    return f"""\
_colonnade() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} command='' words i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case ${{COMP_WORDS[i]}} in -C) ((i++)) ;; -*) ;; *) command=${{COMP_WORDS[i]}}; break ;; esac
  done
  case $command in
    '') words='{names} -C --help --version' ;;
{cases}
    *) words='' ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$word"))
  [[ ${{#COMPREPLY[@]}} -eq 0 ]] && COMPREPLY=($(compgen -f -- "$word"))
}}
complete -F _colonnade colonnade"""


def _zsh() -> str:
    return f"autoload -U +X bashcompinit && bashcompinit\n{_bash()}"


def _fish() -> str:
    lines = ["complete -c colonnade -f -s C -r -d 'folder of the declaration'"]
    for command in COMMANDS:
        line = command.line.replace("'", "\\'")
        lines.append(f"complete -c colonnade -f -n __fish_use_subcommand -a {command.name} -d '{line}'")
    for name, words in options().items():
        seen = f"'__fish_seen_subcommand_from {name}'"
        for word in words:
            kind = (
                f"-l {word[2:]}"
                if word.startswith("--")
                else f"-s {word[1:]}"
                if word.startswith("-")
                else f"-a {word}"
            )
            lines.append(f"complete -c colonnade -f -n {seen} {kind}")
    return "\n".join(lines)
