# SPDX-License-Identifier: Apache-2.0
"""A grounded, cited answer; or an abstention that says why. Needs the daemon.

--as PERSON asks with that person's rights: the owner's right, and recorded. --as-of TIME answers from the content of
then, with the rights of now; TIME is RFC 3339, or milliseconds since 1970.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from colonnade.app.presence import need_daemon
from colonnade.app.settings.environment import find_places
from colonnade.cli.output import emit, paint, say

NEXT = "`colonnade search` with the same words shows the nearest passages"


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("question", nargs="+", help="the question, in quotes when it holds a ? or another mark")
    parser.add_argument("--service", default=None, help="which service; may be left out when there is one")
    parser.add_argument("--as", dest="person", default=None, metavar="PERSON", help="ask with this person's rights")
    parser.add_argument(
        "--as-of", dest="as_of", default=None, metavar="TIME", help="content as of then, rights as of now"
    )


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from colonnade.sdk import Client

    url, token = need_daemon(find_places(args.folder))
    question = " ".join(args.question)
    answer = Client(url, token).ask(question, service=args.service, acting_as=args.person, as_of=args.as_of)
    if args.json:
        emit(answer)
    else:
        show(answer, as_of=args.as_of)
    return 0


def show(answer: Mapping[str, Any], *, as_of: str | None = None) -> None:
    """For people. `as_of` is the time that was asked about, where one was."""
    print(answer["answer"])
    if answer["status"] == "abstained":
        past = f"; asked of what stood there at {as_of}" if as_of else ""
        say(f"\nabstained{past}: {NEXT}")
    if answer.get("note"):
        say(f"\nnote: {answer['note']}")
    for number, citation in enumerate(answer["citations"], start=1):
        page = f", page {citation['page']}" if citation.get("page") else ""
        print(f"\n[{number}] {paint(citation['path'], 'bold')}{page}  {paint(_place(citation), 'dim')}")
    say(f"\n{paint(answer['ref'], 'dim')}   colonnade why {answer['ref']}")


def _place(citation: Mapping[str, Any]) -> str:
    """The address at which a browser shows the quote marked."""
    return f"{citation['url']}?start={citation['start']}&end={citation['end']}#span"
