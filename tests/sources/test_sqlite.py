# SPDX-License-Identifier: Apache-2.0
"""SQLite as a source: read only, whatever the query says."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from colonnade.adapters.sources.outside import OutsideSources
from colonnade.core.errors import ColonnadeError
from colonnade.ports.outside.sources import Source

SOURCE = Source("sqlite", "SELECT a, b FROM t ORDER BY a", url="sqlite:///data.db")


@pytest.fixture
def sources(tmp_path: Path) -> OutsideSources:
    with sqlite3.connect(tmp_path / "data.db") as database:
        database.execute("CREATE TABLE t (a INTEGER, b)")
        database.executemany("INSERT INTO t VALUES (?, ?)", [(1, "x"), (2, None), (3, 0.5), (4, 'a,"b"\n')])
    database.close()
    return OutsideSources(tmp_path, lambda _: "")


def test_rows_come_as_csv(sources: OutsideSources, tmp_path: Path) -> None:
    (batch,) = sources.fetch(SOURCE, tmp_path)
    assert batch.path.read_text() == 'a,b\n1,x\n2,\n3,0.5\n4,"a,""b""\n"\n'
    again = sources.fetch(replace(SOURCE, url=f"sqlite:///{tmp_path}/data.db"), tmp_path)
    assert again[0].name == batch.name


def test_the_digest_follows_the_rows_and_the_fingerprint_the_file(sources: OutsideSources, tmp_path: Path) -> None:
    first, print_ = sources.digest(SOURCE), sources.fingerprint(SOURCE)
    with sqlite3.connect(tmp_path / "data.db") as database:
        database.execute("CREATE TABLE other (a)")
    database.close()
    assert sources.fingerprint(SOURCE) != print_
    assert sources.digest(SOURCE) == first
    with sqlite3.connect(tmp_path / "data.db") as database:
        database.execute("DELETE FROM t WHERE a = 1")
    database.close()
    assert sources.digest(SOURCE) != first


@pytest.mark.parametrize(
    "query, code",
    [
        ("DELETE FROM t RETURNING a", "query_invalid"),
        ("SELECT 1; SELECT 2", "query_invalid"),
        ("ATTACH 'other.db' AS o", "query_invalid"),
        ("CREATE TABLE x (a)", "query_invalid"),
        ("PRAGMA journal_mode = DELETE", "query_invalid"),
        ("SELECT a, a FROM t", "query_invalid"),
        ("SELECT x'00' AS a", "query_invalid"),
        ("SELECT load_extension('x')", "query_invalid"),
        ("WITH RECURSIVE n(a) AS (SELECT 1 UNION ALL SELECT a + 1 FROM n) SELECT count(*) AS a FROM n", "query_slow"),
    ],
)
def test_what_is_more_than_reading_or_wrong_is_refused(
    sources: OutsideSources, tmp_path: Path, query: str, code: str
) -> None:
    before = (tmp_path / "data.db").read_bytes()
    with pytest.raises(ColonnadeError) as refused:
        sources.fetch(replace(SOURCE, where=query, timeout_s=1), tmp_path)
    assert refused.value.code == code
    assert refused.value.hint
    assert (tmp_path / "data.db").read_bytes() == before
    assert not (tmp_path / "other.db").exists()


def test_a_file_that_is_no_database_or_is_not_there_is_said(sources: OutsideSources, tmp_path: Path) -> None:
    for name, words in (("gone.db", "there is no database"), ("junk.db", "not a database")):
        (tmp_path / "junk.db").write_bytes(b"x" * 5000)
        with pytest.raises(ColonnadeError, match=words) as refused:
            sources.digest(replace(SOURCE, url=f"sqlite:///{name}"))
        assert refused.value.code == "source_down"
