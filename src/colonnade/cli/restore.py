# SPDX-License-Identifier: Apache-2.0
"""A state from a backup, on this machine or another: every digest, the signature and the ledger are checked first, and
what was erased since the backup is erased in it, too.

colonnade restore FILE --home DIR                    keys from COLONNADE_KEYS
colonnade restore FILE --home DIR --keys KEYFILE     keys from `backup --with-keys`, under their passphrase

Erasures since the backup are told by the list beside the keys (KEYS/LOG.erased), or by one that you give: --erasures.
Nothing that is there is overwritten. Then: COLONNADE_HOME=DIR colonnade up
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from colonnade.app.settings.environment import find_places
from colonnade.cli.backup import ask_passphrase
from colonnade.cli.output import Progress, emit, paint, say
from colonnade.core.errors import UsageError


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("file", metavar="FILE", help="a backup")
    parser.add_argument("--home", metavar="DIR", help="the state directory to make; default: the project's own")
    parser.add_argument("--keys", metavar="KEYFILE", help="the keys, as `backup --with-keys` wrote them")
    parser.add_argument("--erasures", metavar="FILE", help="a newer list of erasures (KEYS/LOG.erased)")
    parser.add_argument("--since", action="append", default=[], metavar="FILE", help="a checkpoint to hold against it")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from colonnade.app.restoring import restore, take_keys

    places = find_places(args.folder)
    if args.home:
        places = replace(places, home=Path(args.home).resolve())
    if args.keys:
        take_keys(places, _read(args.keys), ask_passphrase(twice=False))
    progress = Progress()
    erasures = Path(args.erasures) if args.erasures else None
    since = [_read(path).decode("utf-8", "replace") for path in args.since]
    done = restore(places, Path(args.file), progress.show, erasures=erasures, since=since)
    progress.clear()
    if args.json:
        emit(done.to_json())
        return 0
    print(f"{paint(str(done.home), 'bold')}  {done.files:,} files of {done.made}, {done.entries:,} entries intact")
    for one in done.replayed:
        print(f"  erased again: erasure/{one}")
    say(f"next: COLONNADE_HOME={done.home} colonnade up")
    return 0


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
