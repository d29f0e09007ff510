# SPDX-License-Identifier: Apache-2.0
"""What `why` and `impact` share: one argument, one walk, shown or emitted."""

from __future__ import annotations

import argparse

from colonnade.app.settings.environment import find_places
from colonnade.cli.output import emit


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument(
        "ref",
        metavar="REF",
        help="an answer's ref, any id, a document's path, person/NAME, knowledge/NAME or service/NAME",
    )


def show(args: argparse.Namespace, verb: str) -> int:
    """Walk and show."""
    from colonnade.app.lineage import walk

    found, drawing = walk(find_places(args.folder), args.ref, verb)
    if args.json:
        emit(found)
    else:
        print(drawing)
    return 0
