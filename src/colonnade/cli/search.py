# SPDX-License-Identifier: Apache-2.0
"""Passages that you may read, best first. Needs the daemon."""

from __future__ import annotations

import argparse

from colonnade.app.presence import need_daemon
from colonnade.app.settings.environment import find_places
from colonnade.cli.output import emit, paint


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("query", help="words or a question, in quotes")
    parser.add_argument("--knowledge", default=None, help="which knowledge base; may be left out when there is one")
    parser.add_argument("-k", type=int, default=10, help="how many passages (default 10)")
    parser.add_argument(
        "--mode", choices=("hybrid", "lexical", "dense"), default="hybrid", help="how to search (default hybrid)"
    )
    parser.add_argument("--as", dest="person", default=None, metavar="PERSON", help="search with this person's rights")
    parser.add_argument(
        "--as-of", dest="as_of", default=None, metavar="TIME", help="content as of then, rights as of now"
    )


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from colonnade.sdk import Client

    url, token = need_daemon(find_places(args.folder))
    found = Client(url, token).search(
        args.query, knowledge=args.knowledge, k=args.k, mode=args.mode, acting_as=args.person, as_of=args.as_of
    )
    if args.json:
        emit(found)
        return 0
    for number, hit in enumerate(found["hits"], start=1):
        text = " ".join(hit["text"].split())
        where = " › ".join(hit.get("headings", ()))
        print(f"{number:>2}. {paint(hit['path'], 'bold')}  {where}  {paint(format(hit['score'], '.3f'), 'dim')}")
        print(f"    {text[:200]}{'…' if len(text) > 200 else ''}")
    return 0
