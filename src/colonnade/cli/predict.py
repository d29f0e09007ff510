# SPDX-License-Identifier: Apache-2.0
"""Predictions of a served model, one a row. Rows are JSON lines, a JSON list, or CSV with a header.

colonnade predict credit rows.csv
echo '{"age": 41, "income": 38000}' | colonnade predict credit
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
from colonnade.cli.output import emit
from colonnade.core.errors import UsageError

AT_ONCE = 1_000


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("service", metavar="SERVICE", help="a service with a model")
    parser.add_argument("file", metavar="FILE", nargs="?", default="-", help="rows (default: standard input)")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    rows = read_rows(_text(args.file))
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


def read_rows(text: str) -> list[dict[str, Any]]:
    """Rows of a text. Raises UsageError for what is none.

    >>> read_rows('age,name\\n41,Ann')
    [{'age': 41, 'name': 'Ann'}]
    >>> read_rows('{"age": 41}\\n{"age": 7}')
    [{'age': 41}, {'age': 7}]
    """
    start = text.lstrip()[:1]
    try:
        if start == "[":
            rows = json.loads(text)
        elif start == "{":
            rows = [json.loads(line) for line in text.splitlines() if line.strip()]
        else:
            rows = [{name: _value(value) for name, value in row.items()} for row in csv.DictReader(io.StringIO(text))]
    except ValueError as wrong:
        raise UsageError(f"the rows cannot be read: {wrong}", hint="JSON lines, a JSON list, or CSV") from wrong
    if not rows or not all(isinstance(row, dict) for row in rows):
        raise UsageError("there are no rows", hint="JSON lines, a JSON list, or CSV with a header")
    return list(rows)


def _value(text: str | None) -> Any:
    """CSV knows text only: what looks like a number is one."""
    for kind in (int, float):
        try:
            return kind(text or "")
        except ValueError:
            continue
    return text or None


def _text(file: str) -> str:
    if file == "-":
        return sys.stdin.read()
    try:
        return Path(file).read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}") from error
