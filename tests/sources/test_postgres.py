# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL as a source, against a real server."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from colonnade.adapters.sources.outside import OutsideSources
from colonnade.core.errors import ColonnadeError, Unavailable, UsageError
from colonnade.ports.outside.sources import Source
from tests.sources.conftest import PASSWORD, Server

TABLE = """
DROP TABLE IF EXISTS loans;
CREATE TABLE loans (id int, amount numeric(9,2), rate float8, paid boolean, due timestamptz, day date, note text,
                    more jsonb);
INSERT INTO loans SELECT n, n * 1.50, n / 3.0::float8, n % 2 = 0,
                         '2026-01-01T10:00:00+02'::timestamptz + n * '1 h'::interval,
                         '2026-01-01'::date + n, CASE WHEN n % 5 > 0 THEN 'a, "b"' END, '{"z": 1, "a": [2]}'
                  FROM generate_series(1, 5000) AS n;
GRANT SELECT ON loans TO reader
"""


class Room:
    """Sources with an environment and a clock of the test's."""

    def __init__(self, folder: Path, server: Server) -> None:
        self.environment = {"SHOP": server.url("reader", PASSWORD), "PW": PASSWORD}
        self.now = 0.0
        self.sources = OutsideSources(folder, lambda name: self.environment.get(name, ""), clock=lambda: self.now)
        self.source = Source("postgres", "SELECT * FROM loans ORDER BY id", url_env="SHOP", every_ms=60_000)


@pytest.fixture
def room(tmp_path: Path, postgres: Server) -> Room:
    postgres.run(TABLE)
    return Room(tmp_path, postgres)


def rows(room: Room, folder: Path, source: Source) -> list[dict[str, str]]:
    (batch,) = room.sources.fetch(source, folder)
    with open(batch.path, newline="") as file:
        return list(csv.DictReader(file))


def test_rows_come_as_text_that_is_read_back_as_it_was(room: Room, tmp_path: Path) -> None:
    found = rows(room, tmp_path, room.source)
    assert len(found) == 5000
    assert found[0] == {
        "id": "1", "amount": "1.50", "rate": repr(1 / 3), "paid": "false", "day": "2026-01-02",
        "due": found[0]["due"], "note": 'a, "b"', "more": '{"a": [2], "z": 1}',
    }  # fmt: skip
    assert found[0]["due"].startswith("2026-01-01T0") or found[0]["due"].startswith("2026-01-01T1")
    assert found[4]["note"] == ""


def test_a_url_without_a_password_takes_it_from_its_own_variable(room: Room, postgres: Server, tmp_path: Path) -> None:
    source = replace(room.source, url_env="", url=postgres.url(), password_env="PW")
    assert len(rows(room, tmp_path, source)) == 5000


def test_the_digest_is_that_of_the_rows_in_any_order(room: Room, postgres: Server) -> None:
    first = room.sources.digest(room.source)
    backwards = replace(room.source, where="SELECT * FROM loans ORDER BY id DESC")
    assert room.sources.digest(backwards) == first
    postgres.run("UPDATE loans SET amount = 7 WHERE id = 5")
    assert room.sources.digest(room.source) == first, "not looked at again before its time"
    assert room.sources.fingerprint(room.source) == first
    room.now += 60
    assert room.sources.fingerprint(room.source) != first


def test_a_cheap_query_stands_for_the_rows(room: Room, postgres: Server) -> None:
    source = replace(room.source, changes="SELECT max(id) FROM loans")
    first = room.sources.fingerprint(source)
    postgres.run("UPDATE loans SET amount = 8")
    room.now += 60
    assert room.sources.fingerprint(source) == first
    postgres.run("INSERT INTO loans (id) VALUES (6000)")
    room.now += 60
    assert room.sources.fingerprint(source) != first


@pytest.mark.parametrize(
    "query",
    [
        "INSERT INTO loans (id) VALUES (1) RETURNING id",
        "SELECT 1; SELECT 2",
        "SELECT 1; COMMIT; DROP TABLE loans",
        "SELEC",
        "SELECT nothing FROM loans",
        "SELECT id, id FROM loans",
        "SELECT 'x'::bytea",
        "SET TRANSACTION READ WRITE",
    ],
)
def test_what_is_more_than_reading_or_wrong_is_refused(
    room: Room, postgres: Server, tmp_path: Path, query: str
) -> None:
    owner = replace(room.source, where=query, url_env="OWNER")
    room.environment["OWNER"] = postgres.url("owner", PASSWORD)
    with pytest.raises(UsageError) as refused:
        rows(room, tmp_path, owner)
    assert refused.value.code == "query_invalid"
    assert len(rows(room, tmp_path, room.source)) == 5000


def test_a_query_that_takes_too_long_is_ended(room: Room, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="took longer than 1 s"):
        rows(room, tmp_path, replace(room.source, where="SELECT pg_sleep(60)::text AS a", timeout_s=1))


def told(room: Room, source: Source) -> ColonnadeError:
    with pytest.raises(ColonnadeError) as refused:
        room.sources.digest(source)
    assert refused.value.hint
    return refused.value


def test_errors_say_what_is_wrong_and_hold_no_secret(room: Room, postgres: Server) -> None:
    wrong = "wr0ng-Passw0rd"
    room.environment |= {
        "WRONG": postgres.url("reader", wrong), "NOBODY": postgres.url("nobody-here", wrong),
        "DEAD": f"postgresql://reader:{wrong}@127.0.0.1:1/shop", "JUNK": f"postgresql://reader:{wrong}@[::/shop",
    }  # fmt: skip
    codes = {"WRONG": "source_refused", "NOBODY": "source_refused", "DEAD": "source_down", "JUNK": "query_invalid"}
    for name, code in codes.items():
        error = told(room, replace(room.source, url_env=name))
        assert error.code == code, error
        assert wrong not in f"{error} {error.__cause__} {error.__context__ if not error.__suppress_context__ else ''}"
    assert "MISSING is not set" in told(room, replace(room.source, url_env="MISSING")).message


def test_a_failed_look_has_a_fingerprint_and_the_next_one_finds_it_back(room: Room, postgres: Server) -> None:
    first = room.sources.fingerprint(room.source)
    postgres.control("-m", "immediate", "stop")
    try:
        room.now += 60
        dead = room.sources.fingerprint(room.source)
        assert dead != first
        assert PASSWORD not in dead
        assert told(room, room.source).code == "source_down"
    finally:
        options = f"-p {postgres.port} -k {postgres.folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        postgres.control("-o", options, "-l", str(postgres.folder / "log"), "start")
    assert room.sources.digest(room.source) == first
    room.now += 60
    assert room.sources.fingerprint(room.source) == first
