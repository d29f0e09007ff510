# SPDX-License-Identifier: Apache-2.0
"""Show how the declaration differs from what runs; changes nothing. Without a daemon, everything is to be created."""

from __future__ import annotations

import argparse

from colonnade.app.presence import find_daemon
from colonnade.app.settings.environment import find_places
from colonnade.cli.output import emit, paint, say

COLOURS = {"create": "green", "update": "yellow", "delete": "red"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("where", nargs="?", metavar="DIR", help="the declaration's folder, or the file itself")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from colonnade.app.absent import absent_sources
    from colonnade.app.plan import changes
    from colonnade.app.settings.declaration import read_declaration
    from colonnade.app.stored import stored_active

    places = find_places(args.where or args.folder)
    declared = read_declaration(places.declaration)
    warnings = absent_sources(declared, places.folder)
    active = stored_active(places) if find_daemon(places) is not None else None
    found = changes(active, declared.model_dump(mode="json"))
    if args.json:
        emit({"schema": "colonnade.plan/1", "changes": [change.as_dict() for change in found], "warnings": warnings})
        return 0
    for change in found:
        print(f"{paint(change.action, COLOURS[change.action]):<7} {change.ref}  {change.why}")
    for warning in warnings:
        say(f"{paint('warning', 'yellow')} {warning}")
    say(f"{len(found)} to change; `colonnade up` applies it" if found else "nothing to change")
    return 0
