# SPDX-License-Identifier: Apache-2.0
"""A report from evidence: each statement is measured and proved, declared, or visibly missing.

KIND is annex-iv (EU AI Act, technical documentation), art-12 (its record-keeping), model-card, data-sheet, or ml-bom
(CycloneDX 1.7). Works without a daemon and without network.

`--verify FILE --key KEY` checks a report in JSON as a stranger would: every number of it follows from entries that the
log's key signed. `--log DIR`: counts again in an exported log, too. `--verifier DIR` writes the program that does this
without Colonnade.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from colonnade.cli.output import emit, say
from colonnade.core.errors import UsageError

KINDS = ("annex-iv", "art-12", "model-card", "data-sheet", "ml-bom")


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("kind", nargs="?", choices=KINDS, metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("--model", default="", metavar="NAME", help="of which model; left out, the only one")
    parser.add_argument("--service", default="", metavar="NAME", help="of the model that answers here")
    parser.add_argument(
        "--format", choices=("html", "markdown", "json"), help="default: by the end of --out, or markdown"
    )
    parser.add_argument("--out", metavar="FILE", help="write it there")
    parser.add_argument("--verify", metavar="FILE", help="check a report in JSON; KIND is left out")
    parser.add_argument("--key", metavar="KEY", help="with --verify: the log's verifier key, or a file that holds it")
    parser.add_argument("--log", default="", metavar="DIR", help="with --verify: an exported log, to count again in")
    parser.add_argument("--verifier", metavar="DIR", help="write verify_report.py and verify.py there")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    if args.verify:
        return _verify(args)
    if args.verifier:
        from colonnade.app.reportfiles import write_verifier

        print("\n".join(map(str, write_verifier(Path(args.verifier)))))
        return 0
    if args.kind is None:
        raise UsageError("a report of which kind?", hint=f"colonnade report KIND: {', '.join(KINDS)}")
    return _make(args)


def _make(args: argparse.Namespace) -> int:
    from colonnade.app.reportfiles import written
    from colonnade.app.settings.environment import find_places

    form = "json" if args.json or (args.kind == "ml-bom" and not args.format) else args.format or _form(args.out)
    text, summary = written(find_places(args.folder), args.kind, form, model=args.model, service=args.service)
    if args.out:
        try:
            Path(args.out).write_text(text, "utf-8")
        except OSError as error:
            raise UsageError(f"{args.out} cannot be written: {error.strerror}", hint="--out takes a file") from error
        say(f"{args.out}: {summary}")
    if not args.out or args.json:
        print(text, end="" if text.endswith("\n") else "\n")
    return 0


def _form(out: str | None) -> str:
    """By the end of the file's name."""
    return {".html": "html", ".htm": "html", ".json": "json"}.get(Path(out or "").suffix.lower(), "markdown")


def _verify(args: argparse.Namespace) -> int:
    from colonnade.app.reporting import check_report
    from colonnade.govern.reports.standalone import words

    if not args.key:
        raise UsageError("--verify needs --key KEY", hint="`colonnade checkpoint --key` prints it where the log is")
    from colonnade.govern.reports.html import embedded

    try:
        text = Path(args.verify).read_text("utf-8")
        document: dict[str, Any] = embedded(text) if text[:1] == "<" else json.loads(text)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{args.verify} is no report in JSON: {error}", hint="report KIND --json --out FILE"
        ) from error
    found = check_report(document, _key(args.key), args.log)
    if args.json:
        emit(found)
    else:
        print(words(found))
    return 0 if found["holds"] else 1


def _key(said: str) -> str:
    path = Path(said)
    return path.read_text("utf-8").strip() if path.is_file() else said
