# SPDX-License-Identifier: Apache-2.0
"""What an error code means and what to do about it. Offline."""

from __future__ import annotations

import argparse
import difflib

from colonnade.cli.output import emit
from colonnade.core.errors import UnknownName
from colonnade.core.explanations import EXPLANATIONS


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("code", nargs="?", help="the code, as an error's JSON or a list of unreadable files shows it")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    if not args.code and args.json:
        emit({"schema": "colonnade.explain/1", "codes": dict(sorted(EXPLANATIONS.items()))})
        return 0
    if not args.code:
        width = max(map(len, EXPLANATIONS))
        for code, text in sorted(EXPLANATIONS.items()):
            print(f"{code:<{width}}  {text.partition('. ')[0].rstrip('.')}.")
        return 0
    if args.code not in EXPLANATIONS:
        near = difflib.get_close_matches(args.code, EXPLANATIONS, n=1)
        raise UnknownName(
            f"there is no code {args.code!r}",
            hint=f"did you mean {near[0]!r}?" if near else "`colonnade explain` lists them",
        )
    text = EXPLANATIONS[args.code]
    if args.json:
        emit({"schema": "colonnade.explain/1", "code": args.code, "text": text})
    else:
        print(text)
    return 0
