# SPDX-License-Identifier: Apache-2.0
"""What every key store must do.

An engine's test is a subclass with two fixtures: `keys`, and `transact` (a context with a transaction).
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from colonnade.core.errors import Tampered
from colonnade.ports.outside.keys import Erased, Keys
from colonnade.ports.outside.state import Transaction
from colonnade.testing import ed25519

Transact = Callable[[], AbstractContextManager[Transaction]]


class KeysConformance:
    """Subclass it, and give the fixtures."""

    @pytest.fixture(autouse=True)
    def subjects(self, keys: Keys, transact: Transact) -> None:
        with transact() as tx:
            for subject in ("doc_a", "doc_b", "prn_anna"):
                keys.create(tx, subject, "prj_one")

    def test_what_is_sealed_opens_again(self, keys: Keys) -> None:
        for value in (b"", b"text", b"\0" * 10_000):
            assert keys.open(["doc_a"], keys.seal(["doc_a"], value, "chunk"), "chunk") == value

    def test_a_sealed_value_shows_nothing_and_never_repeats(self, keys: Keys) -> None:
        one, two = (keys.seal(["doc_a"], b"salary of anna", "chunk") for _ in range(2))
        assert one != two
        assert b"anna" not in one

    def test_another_context_or_another_subject_does_not_open_it(self, keys: Keys) -> None:
        sealed = keys.seal(["doc_a"], b"text", "chunk")
        for subjects, context in ((["doc_a"], "path"), (["doc_b"], "chunk"), (["doc_a", "doc_b"], "chunk")):
            with pytest.raises(Tampered):
                keys.open(subjects, sealed, context)

    def test_any_flipped_bit_is_found(self, keys: Keys) -> None:
        sealed = keys.seal(["doc_a"], b"text", "chunk")
        for at in range(len(sealed)):
            changed = bytearray(sealed)
            changed[at] ^= 1 << at % 8
            with pytest.raises(Tampered):
                keys.open(["doc_a"], bytes(changed), "chunk")

    @pytest.mark.parametrize("sealed", [b"", b"\x01", b"\x01" * 28])
    def test_what_is_too_short_is_tampered(self, keys: Keys, sealed: bytes) -> None:
        with pytest.raises(Tampered):
            keys.open(["doc_a"], sealed, "chunk")

    def test_the_order_of_subjects_does_not_matter(self, keys: Keys) -> None:
        sealed = keys.seal(["prn_anna", "doc_a", "doc_b", "doc_a"], b"an answer", "answer")
        assert keys.open(["doc_b", "prn_anna", "doc_a"], sealed, "answer") == b"an answer"

    @pytest.mark.parametrize("gone", ["prn_anna", "doc_a", "doc_b"])
    def test_destroying_any_of_the_keys_erases_what_all_of_them_sealed(
        self, keys: Keys, transact: Transact, gone: str
    ) -> None:
        subjects = ["prn_anna", "doc_a", "doc_b"]
        sealed = keys.seal(subjects, b"an answer", "answer")
        with transact() as tx:
            keys.destroy(tx, gone)
        with pytest.raises(Erased):
            keys.open(subjects, sealed, "answer")
        with pytest.raises(Erased):
            keys.mac(gone, "evt_1", "path", b"x")

    def test_a_destroyed_key_never_comes_back(self, keys: Keys, transact: Transact) -> None:
        with transact() as tx:
            keys.destroy(tx, "doc_a")
        with transact() as tx:
            keys.create(tx, "doc_a", "prj_one")
        with pytest.raises(Erased):
            keys.seal(["doc_a"], b"x", "chunk")

    def test_an_unknown_subject_is_erased_and_none_is_refused(self, keys: Keys) -> None:
        with pytest.raises(Erased):
            keys.seal(["doc_unknown"], b"x", "chunk")
        with pytest.raises(ValueError):
            keys.seal([], b"x", "chunk")

    def test_creating_twice_keeps_the_key(self, keys: Keys, transact: Transact) -> None:
        sealed = keys.seal(["doc_a"], b"text", "chunk")
        with transact() as tx:
            keys.create(tx, "doc_a", "prj_one")
        assert keys.open(["doc_a"], sealed, "chunk") == b"text"

    def test_equal_values_never_look_equal_across_entries_fields_or_subjects(self, keys: Keys) -> None:
        macs = {
            keys.mac(subject, entry, field, b"same")
            for subject in ("doc_a", "doc_b")
            for entry in ("evt_1", "evt_2")
            for field in ("path", "content")
        }
        assert len(macs) == 8
        assert all(len(mac) == 32 for mac in macs)
        assert keys.mac("doc_a", "evt_1", "path", b"same") in macs

    def test_a_project_finds_equal_values_again_and_others_do_not(self, keys: Keys) -> None:
        macs = {
            keys.project_mac(project, purpose, value)
            for project in ("prj_one", "prj_two")
            for purpose in ("path", "content")
            for value in (b"x", b"y")
        }
        assert len(macs) == 8
        assert hmac.compare_digest(keys.project_mac("prj_one", "path", b"x"), keys.project_mac("prj_one", "path", b"x"))

    def test_a_signature_is_ed25519_by_the_public_key(self, keys: Keys) -> None:
        signature = keys.sign(b"a checkpoint")
        assert ed25519.verify(keys.public_key(), b"a checkpoint", signature)
        assert not ed25519.verify(keys.public_key(), b"another", signature)
