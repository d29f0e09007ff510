# SPDX-License-Identifier: Apache-2.0
"""The last signed checkpoint of the log: what an auditor, or you yourself, hold against it later.

`colonnade checkpoint publish TARGET...` keeps it outside this machine: a file's path, `git:FOLDER` (one commit each,
pushed where the branch follows another), or an http(s) URL (PUT). What was put there before is held against the log
first. Run it from a timer: tampering is found against every checkpoint that left.
"""

from __future__ import annotations

import argparse

from colonnade.app.settings.environment import find_places
from colonnade.cli.output import emit, say
from colonnade.core.errors import UsageError


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("action", nargs="?", choices=("show", "publish"), default="show")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="a path, git:FOLDER, or a URL")
    parser.add_argument("--key", action="store_true", help="print the verifier key: hand it over by another way")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from colonnade.app.evidence import publish, signed_checkpoint

    places = find_places(args.folder)
    if args.action == "publish":
        if not args.targets:
            raise UsageError("publish where?", hint="colonnade checkpoint publish FILE|git:FOLDER|URL")
        done = [publish(places, target) for target in args.targets]
        if args.json:
            emit({**done[-1][0].to_json(), "published": [where for _, where in done]})
        else:
            for signed, where in done:
                print(f"{signed.checkpoint.size} entries: {where}")
        return 0
    if args.targets:
        raise UsageError("a checkpoint is shown without a target", hint="did you mean `checkpoint publish`?")
    signed = signed_checkpoint(places)
    if args.json:
        emit(signed.to_json())
    elif args.key:
        print(signed.key.text())
    else:
        print(signed.note, end="")
        say("keep it where this machine cannot write: `colonnade verify --since FILE` finds what changes after it")
    return 0
