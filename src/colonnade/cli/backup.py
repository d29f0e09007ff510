# SPDX-License-Identifier: Apache-2.0
"""The whole state as one signed file, also while the daemon serves.

colonnade backup FILE                        sealed as it lies there: without the keys nobody reads it
colonnade backup FILE --with-keys KEYFILE    and the keys under a passphrase, in a file of their own

The passphrase is asked for, or taken from COLONNADE_PASSPHRASE. Keep the two files apart: together they are everything.
0: whole. 1: written, but some sealed files no longer match their digests.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from colonnade.app.settings.environment import find_places, is_terminal, passphrase
from colonnade.cli.output import Progress, emit, paint, say
from colonnade.core.errors import UsageError


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("file", metavar="FILE", help="is written; must not be there yet")
    parser.add_argument("--with-keys", metavar="KEYFILE", help="write the keys, too, under a passphrase")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from colonnade.app.backups import back_up, keep_keys

    places = find_places(args.folder)
    words = ask_passphrase(twice=True) if args.with_keys else ""
    progress = Progress()
    done = back_up(places, Path(args.file), progress.show)
    progress.clear()
    if args.with_keys:
        done.keys = Path(args.with_keys)
        keep_keys(places, done.keys, words)
    if args.json:
        emit(done.to_json())
    else:
        rate = done.size / 1e6 / max(done.seconds, 1e-9)
        print(f"{paint(str(done.path), 'bold')}  {len(done.files):,} files, {done.size:,} bytes, {rate:,.0f} MB/s")
        if done.keys:
            print(f"{done.keys}  the keys, under your passphrase")
        else:
            say(f"the keys are not in it: {places.keys} (or --with-keys KEYFILE)")
        for one in done.damaged:
            say(f"damaged, and not in it: {one}")
    return 1 if done.damaged else 0


def ask_passphrase(*, twice: bool) -> str:
    """From the environment, or typed. Raises UsageError where nobody types."""
    held = passphrase()
    if held:
        return held
    if not is_terminal():
        raise UsageError("the keys need a passphrase", hint="set COLONNADE_PASSPHRASE")
    import getpass

    typed = getpass.getpass("Passphrase: ")
    if twice and getpass.getpass("Again: ") != typed:
        raise UsageError("the two are not the same")
    return typed
