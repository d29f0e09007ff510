# SPDX-License-Identifier: Apache-2.0
"""Is the ledger intact? Checks the state file's seal, every leaf, the tree, every checkpoint and its signature, and the
edges.

0: intact. 1: not, with what and where. Works without a daemon and without network.
"""

from __future__ import annotations

import argparse

from colonnade.app.settings.environment import find_places
from colonnade.cli.output import emit


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument(
        "--quick", action="store_true", help="hashes, tree and signatures only; about five times faster"
    )


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from colonnade.app.verifying import verify_places

    report = verify_places(find_places(args.folder), deep=not args.quick)
    if args.json:
        emit(report.to_json())
    else:
        print(report.to_text())
    return 0 if report.intact else 1
