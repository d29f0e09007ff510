# SPDX-License-Identifier: Apache-2.0
"""Both key stores pass the conformance suite; files refuse to be read by others, and survive rollbacks and restarts."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, cast

import pytest

from colonnade.adapters.clock.system import SystemClock
from colonnade.adapters.keys import file as file_module
from colonnade.adapters.keys.ed25519 import verify_ed25519
from colonnade.adapters.keys.file import FileKeys
from colonnade.adapters.state.sqlite.engine import SqliteState
from colonnade.core import keyed
from colonnade.core.errors import StateError, Tampered
from colonnade.core.note import NoteKey
from colonnade.ports.outside.keys import Erased
from colonnade.ports.outside.state import Transaction
from colonnade.testing import ed25519
from colonnade.testing.keys import MemoryKeys
from colonnade.testing.keys_conformance import KeysConformance, Transact

LOG = "log_one"


class TestMemoryKeys(KeysConformance):
    @pytest.fixture
    def keys(self) -> MemoryKeys:
        return MemoryKeys()

    @pytest.fixture
    def transact(self) -> Transact:
        return lambda: cast("AbstractContextManager[Transaction]", contextlib.nullcontext(None))


@pytest.fixture
def state(tmp_path: Path) -> Iterator[SqliteState]:
    store = SqliteState(tmp_path / "state.db", SystemClock())
    yield store
    store.close()


@pytest.fixture
def make(tmp_path: Path, state: SqliteState) -> Callable[..., FileKeys]:
    def build(*, create: bool = True) -> FileKeys:
        return FileKeys(tmp_path / "keys", LOG, state, create=create)

    return build


class TestFileKeys(KeysConformance):
    @pytest.fixture
    def keys(self, make: Callable[..., FileKeys]) -> FileKeys:
        return make()

    @pytest.fixture
    def transact(self, state: SqliteState) -> Transact:
        return state.transaction

    def test_a_restart_opens_what_was_sealed_before(self, keys: FileKeys, make: Callable[..., FileKeys]) -> None:
        sealed = keys.seal(["doc_a", "prn_anna"], b"text", "chunk")
        again = make(create=False)
        assert again.open(["doc_a", "prn_anna"], sealed, "chunk") == b"text"
        assert again.public_key() == keys.public_key()

    def test_no_subject_key_and_no_secret_stands_in_the_state_directory(
        self, keys: FileKeys, state: SqliteState, tmp_path: Path
    ) -> None:
        key = keys.field_key("doc_a", "evt_1", "path")
        secret = keys._key("doc_a")
        data = b"".join(path.read_bytes() for path in tmp_path.glob("state.db*"))
        assert b"doc_a" in data
        assert secret not in data
        assert key not in data

    def test_a_wrapped_key_moved_to_another_subject_does_not_open(
        self, make: Callable[..., FileKeys], state: SqliteState
    ) -> None:
        wrapped = state.rows("subject_key_get", subject="doc_a")[0]["wrapped"]
        with state.transaction() as tx:
            tx.run("subject_key_add", subject="doc_stolen", project="prj_one", wrapped=wrapped)
        with pytest.raises(Tampered):
            make().seal(["doc_stolen"], b"x", "chunk")

    def test_what_a_rolled_back_transaction_sealed_opens_after_the_next_try(
        self, keys: FileKeys, state: SqliteState, make: Callable[..., FileKeys]
    ) -> None:
        def fail() -> bytes:
            with state.transaction() as tx:
                keys.create(tx, "doc_new", "prj_one")
                blob.append(keys.seal(["doc_new"], b"raw", "blob"))
                raise OSError("the disk went away")

        blob: list[bytes] = []
        with pytest.raises(OSError):
            fail()
        with state.transaction() as tx:
            keys.create(tx, "doc_new", "prj_one")
        assert make().open(["doc_new"], blob[0], "blob") == b"raw"

    def test_a_destroyed_key_is_not_kept_by_a_thread_that_read_it_before_the_commit(
        self, make: Callable[..., FileKeys], state: SqliteState
    ) -> None:
        keys = make()
        with state.transaction() as tx:
            keys.destroy(tx, "doc_a")
            reader = threading.Thread(target=lambda: keys.seal(["doc_a"], b"x", "chunk"))
            reader.start()
            reader.join()
        with pytest.raises(Erased):
            keys.seal(["doc_a"], b"x", "chunk")

    def test_more_keys_than_the_cache_holds_still_open(
        self, keys: FileKeys, state: SqliteState, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(file_module, "CACHED_KEYS", 3)
        names = [f"doc_{number}" for number in range(10)]
        for name in names:
            with state.transaction() as tx:
                keys.create(tx, name, "prj_one")
        sealed = [keys.seal([name], name.encode(), "chunk") for name in names]
        assert [keys.open([name], value, "chunk") for name, value in zip(names, sealed, strict=True)] == [
            n.encode() for n in names
        ]


def test_secrets_are_private_and_the_public_key_is_written_for_auditors(
    make: Callable[..., FileKeys], tmp_path: Path
) -> None:
    keys = make()
    folder = tmp_path / "keys"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()} == {
        f"{LOG}.root": 0o600,
        f"{LOG}.sign": 0o600,
        f"{LOG}.pub": 0o600,
    }
    assert NoteKey.parse((folder / f"{LOG}.pub").read_text()) == keys.note_key


@pytest.mark.parametrize("name", [f"{LOG}.root", f"{LOG}.sign", ""])
def test_secrets_that_others_may_read_are_refused_with_what_to_do(
    make: Callable[..., FileKeys], tmp_path: Path, name: str
) -> None:
    make()
    path = tmp_path / "keys" / name
    path.chmod(path.stat().st_mode | 0o040)
    with pytest.raises(StateError) as caught:
        make()
    assert caught.value.code == "keys_exposed"
    assert f"chmod {'0600' if name else '0700'} {path}" in caught.value.hint


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda folder: (folder / f"{LOG}.root").unlink(), "keys_missing"),
        (lambda folder: (folder / f"{LOG}.root").write_text("nonsense"), "keys_damaged"),
        (lambda folder: (folder / f"{LOG}.sign").write_text("colonnade-ed25519-v1 AAAA\n"), "keys_damaged"),
    ],
)
def test_lost_or_damaged_secrets_are_said_and_never_replaced(
    make: Callable[..., FileKeys], tmp_path: Path, spoil: Callable[[Path], Any], code: str
) -> None:
    make()
    spoil(tmp_path / "keys")
    with pytest.raises(StateError) as caught:
        make()
    assert caught.value.code == code


def test_without_secrets_an_existing_log_is_not_opened(make: Callable[..., FileKeys], tmp_path: Path) -> None:
    with pytest.raises(StateError) as caught:
        make(create=False)
    assert caught.value.code == "keys_missing"
    assert "COLONNADE_KEYS" in caught.value.hint
    assert not (tmp_path / "keys").exists()


def test_a_making_that_was_cut_short_is_finished(make: Callable[..., FileKeys], tmp_path: Path) -> None:
    make()
    root, sign = tmp_path / "keys" / f"{LOG}.root", tmp_path / "keys" / f"{LOG}.sign"
    kept = root.read_text()
    sign.unlink()
    (tmp_path / "keys" / f"{LOG}.pub").unlink()
    with pytest.raises(StateError, match="only"):
        make(create=False)
    make()
    assert sign.exists()
    assert root.read_text() == kept


def test_two_processes_that_start_at_once_agree_on_the_secrets(make: Callable[..., FileKeys]) -> None:
    publics: list[bytes] = []
    threads = [threading.Thread(target=lambda: publics.append(make().public_key())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(publics) == 4
    assert len(set(publics)) == 1


def test_the_two_implementations_of_ed25519_agree() -> None:
    for number in range(4):
        seed, message = os.urandom(32), os.urandom(number * 20)
        signature = ed25519.sign(seed, message)
        public = ed25519.public_key(seed)
        assert verify_ed25519(public, message, signature)
        assert ed25519.verify(public, message, signature)
        assert not verify_ed25519(public, message + b"x", signature)
        assert not ed25519.verify(public, message + b"x", signature)
    assert not verify_ed25519(b"short", b"", b"")


def test_the_derivations_are_hkdf_and_hmac_as_the_libraries_have_them() -> None:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    secret = os.urandom(64)
    assert keyed.derive(secret, b"purpose") == HKDF(SHA256(), 32, None, b"purpose").derive(secret)
