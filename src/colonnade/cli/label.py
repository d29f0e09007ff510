# SPDX-License-Identifier: Apache-2.0
"""Tell what predicted rows turned out to be: `ref`, `label` and, of a request with several rows, `row`; in JSON lines,
a JSON list, or CSV with a header. Told again, nothing changes.

colonnade label credit truths.csv
echo '{"ref": "request/01a210b4431e2ac7b3c81d85", "label": 1}' | colonnade label credit
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from colonnade.app.presence import need_daemon
from colonnade.app.settings.environment import find_places
from colonnade.cli.output import emit, say
from colonnade.cli.predict import read_rows, read_text
from colonnade.core.errors import UsageError

AT_ONCE = 5_000
SUMS = ("count", "corrected", "same", "unscored", "unknown")


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("service", metavar="SERVICE", help="a service with a model")
    parser.add_argument("labels", metavar="FILE", nargs="?", default="-", help="labels (default: standard input)")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    labels = [_label(place, row) for place, row in enumerate(read_rows(read_text(args.labels)), 1)]
    from colonnade.sdk import Client

    client = Client(*need_daemon(find_places(args.folder)))
    told: dict[str, Any] = dict.fromkeys(SUMS, 0)
    refs: list[str] = []
    for start in range(0, len(labels), AT_ONCE):
        found = client.label(args.service, labels[start : start + AT_ONCE])
        told = {name: told[name] + found[name] for name in SUMS}
        refs += found["unknown_refs"]
    if args.json:
        emit({"schema": "colonnade.labels/1", "service": args.service, **told, "unknown_refs": refs})
    else:
        print(f"{told['count']:,} kept, {told['corrected']:,} of them corrections; {told['same']:,} were known")
        if told["unknown"]:
            say(f"{told['unknown']:,} belong to no request that is kept: {', '.join(refs[:3])}")
    return 1 if told["unknown"] else 0


def _label(place: int, row: Mapping[str, Any]) -> dict[str, Any]:
    """A label as the endpoint takes it. Raises UsageError."""
    if not row.get("ref") or row.get("label") is None or row["label"] == "":
        raise UsageError(
            f"label {place} has no `ref` or no `label`", hint="a ref is `request/HEX`, as the answer names it"
        )
    try:
        return {"ref": str(row["ref"]), "label": row["label"], "row": int(row.get("row") or 0)}
    except (TypeError, ValueError) as error:
        raise UsageError(f"label {place}: `row` is the row's place in the request, from 0") from error
