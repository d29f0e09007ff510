# SPDX-License-Identifier: Apache-2.0
"""Verify finds what was changed and says which entry it was: every edit by SQL, and any bit of the file."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from colonnade.adapters.keys.ed25519 import verify_ed25519
from colonnade.adapters.keys.file import FileKeys
from colonnade.adapters.state.sqlite.engine import SqliteState
from colonnade.core.errors import Tampered
from colonnade.core.note import NoteKey
from colonnade.govern.ledger.report import SHOWN, Report
from colonnade.govern.ledger.seal import break_seal, check_seal, seal_path, seal_state
from colonnade.govern.ledger.verify import verify, verify_file
from colonnade.testing.clock import VirtualClock
from tests.ledger.small_log import Log, open_log

ENTRIES = 30


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a closed, sealed log of 30 entries under checkpoints of size 10, 20 and 30."""
    folder = tmp_path_factory.mktemp("closed")
    log = open_log(folder, VirtualClock())
    for _ in range(3):
        log.fill(ENTRIES // 3)
        log.sequencer.step()
        log.clock.advance(1000)
    log.sequencer.drain()
    log.state.close()
    seal_state(log.path, log.keys, log.origin)
    return folder


@pytest.fixture
def folder(closed: Path, tmp_path: Path) -> Path:
    """A copy of it, to be spoiled."""
    return Path(shutil.copytree(closed, tmp_path / "copy"))


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    opened = open_log(tmp_path, VirtualClock())
    yield opened
    opened.state.close()


def note_key(folder: Path) -> NoteKey:
    return NoteKey.parse((folder / "keys" / "log1.pub").read_text())


def examine(folder: Path, *, deep: bool = True) -> Report:
    path = folder / "state.db"
    key = note_key(folder)
    return verify_file(path, lambda: SqliteState(path, VirtualClock(), readonly=True), key, verify_ed25519, deep=deep)


def sql(folder: Path, statement: str, *values: object) -> None:
    connection = sqlite3.connect(folder / "state.db")
    with connection:
        assert connection.execute(statement, values).rowcount != 0
    connection.close()


def codes(report: Report) -> set[str]:
    return {finding.code for finding in report.findings}


def test_an_honest_log_is_intact(folder: Path) -> None:
    for deep in (True, False):
        report = examine(folder, deep=deep)
        assert report.intact, report.to_text()
        assert (report.entries, report.sequenced, report.signed, report.checkpoints) == (30, 30, 30, 3)
        assert report.seal == "sealed"
        assert report.to_json()["intact"]
        assert report.to_text().endswith("intact")


def test_looking_at_it_leaves_it_sealed(folder: Path) -> None:
    for _ in range(2):
        assert examine(folder).seal == "sealed"


@pytest.mark.parametrize("index", [0, 9, 10, 17, 29])
def test_one_bit_of_one_stored_leaf_is_found_with_its_index(folder: Path, index: int) -> None:
    connection = sqlite3.connect(folder / "state.db")
    data = bytearray(connection.execute("SELECT bytes FROM entries WHERE idx = ?", (index,)).fetchone()[0])
    connection.close()
    before = sha256(b"\0" + bytes(data)).hexdigest()
    data[len(data) // 2] ^= 4
    sql(folder, "UPDATE entries SET bytes = ? WHERE idx = ?", bytes(data), index)
    report = examine(folder, deep=False)
    (finding,) = [finding for finding in report.findings if finding.code == "leaf_hash"]
    assert finding.index == index
    assert (finding.expected, finding.found) == (before, sha256(b"\0" + bytes(data)).hexdigest())
    assert f"index {index}" in report.to_text()
    assert before in report.to_text()
    assert {"code": "leaf_hash", "index": index}.items() <= report.to_json()["findings"][1].items()
    assert codes(report) == {"seal", "leaf_hash"}


def test_a_leaf_rewritten_with_its_hash_is_found_by_the_tree(folder: Path) -> None:
    connection = sqlite3.connect(folder / "state.db")
    data = connection.execute("SELECT bytes FROM entries WHERE idx = 13").fetchone()[0]
    connection.close()
    forged = data.replace(b'"actor":"prn_1"', b'"actor":"prn_2"')
    sql(folder, "UPDATE entries SET bytes = ?, hash = ? WHERE idx = 13", forged, sha256(b"\0" + forged).digest())
    report = examine(folder)
    assert codes(report) == {"seal", "tree"}
    assert "changed in [10, 20)" in report.to_text()


NOTE_10 = "SELECT note FROM checkpoints WHERE size = 10"
EDITS: list[tuple[str, str, str]] = [
    ("an entry is deleted", "DELETE FROM entries WHERE idx = 12", "order"),
    ("the last entry is deleted", "DELETE FROM entries WHERE idx = 29", "tree"),
    ("an entry is put before all others", "UPDATE entries SET idx = -1 WHERE idx = 3", "order"),
    ("an index is taken away", "UPDATE entries SET idx = NULL WHERE idx = 11", "order"),
    ("an entry is said to be of another subject", "UPDATE entries SET subject = 'x' WHERE idx = 4", "leaf_rows"),
    ("an entry is said to be of another project", "UPDATE entries SET project = 'prj_x' WHERE idx = 4", "leaf_rows"),
    ("an entry is said to be of another kind", "UPDATE entries SET kind = 'key.revoked' WHERE idx = 4", "leaf_rows"),
    ("an entry has another id", "UPDATE entries SET id = 'evt_x' WHERE idx = 4", "leaf_rows"),
    ("an edge is deleted", "DELETE FROM edges WHERE seq = 5", "edges"),
    ("an edge leads elsewhere", "UPDATE edges SET ref = 'run_x' WHERE seq = 5", "edges"),
    ("an edge has another role", "UPDATE edges SET role = 'cites' WHERE seq = 5", "edges"),
    ("an edge belongs to another subject", "UPDATE edges SET subject = 'run_x' WHERE seq = 5", "edges"),
    ("an edge is added", "INSERT INTO edges SELECT subject, 5, 1, 'by', 'run_y' FROM entries WHERE seq = 5", "edges"),
    ("an edge of no entry is added", "INSERT INTO edges VALUES ('run_x', 999, 0, 'by', 'run_y')", "edges"),
    ("a checkpoint has another root", "UPDATE checkpoints SET root = zeroblob(32) WHERE size = 20", "checkpoint"),
    ("a checkpoint has another size", "UPDATE checkpoints SET size = 19 WHERE size = 20", "checkpoint"),
    ("a checkpoint has another's note", f"UPDATE checkpoints SET note = ({NOTE_10}) WHERE size = 20", "checkpoint"),
    ("a checkpoint is signed by nobody", "UPDATE checkpoints SET note = replace(note, '20', '21')", "signature"),
    ("a checkpoint's note is no note", "UPDATE checkpoints SET note = 'x' WHERE size = 20", "signature"),
    ("leaf bytes become text", "UPDATE entries SET bytes = CAST(bytes AS TEXT) WHERE idx = 6", "leaf_hash"),
    ("a hash becomes a number", "UPDATE entries SET hash = 5 WHERE idx = 6", "leaf_hash"),
]  # fmt: skip


@pytest.mark.parametrize(("statement", "code"), [edit[1:] for edit in EDITS], ids=[edit[0] for edit in EDITS])
@pytest.mark.parametrize("sealed", [True, False], ids=["sealed", "unsealed"])
def test_every_edit_is_found_for_what_it_is(folder: Path, statement: str, code: str, sealed: bool) -> None:
    sql(folder, statement)
    if not sealed:
        break_seal(folder / "state.db")
    report = examine(folder)
    assert not report.intact
    assert code in codes(report)
    assert ("seal" in codes(report)) == sealed


def test_the_log_cut_back_to_a_checkpoint_is_found_where_a_later_one_is_left(folder: Path) -> None:
    sql(folder, "DELETE FROM edges WHERE seq > 20")
    sql(folder, "DELETE FROM entries WHERE idx >= 20")
    break_seal(folder / "state.db")
    report = examine(folder)
    assert "30 entries were signed, 20 are there" in report.to_text()


def test_another_key_than_the_auditors_is_found(folder: Path, tmp_path: Path) -> None:
    state = SqliteState(":memory:", VirtualClock())
    other = FileKeys(tmp_path / "others", "log1", state, create=True)
    state.close()
    (folder / "keys" / "log1.pub").write_text(other.note_key.text())
    assert codes(examine(folder)) == {"seal", "signature"}


def test_many_findings_are_counted_and_the_first_are_shown(folder: Path) -> None:
    sql(folder, "UPDATE entries SET project = 'prj_x'")
    report = examine(folder)
    assert report.found_in_all == ENTRIES + 1
    assert len(report.findings) == SHOWN
    assert report.findings[0].code == "seal"
    assert f"and {ENTRIES + 1 - SHOWN} more" in report.to_text()


@pytest.mark.parametrize("seed", range(4))
def test_any_flipped_bit_of_a_closed_state_file_is_found(folder: Path, seed: int) -> None:
    path, chance = folder / "state.db", random.Random(seed)
    honest = path.read_bytes()
    places = [chance.randrange(len(honest) * 8) for _ in range(20)] + [seed, len(honest) * 8 - 1 - seed]
    for place in places:
        data = bytearray(honest)
        data[place // 8] ^= 1 << place % 8
        path.write_bytes(bytes(data))
        report = examine(folder)
        assert report.seal == "broken", place
        assert not report.intact
        json.dumps(report.to_json())
    path.write_bytes(honest)
    assert examine(folder).intact


def test_without_a_seal_no_flipped_bit_makes_verify_fall_over(folder: Path) -> None:
    path, chance = folder / "state.db", random.Random(5)
    break_seal(path)
    honest = path.read_bytes()
    found = 0
    schema = [chance.randrange(4096 * 8) for _ in range(200)]
    for place in [chance.randrange(len(honest) * 8) for _ in range(60)] + schema:
        data = bytearray(honest)
        data[place // 8] ^= 1 << place % 8
        path.write_bytes(bytes(data))
        report = examine(folder)
        found += not report.intact
        assert report.seal == "unsealed"
    assert 0 < found < 260  # the rest lies in pages that no record uses, or in rows that are not in the log


def test_a_log_in_use_verifies_and_says_that_it_is_not_sealed(log: Log) -> None:
    log.fill(5)
    log.sequencer.step()
    log.fill(3)
    report = verify(log.state, log.keys.note_key, verify_ed25519)
    assert report.intact, report.to_text()
    assert (report.entries, report.sequenced, report.signed) == (8, 5, 5)
    assert check_seal(log.path, log.keys.note_key, verify_ed25519).status == "unsealed"


def test_after_a_kill_what_lies_in_the_write_ahead_log_is_verified_too(log: Log, tmp_path: Path) -> None:
    log.fill(8)
    log.sequencer.step()
    killed = tmp_path / "killed"
    killed.mkdir()
    for path in tmp_path.glob("state.db*"):
        if path.suffix != ".db-shm":
            shutil.copy(path, killed)
    shutil.copytree(tmp_path / "keys", killed / "keys")
    report = examine(killed)
    assert report.intact, report.to_text()
    assert (report.entries, report.signed, report.seal) == (8, 8, "unsealed")
    sql(killed, "UPDATE entries SET bytes = x'7b7d' WHERE idx = 3")
    assert [finding.index for finding in examine(killed, deep=False).findings] == [3]


def test_quick_opens_the_last_signature_only_and_deep_opens_all(folder: Path) -> None:
    sql(folder, "UPDATE checkpoints SET note = 'x' WHERE size = 20")
    assert codes(examine(folder, deep=False)) == {"seal"}
    assert codes(examine(folder)) == {"seal", "signature"}
    sql(folder, "UPDATE checkpoints SET note = 'x' WHERE size = 30")
    assert codes(examine(folder, deep=False)) == {"seal", "signature"}


def test_an_empty_log_is_intact(log: Log) -> None:
    report = verify(log.state, log.keys.note_key, verify_ed25519)
    assert report.intact
    assert "none signed yet" in report.to_text()


def test_a_state_that_was_not_closed_is_not_sealed(log: Log) -> None:
    log.fill(1)
    with pytest.raises(Tampered) as caught:
        seal_state(log.path, log.keys, log.origin)
    assert caught.value.code == "seal_open"


SPOIL: list[tuple[str, Callable[[Path], object], str]] = [
    ("grown", lambda path: path.write_bytes(path.read_bytes() + b"\0"), "another size"),
    ("gone", lambda path: path.unlink(), "is gone"),
    ("written after", lambda path: path.with_name("state.db-wal").write_bytes(b"x"), "state.db-wal was written"),
    ("seal of nobody", lambda path: seal_path(path).write_text("x"), "does not hold"),
    ("seal of no text", lambda path: seal_path(path).write_bytes(b"\xff"), "is no seal"),
]


@pytest.mark.parametrize(("spoil", "words"), [case[1:] for case in SPOIL], ids=[case[0] for case in SPOIL])
def test_a_broken_seal_says_how(folder: Path, spoil: Callable[[Path], object], words: str) -> None:
    spoil(folder / "state.db")
    check = check_seal(folder / "state.db", note_key(folder), verify_ed25519)
    assert check.status == "broken"
    assert check.finding is not None
    assert words in check.finding.message


def test_a_checkpoint_does_not_pass_for_a_seal(folder: Path) -> None:
    connection = sqlite3.connect(folder / "state.db")
    note = connection.execute("SELECT note FROM checkpoints").fetchone()[0]
    connection.close()
    seal_path(folder / "state.db").write_text(note)
    check = check_seal(folder / "state.db", note_key(folder), verify_ed25519)
    assert check.finding is not None
    assert "no seal of a state file" in check.finding.message


def test_a_missing_state_is_a_finding_too(folder: Path) -> None:
    (folder / "state.db").unlink()
    assert codes(examine(folder)) == {"seal", "pages"}
