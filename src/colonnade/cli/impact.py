# SPDX-License-Identifier: Apache-2.0
"""Everything that something touched: a document, a person, a run, a key.

REF is kind/id as every command prints it, a bare id, or kind/name: person/anna, knowledge/handbook. Works without a
daemon.
"""

from __future__ import annotations

import argparse

from colonnade.app.settings.environment import find_places
from colonnade.cli.output import emit


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("ref", metavar="REF", help="what to look at")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from colonnade.app.lineage import walk

    found, drawing = walk(find_places(args.folder), args.ref, "impact")
    if args.json:
        emit(found.to_json())
    else:
        print(drawing)
    return 0
