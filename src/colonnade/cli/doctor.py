# SPDX-License-Identifier: Apache-2.0
"""Check this machine and this project, and say what to do. Prints nothing secret: the block can be pasted into an
issue.
"""

from __future__ import annotations

import argparse

from colonnade.app.settings.environment import find_places
from colonnade.cli.output import emit, paint

MARKS = {"ok": ("✓", "green"), "note": ("·", "yellow"), "bad": ("✗", "red")}


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("where", nargs="?", metavar="DIR", help="the declaration's folder")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from colonnade.app.checkup import examine

    checks = examine(find_places(args.where or args.folder))
    if args.json:
        emit({"schema": "colonnade.doctor/1", "checks": [check.as_dict() for check in checks]})
    else:
        for check in checks:
            mark, colour = MARKS[check.state]
            print(f"{paint(mark, colour)} {check.name:<12} {check.found}")
            if check.hint:
                print(f"  {'':<12} {paint(check.hint, 'dim')}")
    return 1 if any(check.state == "bad" for check in checks) else 0
