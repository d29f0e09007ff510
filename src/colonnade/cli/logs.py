# SPDX-License-Identifier: Apache-2.0
"""What the daemon did, and what a run did. -f follows. Works without a daemon.

colonnade logs              the last lines
colonnade logs -f           and whatever comes
colonnade logs run/ID       one run: its state, counts and error, and what its command printed
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from colonnade.app.presence import pause
from colonnade.app.settings.environment import Places, find_places
from colonnade.cli.output import emit, paint
from colonnade.core.errors import UnknownName

TARGETS = {"out": 1, "err": 2}
TAIL_BYTES = 1 << 20
MOST = 1_000_000
EXIT_CODES = {"promoted": 0, "unchanged": 0, "done": 0, "refused": 3, "quarantined": 3, "rolled_back": 3, "failed": 1}
"""Of a model's pipeline, by its outcome; `colonnade train` ends with the same."""


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


def _run(places: Places, args: argparse.Namespace) -> int:
    from colonnade.app.lineage import Labels
    from colonnade.app.rolled import moves_of, rollouts_of, told_of
    from colonnade.app.stored import reading

    with reading(places) as (state, keys):
        asked = args.ref.removeprefix("run/")
        found = Labels(state, keys).find("run", asked) or asked
        rows = state.rows("run_get", id=found)
        leases = state.rows("leases_of_run", run=found)
        pipelines = state.rows("pipeline_get", run=found)
        trial = rollouts_of(state, pipelines[0]["model"], MOST).get(found) if pipelines else None
        rolled = {**told_of(trial), "ref": f"rollout/{trial.id}", "moves": moves_of(state, trial)} if trial else None
    if not rows:
        raise UnknownName(f"there is no run {args.ref!r}", hint="the console's page `Runs` lists them")
    row = dict(rows[0])
    row["counts"] = json.loads(row["counts"])
    if args.json:
        last = (
            {"exit_code": leases[-1]["code"], "leases": [f"lease/{lease['id']}" for lease in leases]} if leases else {}
        )
        if pipelines and pipelines[0]["outcome"]:
            outcome = "rolled_back" if rolled and rolled["outcome"] == "rolled_back" else pipelines[0]["outcome"]
            last = {"outcome": outcome, "exit_code": EXIT_CODES.get(outcome, 1)}
        if rolled is not None:
            last["rollout"] = rolled
        emit({"schema": "colonnade.run/1", "ref": f"run/{row['id']}", **row, **last})
        return 0
    if leases:
        return _printed(places, row, [lease["id"] for lease in leases], args)
    counts = ", ".join(f"{count:,} {what}" for what, count in row["counts"].items()) or "nothing to do"
    print(f"run/{row['id']}  {row['kind']}  {row['state']}  ({row['why']})")
    print(f"  {counts}; {row['done']:,} of {row['total']:,}")
    if row["error"]:
        print(f"  {row['error']}")
    for move in rolled["moves"] if rolled is not None else ():
        said = move.get("outcome", move["state"]).replace("_", " ")
        seen = f"{move['exposed']:,} of {move['requests']:,} answers exposed"
        print(f"  {move['at']}  {said} {100 * move['share']:g} %  ({seen}; {move['cause']})")
    if rolled is not None and rolled["reason"]:
        print(f"  {rolled['reason']}")
    return 0


def _printed(places: Places, row: Mapping[str, Any], leases: list[str], args: argparse.Namespace) -> int:
    """What a command printed: its last lines, stdout's to stdout and stderr's to stderr; -f goes on until it ends."""
    from colonnade.app.stored import reading

    error = f"  ({row['error']})" if row["error"] else ""
    print(f"run/{row['id']}  {row['state']}{error}", file=sys.stderr)
    files = [(places.runs / lease / name, target) for lease in leases for name, target in TARGETS.items()]
    at = {path: _tail(path, target, args.lines) for path, target in files}
    while args.follow:
        pause(0.3)
        with reading(places) as (state, _):
            over = state.rows("run_get", id=row["id"])[0]["finished_ms"] is not None
        for path, target in files:
            at[path] = _from(path, target, at[path])
        if over:
            break
    return 0


def _tail(path: Path, target: int, lines: int) -> int:
    """Print a file's last lines; where it ended."""
    from colonnade.app.logs import last_bytes

    try:
        data, end = last_bytes(path, TAIL_BYTES)
    except FileNotFoundError:
        return 0
    kept = data.splitlines(keepends=True)
    os.write(target, b"".join(kept[-lines:] if lines else []))
    return end


def _from(path: Path, target: int, at: int) -> int:
    try:
        with open(path, "rb") as file:
            file.seek(at)
            data = file.read()
    except FileNotFoundError:
        return at
    os.write(target, data)
    return at + len(data)
