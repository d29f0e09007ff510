# SPDX-License-Identifier: Apache-2.0
"""The sqlite engine passes the conformance suite, and behaves on bad days."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from colonnade.adapters.state.sqlite.engine import SqliteState
from colonnade.adapters.state.sqlite.statements import migrations, statements
from colonnade.core.errors import StateError, StorageFull, Tampered
from colonnade.testing.clock import VirtualClock
from colonnade.testing.state_conformance import OpenState, StateConformance, get, put

SOURCES = Path(__file__).resolve().parents[2] / "src/colonnade"


@pytest.fixture
def clock() -> VirtualClock:
    """Stands still."""
    return VirtualClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the state lies."""
    return tmp_path / "state.db"


@pytest.fixture
def open_state(path: Path, clock: VirtualClock) -> Iterator[OpenState]:
    """Opens the file; all are closed at the end."""
    made: list[SqliteState] = []

    def again() -> SqliteState:
        made.append(SqliteState(path, clock))
        return made[-1]

    yield again
    for state in made:
        try:
            state.close()
        except sqlite3.ProgrammingError:
            continue


class TestSqliteState(StateConformance):
    pass


def test_killed_amid_a_transaction_all_that_was_acknowledged_is_there_and_nothing_else(path: Path) -> None:
    script = """
import os, sys
from colonnade.adapters.state.sqlite.engine import SqliteState
from colonnade.testing.clock import VirtualClock
state = SqliteState(sys.argv[1], VirtualClock())
with state.transaction() as tx:
    tx.run("meta_put", key="done", value="yes")
with state.transaction() as tx:
    for n in range(2000):
        tx.run("meta_put", key=f"half{n}", value="x" * 500)
    os.kill(os.getpid(), 9)
"""
    died = subprocess.run([sys.executable, "-c", script, str(path)], check=False)
    assert died.returncode == -9
    state = SqliteState(path, VirtualClock())
    assert (get(state, "done"), get(state, "half0")) == ("yes", None)
    assert [dict(row) for row in state.rows("integrity")] == [{"integrity_check": "ok"}]
    state.close()


def test_a_reader_beside_the_writer_sees_what_is_durable_and_may_not_write(
    path: Path, clock: VirtualClock, open_state: OpenState
) -> None:
    writer = open_state()
    put(writer, "a", "1")
    reader = SqliteState(path, clock, readonly=True)
    assert get(reader, "a") == "1"
    put(writer, "a", "2")
    assert get(reader, "a") == "2"
    with pytest.raises(StateError):
        put(reader, "a", "3")
    reader.close()


def test_no_space_is_storage_full_and_the_store_goes_on(path: Path, open_state: OpenState) -> None:
    state = open_state()
    put(state, "a", "1")
    assert isinstance(state, SqliteState)
    pages = state._writer.execute("PRAGMA page_count").fetchone()[0]
    state._writer.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(StorageFull):
        put(state, "big", "x" * 1_000_000)
    state._writer.execute("PRAGMA max_page_count = 1000000")
    put(state, "big", "y")
    assert (get(state, "a"), get(state, "big")) == ("1", "y")


def test_a_newer_schema_is_refused(path: Path, open_state: OpenState) -> None:
    open_state().close()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {len(migrations()) + 1}")
    connection.close()
    with pytest.raises(StateError) as refused:
        open_state()
    assert refused.value.code == "state_newer"


@pytest.mark.parametrize("damage", ["head", "truncated", "noise"])
def test_a_damaged_file_is_our_error_never_the_engines(path: Path, open_state: OpenState, damage: str) -> None:
    state = open_state()
    for number in range(300):
        put(state, f"k{number}", "v" * 200)
    state.close()
    data = path.read_bytes()
    path.write_bytes(
        {
            "head": b"not a database at all" + data[21:],
            "truncated": data[: len(data) // 2],
            "noise": data[:4096] + os.urandom(len(data) - 4096),
        }[damage]
    )

    def read_all() -> None:
        state = open_state()
        for number in range(300):
            get(state, f"k{number}")

    with pytest.raises((Tampered, StateError)):
        read_all()


def test_every_statement_that_the_code_names_is_spelled() -> None:
    text = "\n".join(p.read_text() for p in SOURCES.rglob("*.py") if "testing" not in p.parts)
    named = set(re.findall(r"""\b(?:tx|state|_state|store|reader|opened)\.(?:rows|run|many)\(\s*"(\w+)\"""", text))
    assert len(named) > 50
    assert named - set(statements()) == set()
