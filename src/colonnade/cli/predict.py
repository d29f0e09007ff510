# SPDX-License-Identifier: Apache-2.0
"""Predictions of a served model, one a row. Rows are JSON lines, a JSON list, or CSV with a header.

colonnade predict credit rows.csv
echo '{"age": 41, "income": 38000}' | colonnade predict credit
colonnade predict credit --file all.parquet --out answers.csv --keep customer
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import sys
from pathlib import Path
from typing import Any

from colonnade.app.presence import need_daemon
from colonnade.app.settings.environment import find_places
from colonnade.cli.output import Progress, emit, say
from colonnade.core.errors import UsageError

AT_ONCE = 1_000


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("service", metavar="SERVICE", help="a service with a model")
    parser.add_argument("rows", metavar="FILE", nargs="?", default="-", help="rows (default: standard input)")
    whole = parser.add_argument_group("a whole file, however long; the same command goes on after a kill")
    whole.add_argument("--file", metavar="IN", help="a .csv, .jsonl or .parquet file")
    whole.add_argument("--out", metavar="OUT", help="a .csv, .jsonl or .parquet file that is not there yet")
    whole.add_argument("--batch", metavar="N", type=int, default=256, help="rows a request (default: 256)")
    whole.add_argument("--concurrency", metavar="N", type=int, default=4, help="requests at once (default: 4)")
    whole.add_argument("--keep", metavar="COLUMN,...", default="", help="columns of IN that go to OUT")
    whole.add_argument(
        "--on-error", choices=("skip", "stop"), default="skip", help="rows that are wrong: told in OUT, or the end"
    )


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    if args.file or args.out:
        return _whole_file(args)
    rows = read_rows(read_text(args.rows))
    from colonnade.sdk import Client

    client = Client(*need_daemon(find_places(args.folder)))
    predictions: list[Any] = []
    versions: list[str] = []
    refs: list[str] = []
    for start in range(0, len(rows), AT_ONCE):
        done = client.predict(rows[start : start + AT_ONCE], args.service)
        refs.append(done["ref"])
        versions += [done["version"]] * (done["version"] not in versions)
        predictions += done["predictions"]
        if not args.json:
            for value in done["predictions"]:
                print(json.dumps(value, ensure_ascii=False))
    if args.json:
        emit({
            "schema": "colonnade.predict/1", "ref": refs[0], "service": args.service, "version": versions[-1],
            "versions": versions, "predictions": predictions,
        })  # fmt: skip
    return 0


def _whole_file(args: argparse.Namespace) -> int:
    from colonnade.app.batches.doing import Wanted, predict_file

    if not args.out or not (args.file or args.rows != "-"):
        raise UsageError("a whole file needs --file and --out", hint="colonnade predict SERVICE --file IN --out OUT")
    for name in ("batch", "concurrency"):
        if not 1 <= getattr(args, name) <= 100_000:
            raise UsageError(f"--{name} is at least 1")
    places, progress = find_places(args.folder), Progress()
    keep = tuple(name for name in args.keep.split(",") if name)
    wanted = Wanted(
        args.service, Path(args.file or args.rows), Path(args.out), args.batch, min(args.concurrency, 64), keep,
        args.on_error == "stop",
    )  # fmt: skip
    need_daemon(places)
    try:
        done = predict_file(wanted, lambda: need_daemon(places), progress.show)
    finally:
        progress.clear()
    if args.json:
        emit(done)
        return 0
    for row in done["wrong_rows"]:
        say(f"line {row['line']}: {row['error']}")
    more = f", {done['wrong']:,} wrong (see the column `error`)" if done["wrong"] else ""
    began = f", of which {done['resumed_at']:,} were there already" if done["resumed_at"] else ""
    say(f"{done['rows']:,} rows{began}: {done['answered']:,} answered{more}, {done['rows_per_s']:,} a second")
    return 0


def read_rows(text: str) -> list[dict[str, Any]]:
    """Rows of a text. Raises UsageError for what is none.

    >>> read_rows('age,name\\n41,Ann')
    [{'age': 41, 'name': 'Ann'}]
    >>> read_rows('{"age": 41}\\n{"age": 7}')
    [{'age': 41}, {'age': 7}]
    """
    from colonnade.app.batches.rows import value_of

    start = text.lstrip()[:1]
    try:
        if start == "[":
            rows = json.loads(text)
        elif start == "{":
            rows = [json.loads(line) for line in text.splitlines() if line.strip()]
        else:
            rows = [{name: value_of(value) for name, value in row.items()} for row in csv.DictReader(io.StringIO(text))]
    except ValueError as wrong:
        raise UsageError(f"the rows cannot be read: {wrong}", hint="JSON lines, a JSON list, or CSV") from wrong
    if not rows or not all(isinstance(row, dict) for row in rows):
        raise UsageError("there are no rows", hint="JSON lines, a JSON list, or CSV with a header")
    return list(rows)


def read_text(file: str) -> str:
    """A file's text; of "-", what comes on standard input. Raises UsageError."""
    if file == "-":
        return sys.stdin.read()
    try:
        return Path(file).read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}") from error
