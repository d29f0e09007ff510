# SPDX-License-Identifier: Apache-2.0
"""The `state` port on sqlite. Writes go through one connection, one at a time; each reading thread has a connection of
its own.

Only SQL plumbing is here: what a statement means stands in `statements.sql`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import cast

from colonnade.adapters.state.sqlite.statements import migrations, statements
from colonnade.adapters.state.sqlite.storeclock import StoreClock
from colonnade.core.errors import ColonnadeError, StateError, StorageFull, Tampered
from colonnade.core.ids import ENTROPY_BYTES, new_id
from colonnade.core.leaf import Leaf
from colonnade.ports.outside.clock import Clock
from colonnade.ports.outside.state import Row, Transaction, Value

MEMORY = ":memory:"
COPIED_PAGES = 4096
"""At once, by `copy`."""
VERSION = sqlite3.sqlite_version


class SqliteTransaction:
    """One write transaction. Used by one thread, within `SqliteState.transaction`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def run(self, name: str, /, **values: Value) -> int:
        """Run a named statement; the number of rows that it changed."""
        return self._connection.execute(statements()[name], values).rowcount

    def many(self, name: str, rows: Iterable[Mapping[str, Value]], /) -> None:
        """Run a named statement once per row."""
        self._connection.executemany(statements()[name], rows)

    def rows(self, name: str, /, **values: Value) -> list[Row]:
        """Read within the transaction."""
        return cast("list[Row]", self._connection.execute(statements()[name], values).fetchall())

    def append(self, leaf: Leaf, /) -> None:
        """Append a leaf with its edges."""
        data = leaf.to_bytes()
        digest = hashlib.sha256(b"\x00" + data).digest()
        execute = self._connection.execute
        sql = statements()
        subject = leaf.subject
        entry = {"id": leaf.id, "project": leaf.project, "subject": subject, "kind": leaf.kind}
        seq = execute(sql["entry_add"], {**entry, "bytes": data, "hash": digest}).lastrowid
        if leaf.refs:
            edges = [(subject, seq, place, role, ref) for place, (role, ref) in enumerate(leaf.refs)]
            self._connection.executemany(sql["edge_add"], edges)


class SqliteState:
    """A state file. `readonly=True` opens it for commands that read while a daemon writes."""

    def __init__(self, path: Path | str, clock: Clock, *, readonly: bool = False) -> None:
        self._path = str(path)
        self._readonly = readonly
        self._local = threading.local()
        self._readers: list[sqlite3.Connection] = []
        self._writing = threading.RLock()
        self._open_readers = threading.Lock()
        with translated():
            self._writer = self._connect()
            try:
                if not readonly:
                    self._migrate()
                else:
                    self._refuse_newer()
                self._clock = StoreClock(clock, self._stored_ms())
            except BaseException:
                self._writer.close()
                raise
        self._saved_ms = 0

    def rows(self, name: str, /, **values: Value) -> list[Row]:
        """Read with a named statement, on this thread's own connection."""
        with translated():
            return cast("list[Row]", self._reader().execute(statements()[name], values).fetchall())

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """A write transaction; nothing of it stays when the block raises."""
        with self._writing, translated():
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield SqliteTransaction(self._writer)
                self._save_clock()
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise

    def now_ms(self) -> int:
        """The store's clock."""
        return self._clock.now_ms()

    def new_id(self, prefix: str) -> str:
        """A fresh id at the store's time."""
        return new_id(prefix, self.now_ms(), os.urandom(ENTROPY_BYTES))

    def fold(self) -> bool:
        """Fold the write-ahead log into the file and cut it off; freed pages were zeroed when they were freed."""
        if self._path == MEMORY:
            return True
        with self._writing, translated():
            busy: int = self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        return not busy

    def copy(self, path: Path, progress: Callable[[int, int], None]) -> None:
        """All of it as it is at one moment: one reading transaction, whatever is written meanwhile."""
        with (
            translated(),
            contextlib.closing(self._connect()) as source,
            contextlib.closing(sqlite3.connect(path)) as to,
        ):
            to.execute("PRAGMA journal_mode = OFF")
            to.execute("PRAGMA synchronous = OFF")
            source.execute("BEGIN")
            source.execute(statements()["meta_get"], {"key": "log_id"}).fetchone()
            source.backup(
                to, pages=COPIED_PAGES, progress=lambda _, left, total: progress(total - left, total), sleep=0
            )

    def close(self) -> None:
        """Fold the write-ahead log into the file and close every connection."""
        with self._writing, translated():
            if not self._readonly:
                with contextlib.suppress(StateError), self.transaction():
                    self._saved_ms = 0
            with self._open_readers:
                for connection in self._readers:
                    connection.close()
                self._readers.clear()
            if not self._readonly and self._path != MEMORY:
                self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._writer.close()

    def _connect(self) -> sqlite3.Connection:
        if self._readonly:
            connection = sqlite3.connect(
                f"file:{self._path}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
            )
        else:
            connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        try:
            connection.execute("PRAGMA busy_timeout = 5000")
            if not self._readonly:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
                connection.execute("PRAGMA secure_delete = ON")
        except BaseException:
            connection.close()
            raise
        return connection

    def _reader(self) -> sqlite3.Connection:
        if self._path == MEMORY:
            return self._writer
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._connect()
            self._local.connection = connection
            with self._open_readers:
                self._readers.append(connection)
        return connection

    def _migrate(self) -> None:
        version = self._refuse_newer()
        for number, script in enumerate(migrations()[version:], start=version + 1):
            self._writer.executescript(f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {number};\nCOMMIT;")

    def _refuse_newer(self) -> int:
        version = int(self._writer.execute("PRAGMA user_version").fetchone()[0])
        if version > len(migrations()):
            raise StateError(
                f"the state is of schema {version}, this release knows {len(migrations())}",
                hint="use the release that wrote it, or a newer one",
                code="state_newer",
            )
        return version

    def _stored_ms(self) -> int:
        """The newest time that was ever stored, or 0."""
        found = self._writer.execute(statements()["meta_get"], {"key": "clock_ms"}).fetchone()
        value = "0" if found is None else str(found["value"])
        if not value.isdecimal():
            raise Tampered("the stored time is no number", hint="restore the state from a backup", code="state_damaged")
        return int(value)

    def _save_clock(self) -> None:
        now = self.now_ms()
        if now - self._saved_ms >= 1000:
            self._writer.execute(statements()["meta_put"], {"key": "clock_ms", "value": str(now)})
            self._saved_ms = now


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turn the engine's errors into ours."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if "full" in str(error) or "disk I/O" in str(error):
            raise StorageFull(
                "no space left where the state lies", hint="free some space; nothing acknowledged was lost"
            ) from error
        raise _named(error) from error
    except UnicodeDecodeError as error:
        raise Tampered("the state file is damaged: a text in it is no text", code="state_damaged") from error
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.IntegrityError | sqlite3.ProgrammingError):
            raise
        raise Tampered(
            f"the state file is damaged: {error}", hint="restore it from a backup", code="state_damaged"
        ) from error


def _named(error: sqlite3.OperationalError) -> ColonnadeError:
    if "locked" in str(error) or "busy" in str(error):
        return StateError(
            "another process is writing the state", hint="one daemon per state directory", code="state_locked"
        )
    return StateError(f"the state store refused: {error}", hint="run `colonnade doctor`")
