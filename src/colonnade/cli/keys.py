# SPDX-License-Identifier: Apache-2.0
"""API keys of this project: made for a person, shown once, revoked at once. Needs the daemon.

colonnade keys create laptop --for anna [--expires-days 90]
colonnade keys list
colonnade keys revoke laptop
"""

from __future__ import annotations

import argparse
import difflib
from datetime import UTC, datetime

from colonnade.app.presence import need_daemon
from colonnade.app.settings.environment import Places, find_places
from colonnade.cli.output import emit, say, table
from colonnade.core.errors import ColonnadeError, UnknownName, UsageError

MOST_DAYS = 100_000
DAY_MS = 86_400_000


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("action", choices=("create", "list", "revoke"))
    parser.add_argument("name", nargs="?", help="the key's name (or id, for revoke)")
    parser.add_argument("--for", dest="person", metavar="PERSON", help="whose rights the key carries")
    parser.add_argument(
        "--expires-days", type=float, default=None, metavar="N", help="out of force after N days (default: never)"
    )


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from colonnade.sdk import Client

    places = find_places(args.folder)
    url, token = need_daemon(places)
    client = Client(url, token)
    if args.action == "list":
        return _list(client.keys(), args)
    if not args.name:
        raise UsageError(f"which key? `keys {args.action}` needs a name", hint=f"colonnade keys {args.action} NAME")
    if args.action == "create":
        if not args.person:
            raise UsageError(
                "for whom? `keys create` needs --for PERSON", hint="colonnade keys create laptop --for anna"
            )
        expires = None
        if args.expires_days is not None and not 0 < args.expires_days < MOST_DAYS:
            raise UsageError(f"--expires-days must be more than 0 and less than {MOST_DAYS}", hint="for example 90")
        if args.expires_days is not None:
            expires = int(datetime.now(UTC).timestamp() * 1000 + args.expires_days * DAY_MS)
        made = client.create_key(args.name, args.person, expires)
        if args.json:
            emit(made)
        else:
            print(made["key"])
            say(f"this is {args.person}'s key {args.name!r}; it is shown this once")
            if note := _stranger(places, args.person):
                say(f"note: {note}; `colonnade keys revoke {args.name}` takes it back")
        return 0
    rows = client.keys()
    found = [row for row in rows if args.name in (row["id"], row["name"], row["ref"]) and row["revoked_ms"] is None]
    if not found:
        raise UnknownName(f"there is no key {args.name!r} in force", hint="`colonnade keys list` shows them")
    client.revoke_key(found[0]["id"])
    if args.json:
        emit({"schema": "colonnade.key/1", "id": found[0]["id"], "revoked": True})
    else:
        say(f"revoked {args.name}; it opens nothing any more")
    return 0


def _stranger(places: Places, person: str) -> str:
    """What to know about a key for somebody whom no group names: most often a name with a slip in it."""
    from colonnade.app.settings.declaration import read_declaration

    try:
        people = read_declaration(places.declaration).people()
    except ColonnadeError:
        return ""
    if person in people or person == "owner":
        return ""
    near = difflib.get_close_matches(person, people, n=1)
    meant = f" (did you mean {near[0]}?)" if near else ""
    return f'no group of colonnade.yaml names {person}{meant}: this key reads what every person ("*") may'


def _list(keys: list[dict[str, object]], args: argparse.Namespace) -> int:
    if args.json:
        emit({"schema": "colonnade.keys/1", "keys": keys})
        return 0
    rows = []
    for key in keys:
        state = "revoked" if key["revoked_ms"] else "owner" if key["owner"] else "reader"
        rows.append(
            [
                str(key["name"]),
                str(key["person"]),
                state,
                _day(key["created_ms"]),
                _day(key["expires_ms"]),
                str(key["id"]),
            ]
        )
    print(table(rows, ["NAME", "FOR", "RIGHT", "MADE", "ENDS", "ID"]))
    return 0


def _day(ms: object) -> str:
    return datetime.fromtimestamp(int(str(ms)) / 1000, UTC).strftime("%Y-%m-%d") if ms else "-"
