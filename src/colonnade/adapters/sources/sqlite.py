# SPDX-License-Identifier: Apache-2.0
"""SQLite as a source: opened for reading only, one statement, one transaction, within a time."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from colonnade.adapters.sources.rows import digest_of, to_csv
from colonnade.core.errors import Unavailable, UsageError
from colonnade.ports.outside.sources import Source

STEPS = 100_000
"""Virtual machine steps between looks at the clock."""
_DENIED = {sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH, sqlite3.SQLITE_PRAGMA}


def file_of(url: str, folder: Path) -> Path:
    """The file of `sqlite:///FILE`, relative to the declaration; four slashes make it absolute.

    >>> file_of("sqlite:///data.db", Path("/x")).as_posix(), file_of("sqlite:////y/data.db", Path("/x")).as_posix()
    ('/x/data.db', '/y/data.db')
    """
    return folder / unquote(url.partition(":")[2].removeprefix("///"))


def fingerprint(path: Path) -> str:
    """Changes with every commit: size and time of the file and of its write-ahead log."""
    said = []
    for one in (path, path.with_name(path.name + "-wal")):
        with contextlib.suppress(OSError):
            stat = one.stat()
            said.append(f"{stat.st_size}:{stat.st_mtime_ns}:{stat.st_ino}")
    return "/".join(said)


def digest(source: Source, path: Path) -> str:
    """Of the rows of its cheap query, if it has one, or of all."""
    with _rows(path, source.changes or source.where, source.timeout_s) as (columns, rows):
        return digest_of(columns, rows)


def fetch(source: Source, path: Path, to: Path) -> None:
    """The result as CSV."""
    with _rows(path, source.where, source.timeout_s) as (columns, rows):
        to_csv(columns, rows, to)


@contextlib.contextmanager
def _rows(path: Path, query: str, timeout_s: int) -> Iterator[tuple[Sequence[str], Iterator[Sequence[Any]]]]:
    if not path.is_file():
        raise Unavailable(f"there is no database {path.name}", hint="see the source's url", code="source_down")
    ends = time.monotonic() + timeout_s
    try:
        with contextlib.closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=10)) as database:
            database.execute("PRAGMA query_only = 1")
            database.set_authorizer(lambda action, *_: sqlite3.SQLITE_DENY if action in _DENIED else sqlite3.SQLITE_OK)
            database.set_progress_handler(lambda: int(time.monotonic() > ends), STEPS)
            cursor = database.execute(query)
            if cursor.description is None:
                raise UsageError("the query gives no rows", hint="it begins with SELECT", code="query_invalid")
            yield [column[0] for column in cursor.description], cursor
    except sqlite3.Error as error:
        raise _plain(error, path, timeout_s) from error


def _plain(error: sqlite3.Error, path: Path, timeout_s: int) -> Exception:
    said = str(error)
    if said == "interrupted":
        hint = "make the query cheaper, or raise timeout_s"
        return Unavailable(f"the query took longer than {timeout_s} s", hint=hint, code="query_slow")
    if "not a database" in said or "malformed" in said or "locked" in said or "unable to open" in said:
        return Unavailable(f"{path.name}: {said}", hint="is it whole, and may it be read?", code="source_down")
    return UsageError(f"the query is refused: {said}", hint="it may only read, in one statement", code="query_invalid")
