# SPDX-License-Identifier: Apache-2.0
"""Say yes or no to what waits for a person's word: a rollout that asks, an erasure.

colonnade approve                                what waits, and for whom
colonnade approve rollout/rol_... [--deny]       say the word

It is said with your own key (`colonnade keys create NAME --for YOU`): in COLONNADE_KEY, or in a file for --key-file.
The owner's token stands for the house, so it counts only where the declaration names no person.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from colonnade.app.presence import need_daemon
from colonnade.app.settings.environment import find_places, own_key
from colonnade.cli.output import emit, paint
from colonnade.core.errors import UsageError


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("ref", nargs="?", metavar="REF", help="what waits; without it, the list")
    parser.add_argument("--deny", action="store_true", help="say no")
    parser.add_argument("--key-file", metavar="FILE", help="the file that holds your key; otherwise COLONNADE_KEY")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from colonnade.sdk import Client

    url, token = need_daemon(find_places(args.folder))
    client = Client(url, _key(args.key_file) or token)
    if args.ref is not None:
        done = client.approve(args.ref, "deny" if args.deny else "allow")
        if args.json:
            emit(done)
        else:
            print(f"{done['ref']}: {paint(done['verdict'], 'bold')}, {done['decision']}")
        return 0
    if args.deny:
        raise UsageError("say no to what?", hint="colonnade approve REF --deny")
    found = client.approvals()
    if args.json:
        emit(found)
        return 0
    for one in found["waiting"]:
        who = ", ".join(one["persons"]) or "the owner"
        print(f"{paint(one['ref'], 'bold')}  {one['about']}, waits for {who} since {one['since']}")
        print(f"  {one['reason']}")
    if not found["waiting"]:
        print("nothing waits for anybody")
    return 0


def _key(path: str | None) -> str:
    if path is None:
        return own_key()
    try:
        return Path(path).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        hint = "`colonnade keys create NAME --for YOU` makes one"
        raise UsageError(f"{path} cannot be read: {error}", hint=hint) from error
