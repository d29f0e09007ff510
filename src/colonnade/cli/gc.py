# SPDX-License-Identifier: Apache-2.0
"""Let go what `retention:` keeps no longer, and what nothing needs: folders of runs, unused artifacts, sealed files.

What a live version, a way back or an open rollout needs always stays. Without `retention:` only what was left over by a
kill goes. The daemon does the same once a day where `retention:` is declared.
"""

from __future__ import annotations

import argparse

from colonnade.app.presence import need_daemon
from colonnade.app.settings.environment import find_places
from colonnade.cli.output import emit

UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("--dry-run", action="store_true", help="only tell what would go")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from colonnade.sdk import Client

    url, token = need_daemon(find_places(args.folder))
    done = Client(url, token, timeout_s=3600.0).sweep(dry_run=args.dry_run)
    if args.json:
        emit(done)
        return 0
    print("would go:" if args.dry_run else "gone:")
    for line in done["words"]:
        print(f"  {line}")
    if not done["words"]:
        print("  nothing")
    else:
        print(f"  {_sized(done['counts']['bytes'])} on disk")
    for note in done["notes"]:
        print(f"note: {note}")
    if not any(done["retention"].values()):
        print("note: `retention:` of the declaration says how long things are kept; without it, for ever")
    return 0


def _sized(size: int) -> str:
    amount, unit = float(size), 0
    while amount >= 1024 and unit < len(UNITS) - 1:
        amount, unit = amount / 1024, unit + 1
    return f"{amount:,.1f} {UNITS[unit]}" if unit else f"{size:,} bytes"
