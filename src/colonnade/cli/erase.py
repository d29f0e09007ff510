# SPDX-License-Identifier: Apache-2.0
"""Erase documents and persons: the plan, a second person's word, then keys, text, index and answers are gone, provably.

colonnade erase document/PATH person/NAME        ask; exit 3 until somebody else approves with their own key
colonnade erase document/PATH --dry-run          only the plan: nothing is asked for
colonnade approve erasure/ID                     the second person, with COLONNADE_KEY: erased when this returns

The same words again show how it stands: 3 while it waits or was denied, 0 once it is done, with the proof. With
--mine a person asks for themselves, with COLONNADE_KEY. What lies in your source folders is yours to delete; it is
never read again.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from colonnade.app.presence import need_daemon
from colonnade.app.settings.environment import find_places, own_key
from colonnade.cli.output import emit, paint

SHOWN = 10
EXITS = {"planned": 0, "done": 0}


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("refs", nargs="+", metavar="REF", help="document/PATH, document/ID, person/NAME, erasure/ID")
    parser.add_argument("--dry-run", action="store_true", help="only the plan")
    parser.add_argument("--mine", action="store_true", help="ask for yourself, with your own key in COLONNADE_KEY")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from colonnade.sdk import Client

    url, token = need_daemon(find_places(args.folder))
    done = Client(url, own_key() if args.mine else token, timeout_s=3600.0).erase(args.refs, dry_run=args.dry_run)
    if args.json:
        emit(done)
    else:
        print("\n".join(_lines(done)))
    return EXITS.get(done["state"], 3)


def _lines(done: Mapping[str, Any]) -> list[str]:
    waits = done["state"] == "asked"
    went = "went" if done["state"] == "done" else "go"
    lines = [
        f"{paint(done['ref'] or 'plan', 'bold')}  {done['state']}" + (": a second person decides" if waits else "")
    ]
    lines += [f"  {subject}" for subject in done["subjects"]]
    lines.append(f"  keys        {done['keys']} destroyed" if went == "went" else f"  keys        {done['keys']} die")
    lines.append(f"  texts       {len(done['contents'])} {went}, in {done['blobs']} sealed files")
    lines += [f"  index       {one['knowledge']}: {one['chunks']} passages {went}" for one in done["indexes"]]
    lines.append(f"  answers     {len(done['answers'])} {'lost' if went == 'went' else 'lose'} their text")
    lines += [f"    {answer}" for answer in done["answers"][:SHOWN]]
    if len(done["answers"]) > SHOWN:
        lines.append(f"    and {len(done['answers']) - SHOWN} more: --json lists all")
    if done["runs"] or done["feedback"]:
        lines.append(f"  also        {len(done['runs'])} runs, {done['feedback']} words about answers")
    lines += [f"  file        {path}: delete it yourself" for path in done.get("files", [])]
    lines += [f"  stays       {left}" for left in done["left"]]
    if "decided_by" in done:
        lines.append(f"  decided     by {done['decided_by']}, {done['decision']}")
    if "proof" in done:
        lines.append(f"  proof       {done['proof'].get('entry', 'in the ledger')}, {done['proof']['done']}")
    if waits:
        lines += [f"  approvers   {', '.join(done['approvers']) or 'nobody any more'}", "", f"  {done['approve']}"]
    return lines
