# SPDX-License-Identifier: Apache-2.0
"""Is the ledger intact? Checks the state file's seal, every leaf, the tree, every checkpoint and its signature, and the
edges.

--since holds a checkpoint that left the machine against the log: that finds what was truncated or rewritten. --export
writes the evidence for an auditor, with a program of one file that checks it without us; --open hands over the values
behind the entries about a REF. --vectors runs published Merkle vectors against our arithmetic.

0: intact. 1: not, with what and where. Works without a daemon and without network.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from colonnade.app.settings.environment import find_places
from colonnade.cli.output import Progress, emit
from colonnade.core.errors import UsageError


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument(
        "--quick", action="store_true", help="hashes, tree and signatures only; about five times faster"
    )
    parser.add_argument(
        "--since", action="append", default=[], metavar="FILE", help="a checkpoint from before; may be repeated"
    )
    parser.add_argument("--export", metavar="DIR", help="write the evidence for an auditor into a new folder")
    parser.add_argument(
        "--open", action="append", default=[], metavar="REF", help="with --export: hand over the values about this"
    )
    parser.add_argument("--vectors", metavar="DIR", help="only run Merkle vectors, inclusion/ and consistency/")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    if args.vectors:
        return _vectors(args)
    if args.open and not args.export:
        raise UsageError("--open goes with --export", hint="verify --export DIR --open answer/ID")
    from colonnade.app.verifying import verify_places

    places = find_places(args.folder)
    report = verify_places(places, deep=not args.quick, since=[_note(path) for path in args.since])
    document = report.to_json()
    lines = [report.to_text()]
    if args.export:
        from colonnade.app.evidence import export_evidence

        progress = Progress()
        exported = export_evidence(
            places, Path(args.export), args.open, lambda done, total: progress.show("export", done, total)
        )
        progress.clear()
        document["export"] = exported.to_json()
        lines.append(f"exported    {exported.entries} entries to {exported.folder}, {exported.opened} values opened")
        lines += [f"  not opened: {entry}" for entry in exported.closed]
        lines.append(f"  check it: python3 -I {exported.folder}/verify.py --key KEY (`colonnade checkpoint --key`)")
    if args.json:
        emit(document)
    else:
        print("\n".join(lines))
    return 0 if report.intact else 1


def _note(path: str) -> str:
    try:
        return Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        hint = "`colonnade checkpoint publish FILE` writes one"
        raise UsageError(f"{path} cannot be read: {error}", hint=hint, code="checkpoint_unreadable") from error


def _vectors(args: argparse.Namespace) -> int:
    from colonnade.govern.ledger.vectors import run_vectors

    found = run_vectors(Path(args.vectors))
    wrong = [vector for vector in found if vector.wanted != vector.accepted]
    if args.json:
        emit({
            "schema": "colonnade.vectors/1", "vectors": len(found), "wrong": [vector.path for vector in wrong],
            "accepted": sum(vector.accepted for vector in found),
        })  # fmt: skip
    else:
        for vector in wrong:
            print(f"{vector.path}: {'accepted' if vector.accepted else 'rejected'}, and must not be")
        print(f"{len(found) - len(wrong)} of {len(found)} vectors as published")
    return 1 if wrong else 0
