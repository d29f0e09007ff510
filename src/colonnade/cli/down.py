# SPDX-License-Identifier: Apache-2.0
"""Stop the daemon: requests end, what was written is indexed and signed, the state is closed. Nothing is deleted; what
killed supervisors left running is ended.
"""

from __future__ import annotations

import argparse

from colonnade.app.leftover import sweep_leftovers
from colonnade.app.presence import stop_daemon
from colonnade.app.settings.environment import find_places
from colonnade.cli.output import emit, say


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("where", nargs="?", metavar="DIR", help="the declaration's folder")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    places = find_places(args.where or args.folder)
    stopped = stop_daemon(places)
    left = sweep_leftovers(places)
    if args.json:
        emit({"schema": "colonnade.down/1", "stopped": stopped, "swept": left})
    else:
        say("stopped" if stopped else "no daemon was running")
        if left:
            say(f"ended what a killed daemon or supervisor had left: {left} run{'s' * (left != 1)}")
    return 0
