# SPDX-License-Identifier: Apache-2.0
"""Evidence for an auditor: the export, the program that checks it alone, and checkpoints from before."""

import json
import random
import subprocess
import sys
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colonnade.core.errors import Tampered, UnknownName, UsageError
from colonnade.core.leaf import Leaf
from colonnade.core.merkle import HashTree
from colonnade.core.note import Checkpoint, sign_note
from colonnade.govern.ledger import standalone
from colonnade.govern.ledger.export import export, opened_values
from colonnade.govern.ledger.since import check_since, read_checkpoint
from colonnade.govern.ledger.tiles import bundle, tile_path, tiles, unbundle
from colonnade.govern.ledger.vectors import run_vectors
from colonnade.testing import ed25519
from colonnade.testing.clock import VirtualClock
from tests.ledger.small_log import Log, open_log

VECTORS = Path(__file__).resolve().parents[3] / "shared" / "data" / "merkle_rfc6962" / "testdata"
ENTRIES = 600  # two full tiles and the edge of a third


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Log:
    made = open_log(tmp_path_factory.mktemp("log"), VirtualClock())
    made.fill(ENTRIES)
    made.sequencer.drain()
    return made


def evidence(log: Log, folder: Path) -> Path:
    export(log.state, folder, "prj_1", [], [])
    return folder


def audit(folder: Path, key: str, *more: str) -> tuple[int, dict[str, Any]]:
    """The exported program, alone: `-I`, in an empty environment."""
    done = subprocess.run(
        [sys.executable, "-I", folder / "verify.py", "--key", key, "--json", *more],
        capture_output=True, text=True, env={}, check=False,
    )  # fmt: skip
    assert done.returncode in {0, 1}, done.stderr
    return done.returncode, json.loads(done.stdout)


def judged(folder: Path, log: Log) -> dict[str, Any]:
    """The same, in this process: many edits are tried."""
    note_key = log.keys.note_key
    return standalone.verify(str(folder), (note_key.name, note_key.id, note_key.public), [])


def test_an_auditor_alone_finds_an_export_intact(log: Log, tmp_path: Path) -> None:
    code, found = audit(evidence(log, tmp_path / "e"), log.keys.note_key.text())
    assert (code, found["intact"], found["entries"], found["withheld"]) == (0, True, ENTRIES, 0)


def test_another_key_is_not_taken(log: Log, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = open_log(tmp_path / "other", VirtualClock())
    code, found = audit(evidence(log, tmp_path / "e"), other.keys.note_key.text())
    assert code == 1
    assert "not signed by" in str(found["findings"])


def test_every_byte_counts_and_the_index_is_told(log: Log, tmp_path: Path) -> None:
    folder, dice = evidence(log, tmp_path / "e"), random.Random(5)
    files = [path for path in (folder / "tile").rglob("*") if path.is_file()]
    assert len(files) == 3 + 3 + 1  # entries, level 0, the edge of level 1
    for _ in range(300):
        path = dice.choice(files)
        data = path.read_bytes()
        at, bit = dice.randrange(len(data)), 1 << dice.randrange(8)
        path.write_bytes(data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :])
        found = judged(folder, log)
        assert not found["intact"], (path, at, bit)
        finding = found["findings"][0]
        assert isinstance(finding["index"], int), (path, at, bit, finding)
        path.write_bytes(data)
    assert judged(folder, log)["intact"]


def test_bytes_that_are_missing_added_or_exchanged_are_found(log: Log, tmp_path: Path) -> None:
    folder, dice = evidence(log, tmp_path / "e"), random.Random(6)
    files = [path for path in (folder / "tile").rglob("*") if path.is_file()]
    for _ in range(100):
        path = dice.choice(files)
        data = path.read_bytes()
        a, b = sorted(dice.sample(range(len(data)), 2))
        changed = dice.choice([
            data[:a], data[:a] + data[b:], data + data[a:b], data[:a] + data[a:b][::-1] + data[b:], b"",
        ])  # fmt: skip
        if changed == data:
            continue
        path.write_bytes(changed)
        assert not judged(folder, log)["intact"], path
        path.write_bytes(data)
        aside = path.with_name("aside")
        path.rename(aside)
        assert not judged(folder, log)["intact"]
        aside.rename(path)


def test_a_checkpoint_of_before_finds_truncation_and_rewriting(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    log = open_log(tmp_path / "one", VirtualClock())
    log.fill(20)
    log.sequencer.drain()
    old = tmp_path / "old"
    old.write_text(log.state.rows("checkpoint_last")[0]["note"])
    before = read_checkpoint(old.read_text(), log.keys.note_key, ed25519.verify)
    log.fill(30)
    log.sequencer.drain()
    assert check_since(log.state, before) is None
    folder = evidence(log, tmp_path / "e")
    assert audit(folder, log.keys.note_key.text(), "--since", str(old))[0] == 0

    # who holds the key signs a shorter log, and one with another past: both consistent in themselves
    for size, said in ((10, "truncated"), (50, "rewritten")):
        leaves = [(row["hash"], row["bytes"]) for row in log.state.rows("entries_by_index", first=0, limit=size)]
        leaves[3] = leaves[4] if size == 50 else leaves[3]
        root = HashTree([leaf for leaf, _ in leaves]).root()
        other = tmp_path / said
        for file in tiles(leaves):
            (other / file.path).parent.mkdir(parents=True, exist_ok=True)
            (other / file.path).write_bytes(file.data)
        note = sign_note(Checkpoint(log.origin, size, root).text(), log.keys.note_key, log.keys.sign)
        (other / "checkpoint").write_text(note)
        (other / "verify.py").write_bytes((folder / "verify.py").read_bytes())
        assert audit(other, log.keys.note_key.text())[0] == 0
        code, found = audit(other, log.keys.note_key.text(), "--since", str(old))
        assert code == 1
        assert said in str(found["findings"])


def test_a_note_that_the_log_did_not_sign_is_no_checkpoint_of_it(log: Log) -> None:
    note = str(log.state.rows("checkpoint_last")[0]["note"])
    for wrong in (note.replace(str(ENTRIES), "5"), "hello", ""):
        with pytest.raises(Tampered):
            read_checkpoint(wrong, log.keys.note_key, ed25519.verify)


def test_values_are_opened_only_where_their_mac_is_in_the_entry(tmp_path: Path) -> None:
    log = open_log(tmp_path, VirtualClock())
    with log.state.transaction() as tx:
        log.keys.create(tx, "doc_1", "prj_1")
    for path in (b"a.txt", b"b.txt"):
        entry = log.state.new_id("evt")
        with log.state.transaction() as tx:
            mac = {"path": ("doc_1", log.keys.mac("doc_1", entry, "path", path))}
            tx.append(Leaf("document.renamed", entry, 1, "prj_1", "prn_1", "doc_1", (), mac))
    log.sequencer.drain()
    opened, closed = opened_values(log.state, log.keys, ["doc_1"], lambda _leaf, _field: [b"c.txt", b"b.txt"])
    assert [value["value"] for value in opened] == [b64encode(b"b.txt").decode()]
    assert len(closed) == 1
    export(log.state, tmp_path / "e", "prj_1", opened, closed)
    key = log.keys.note_key.text()
    code, found = audit(tmp_path / "e", key)
    assert (code, found["opened"]) == (0, 1)
    said = tmp_path / "e" / "opened.json"
    said.write_text(said.read_text().replace(b64encode(b"b.txt").decode(), b64encode(b"a.txt").decode()))
    code, found = audit(tmp_path / "e", key)
    assert code == 1
    assert found["findings"] == [{"index": 1, "message": "the opened value 'path' is not what this entry was made of"}]
    with pytest.raises(UnknownName):
        opened_values(log.state, log.keys, ["doc_2"], lambda _leaf, _field: [])


def test_entries_of_another_project_leave_as_hashes_only(tmp_path: Path) -> None:
    log = open_log(tmp_path, VirtualClock())
    log.fill(3)
    with log.state.transaction() as tx:
        tx.append(Leaf("run.started", log.state.new_id("evt"), 1, "prj_2", "prn_2", "run_2"))
    log.sequencer.drain()
    done = export(log.state, tmp_path / "e", "prj_1", [], [])
    assert done.withheld == 1
    assert b"prj_2" not in b"".join(p.read_bytes() for p in (tmp_path / "e").rglob("*") if p.is_file())
    code, found = audit(tmp_path / "e", log.keys.note_key.text())
    assert (code, found["withheld"]) == (0, 1)


def test_a_folder_with_something_in_it_is_not_written_into(log: Log, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(UsageError, match="not empty"):
        export(log.state, tmp_path, "prj_1", [], [])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1200))
def test_tiles_hold_every_hash_of_every_level(size: int) -> None:
    leaves = [(n.to_bytes(32, "big"), bytes([n % 256]) * (n % 40)) for n in range(size)]
    files = dict(tiles(iter(leaves)))
    tree = HashTree([leaf for leaf, _ in leaves]) if leaves else None
    wanted = 0
    for level in range(3):
        total = size >> (8 * level)
        for index in range(-(-total // 256)):
            width = min(256, total - 256 * index)
            data, wanted = files[tile_path(level, index, width)], wanted + 1
            assert tree is not None
            hashes = [tree.node(8 * level, 256 * index + place) for place in range(width)]
            assert data == b"".join(hashes)
    bundles = [path for path in files if path.startswith("tile/entries/")]
    assert len(files) == wanted + len(bundles)
    assert [entry for path in sorted(bundles) for entry in unbundle(files[path])] == [data for _, data in leaves]


def test_an_entry_that_no_tile_can_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        bundle([bytes(70_000)])


def test_the_published_vectors_are_accepted_and_rejected_as_they_say(tmp_path: Path) -> None:
    if not VECTORS.exists():
        pytest.skip("the published vectors are not here")
    found = run_vectors(VECTORS)
    assert len(found) > 90
    assert [vector.path for vector in found if vector.wanted != vector.accepted] == []
    with pytest.raises(UsageError):
        run_vectors(tmp_path)
