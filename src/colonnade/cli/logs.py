# SPDX-License-Identifier: Apache-2.0
"""What the daemon did, and what a run did. -f follows. Works without a daemon.

colonnade logs              the last lines
colonnade logs -f           and whatever comes
colonnade logs run/ID       one run: its state, counts and error
"""

from __future__ import annotations

import argparse
import json

from colonnade.app.presence import pause
from colonnade.app.settings.environment import find_places
from colonnade.cli.output import emit, paint
from colonnade.core.errors import UnknownName


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("ref", nargs="?", metavar="REF", help="run/ID: one run only")
    parser.add_argument("-f", "--follow", action="store_true", help="go on with what comes")
    parser.add_argument("-n", "--lines", type=int, default=50, help="how many lines to begin with (default 50)")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    places = find_places(args.folder)
    if args.ref:
        return _run(places, args)
    from colonnade.app.logs import read_log

    path = places.logs / "daemon.log"
    lines, at = read_log(path)
    _show(lines[-args.lines :] if args.lines else [], args)
    while args.follow:
        pause(0.3)
        lines, at = read_log(path, at)
        _show(lines, args)
    return 0


def _show(lines: list[dict[str, str]], args: argparse.Namespace) -> None:
    for line in lines:
        if args.json:
            print(json.dumps(line, ensure_ascii=False), flush=True)
            continue
        level = paint(
            line["level"],
            "red" if line["level"] in {"error", "critical"} else "yellow" if line["level"] == "warning" else "dim",
        )
        rest = f"  {line['error']} at {line['where']}" if "error" in line else ""
        print(f"{line['at']}  {level:<7}  {line['room']}: {line['message']}{rest}", flush=True)


def _run(places: object, args: argparse.Namespace) -> int:
    from colonnade.app.settings.environment import Places
    from colonnade.app.stored import reading

    assert isinstance(places, Places)
    with reading(places) as (state, _):
        rows = state.rows("run_get", id=args.ref.removeprefix("run/"))
    if not rows:
        raise UnknownName(f"there is no run {args.ref!r}", hint="the console's page `Runs` lists them")
    row = dict(rows[0])
    row["counts"] = json.loads(row["counts"])
    if args.json:
        emit({"schema": "colonnade.run/1", "ref": f"run/{row['id']}", **row})
        return 0
    counts = ", ".join(f"{count:,} {what}" for what, count in row["counts"].items()) or "nothing to do"
    print(f"run/{row['id']}  {row['kind']}  {row['state']}  ({row['why']})")
    print(f"  {counts}; {row['done']:,} of {row['total']:,}")
    if row["error"]:
        print(f"  {row['error']}")
    return 0
