# SPDX-License-Identifier: Apache-2.0
"""Back to the version of a model that was live before. New requests are answered by it when this returns.

colonnade rollback service/credit               the version that was live before
colonnade rollback model/credit --to 3f9ac2     one that was live once, by the beginning of its digest

One compare-and-set on the model's name, recorded in the ledger; no request fails by it. A version that was rolled back
does not come back by itself.
"""

from __future__ import annotations

import argparse

from colonnade.app.presence import need_daemon
from colonnade.app.settings.environment import find_places
from colonnade.cli.output import emit, paint


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("ref", metavar="REF", help="service/NAME or model/NAME")
    parser.add_argument("--to", metavar="VERSION", help="a version, or the beginning of its digest")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from colonnade.sdk import Client

    done = Client(*need_daemon(find_places(args.folder))).rollback(args.ref, args.to)
    if args.json:
        emit(done)
        return 0
    print(
        f"model {done['name']}: {paint(done['version'][7:19], 'bold')} is live again, in place of {done['from'][7:19]}"
    )
    if done["services"]:
        print(f"  answering after {done['took_ms']} ms: {', '.join(done['services'])}")
    print(f"  {done['ref']}")
    return 0
