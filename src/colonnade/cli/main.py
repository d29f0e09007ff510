# SPDX-License-Identifier: Apache-2.0
"""The entry point: find the command, import only its module, turn errors into words and exit codes."""

from __future__ import annotations

import errno
import importlib
import json
import os
import sys
from typing import TYPE_CHECKING

from colonnade.cli.table import BY_NAME, COMMANDS
from colonnade.core.errors import ColonnadeError, UsageError

if TYPE_CHECKING:
    import argparse


def main(argv: list[str] | None = None) -> int:
    """Run one command; its exit code (CONTRACT: 0 done, 1 failed, 2 usage, 3 refused, 4 needs a daemon)."""
    words = list(sys.argv[1:] if argv is None else argv)
    as_json = "--json" in (words[: words.index("--")] if "--" in words else words)
    try:
        code = _run(words)
        if sys.stdout is not None:  # closed by whoever started us: `>&-`
            sys.stdout.flush()
        return code
    except ColonnadeError as error:
        _tell(error, as_json=as_json)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        if error.errno not in {errno.EPIPE, errno.ENOSPC}:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if error.errno == errno.ENOSPC:
            print("error: the output cannot be written: no space left there", file=sys.stderr)
        return int(error.errno == errno.ENOSPC)


def entry() -> None:
    """The console script. Closed standard descriptors are opened on nothing: else the next file would become one."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    sys.exit(main())


def overview() -> str:
    """What `colonnade --help` prints."""
    lines = ["Colonnade: AI-native infrastructure in one package.", "", "usage: colonnade [-C DIR] COMMAND ...", ""]
    group = ""
    for command in COMMANDS:
        if command.group != group:
            group = command.group
            lines.append(f"{group}:")
        lines.append(f"  {command.name:<12} {command.line}")
    lines += [
        "",
        "Everywhere:",
        "  -C DIR       The declaration's folder (default: the nearest colonnade.yaml upwards)",
        "  --json       One JSON document on stdout",
        "  --version    The version",
        "",
        "`colonnade COMMAND --help` says more. Start with: colonnade init",
    ]
    return "\n".join(lines)


def _run(words: list[str]) -> int:
    folder, words = _folder(words)
    if not words or words[0] in {"-h", "--help", "help"}:
        print(overview())
        return 0
    if words[0] in {"-V", "--version"}:
        from colonnade import __version__

        print(f"colonnade {__version__}")
        return 0
    command = BY_NAME.get(words[0])
    if command is None:
        raise _unknown(words[0])
    module = importlib.import_module(f"colonnade.cli.{command.module}")
    parser = _parser(command.name, command.line, (module.__doc__ or "").strip())
    module.configure(parser)
    args = parser.parse_args(words[1:])
    args.folder = args.folder or folder
    return int(module.run(args))


def _folder(words: list[str]) -> tuple[str | None, list[str]]:
    """Take a leading `-C DIR` away."""
    if words and words[0] == "-C":
        if len(words) < 2:
            raise UsageError("-C needs a folder", hint="colonnade -C DIR COMMAND")
        return words[1], words[2:]
    if words and words[0].startswith("-C") and len(words[0]) > 2:
        return words[0][2:], words[1:]
    return None, words


def _parser(name: str, line: str, text: str) -> argparse.ArgumentParser:
    import argparse

    class Parser(argparse.ArgumentParser):
        def error(self, message: str) -> None:  # type: ignore[override]
            raise UsageError(message, hint=f"`colonnade {name} --help` shows how it is used")

    parser = Parser(
        prog=f"colonnade {name}",
        description=text or line,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("-C", dest="folder", metavar="DIR", default=None, help="the declaration's folder")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    return parser


def _unknown(word: str) -> UsageError:
    import difflib

    near = difflib.get_close_matches(word, BY_NAME, n=1)
    hint = f"did you mean `colonnade {near[0]}`?" if near else "`colonnade --help` lists the commands"
    return UsageError(f"there is no command {word!r}", hint=hint, code="unknown_command")


def _tell(error: ColonnadeError, *, as_json: bool) -> None:
    if as_json:
        body = {"message": error.message, "code": error.code, "hint": error.hint}
        print(json.dumps({"schema": "colonnade.error/1", "error": body}, ensure_ascii=False))
    print(f"error: {error}", file=sys.stderr)


if __name__ == "__main__":
    entry()
