# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL as a source: one statement in a transaction that only reads and sees one moment, within a time, its rows
streamed. Needs psycopg (extra `postgres`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from colonnade.adapters.sources.rows import digest_of, to_csv
from colonnade.core.errors import MissingExtra, Unavailable, UsageError
from colonnade.ports.outside.sources import Source

CONNECT_S = 10
ROWS = 2000
"""Fetched at once."""
_STEADY = ("SET LOCAL synchronize_seqscans = off", "SET LOCAL max_parallel_workers_per_gather = 0")
"""So that a query without ORDER BY gives the rows of an unchanged table in the same order."""


def digest(source: Source, url: str, password: str) -> str:
    """Of the rows of its cheap query, if it has one, or of all."""
    with _rows(source, source.changes or source.where, url, password) as (columns, rows):
        return digest_of(columns, rows)


def fetch(source: Source, url: str, password: str, to: Path) -> None:
    """The result as CSV."""
    with _rows(source, source.where, url, password) as (columns, rows):
        to_csv(columns, rows, to)


@contextlib.contextmanager
def _rows(
    source: Source, query: str, url: str, password: str
) -> Iterator[tuple[Sequence[str], Iterator[Sequence[Any]]]]:
    psycopg = _psycopg()
    secrets = [password, _password_in(psycopg, url)]
    try:
        with _connected(psycopg, url, password) as database:
            database.read_only = True
            database.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            for steady in (*_STEADY, f"SET LOCAL statement_timeout = {source.timeout_s * 1000}"):
                database.execute(steady)
            with database.cursor() as cursor, contextlib.closing(cursor.stream(_one(query), size=ROWS)) as stream:
                first = next(stream, None)
                if cursor.description is None:
                    raise UsageError("the query gives no rows", hint="it begins with SELECT", code="query_invalid")
                yield [column.name for column in cursor.description], _with(first, stream)
    except psycopg.Error as error:
        raise _plain(psycopg, error, source.timeout_s, [one for one in secrets if one]) from None


def _connected(psycopg: Any, url: str, password: str) -> Any:
    options: dict[str, Any] = {"connect_timeout": CONNECT_S, "application_name": "colonnade"}
    options |= {"password": password} if password else {}
    try:
        return psycopg.connect(url, **options)
    except psycopg.ProgrammingError:
        hint = "postgresql://USER@HOST:PORT/DATABASE"
        raise UsageError("the url of the database cannot be read", hint=hint, code="query_invalid") from None


def _with(first: Sequence[Any] | None, rest: Iterator[Sequence[Any]]) -> Iterator[Sequence[Any]]:
    if first is not None:
        yield first
        yield from rest


def _one(query: str) -> bytes:
    """The statement; the extended protocol, in which it is sent, takes no second one."""
    return query.strip().rstrip(";").encode()


def _plain(psycopg: Any, error: Exception, timeout_s: int, secrets: Sequence[str]) -> Exception:
    said = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    for secret in secrets:
        said = said.replace(secret, "***")
    if isinstance(error, psycopg.errors.QueryCanceled):
        hint = "make the query cheaper, or raise timeout_s"
        return Unavailable(f"the query took longer than {timeout_s} s", hint=hint, code="query_slow")
    if "authentication failed" in said or "no password supplied" in said or ("role" in said and "not exist" in said):
        hint = "see the variable that url_env or password_env names"
        return Unavailable(f"the database refused the login: {said}", hint=hint, code="source_refused")
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return Unavailable(f"the database does not answer: {said}", hint="it is asked again", code="source_down")
    return UsageError(f"the query is refused: {said}", hint="it may only read, in one statement", code="query_invalid")


def _password_in(psycopg: Any, url: str) -> str:
    try:
        return str(psycopg.conninfo.conninfo_to_dict(url).get("password") or "")
    except psycopg.Error:
        return ""


def _psycopg() -> ModuleType:
    try:
        import psycopg
        import psycopg.conninfo
    except ImportError as error:
        message = "PostgreSQL as a source needs psycopg, which is not installed"
        raise MissingExtra(message, hint="pip install 'colonnade[postgres]'") from error
    return psycopg
