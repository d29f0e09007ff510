# SPDX-License-Identifier: Apache-2.0
"""Signed notes are C2SP's: a published example opens, ours open, and nothing that was changed does."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colonnade.adapters.keys.ed25519 import verify_ed25519
from colonnade.core.errors import Tampered
from colonnade.core.note import Checkpoint, NoteKey, open_note, sign_note
from colonnade.testing import ed25519

SEED = bytes(range(32))
KEY = NoteKey("colonnade/test", ed25519.public_key(SEED))
OTHER = NoteKey("colonnade/test", ed25519.public_key(bytes(32)))
NOTE = sign_note(Checkpoint("colonnade/test", 7, bytes(range(32))).text(), KEY, lambda text: ed25519.sign(SEED, text))

# The example of Go's golang.org/x/mod/sumdb/note, with which C2SP's format is compatible.
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)


@pytest.mark.parametrize("check", [verify_ed25519, ed25519.verify], ids=["library", "plain"])
def test_a_note_by_another_implementation_opens(check: object) -> None:
    assert open_note(GO_NOTE, [NoteKey.parse(GO_KEY)], check).startswith("If you think")  # type: ignore[arg-type]


def test_the_verifier_key_is_written_as_it_is_read() -> None:
    assert NoteKey.parse(GO_KEY).text() == GO_KEY
    assert NoteKey.parse(KEY.text()) == KEY


@pytest.mark.parametrize(
    "text",
    ["", "name", "name+00000000+AAAA", GO_KEY.replace("c74f20a3", "c74f20a4"), GO_KEY[:-4], "a b+1+" + GO_KEY[-44:]],
)
def test_what_is_no_verifier_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        NoteKey.parse(text)


def test_a_checkpoint_comes_back_from_its_note() -> None:
    text = open_note(NOTE, [KEY], verify_ed25519)
    assert Checkpoint.parse(text) == Checkpoint("colonnade/test", 7, bytes(range(32)))


def test_signatures_by_others_are_ignored_and_extensions_as_well() -> None:
    text = Checkpoint("colonnade/test", 7, bytes(32)).text() + "an extension\n"
    note = sign_note(text, KEY, lambda data: ed25519.sign(SEED, data))
    witness = f"— witness.example {base64.b64encode(b'1234' + bytes(64)).decode()}\n"
    assert Checkpoint.parse(open_note(note + witness, [KEY], verify_ed25519)).size == 7


@given(st.integers(0, len(NOTE.encode()) - 1), st.integers(0, 7))
def test_no_flipped_bit_of_a_note_opens(at: int, bit: int) -> None:
    data = bytearray(NOTE.encode())
    data[at] ^= 1 << bit
    try:
        changed = data.decode()
    except UnicodeDecodeError:
        return
    with pytest.raises(Tampered):
        open_note(changed, [KEY], verify_ed25519)


@pytest.mark.parametrize(
    "note",
    ["", "\n\n", "text\n", NOTE[:-1], NOTE + "\n", NOTE + "x\n", NOTE.replace("—", "-"), "\x00" + NOTE],
)
def test_what_is_no_note_is_refused(note: str) -> None:
    with pytest.raises(Tampered):
        open_note(note, [KEY], verify_ed25519)


def test_a_note_by_another_key_of_the_same_name_is_refused() -> None:
    with pytest.raises(Tampered, match="not signed by"):
        open_note(NOTE, [OTHER], verify_ed25519)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "o\n1\n",
        "\n1\n" + base64.b64encode(bytes(32)).decode() + "\n",
        "o\n01\n" + base64.b64encode(bytes(32)).decode() + "\n",
        "o\n-1\n" + base64.b64encode(bytes(32)).decode() + "\n",
        "o\n١\n" + base64.b64encode(bytes(32)).decode() + "\n",
        "o\n1\n" + base64.b64encode(bytes(31)).decode() + "\n",
        "o\n1\n" + base64.b64encode(bytes(32)).decode() + "=\n",
        "o\n1\n!!\n",
        "o\n\n" + base64.b64encode(bytes(32)).decode() + "\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        Checkpoint.parse(text)


@pytest.mark.parametrize("text", ["no newline", "a\rb\n", "\x00\n"])
def test_a_text_that_cannot_stand_in_a_note_is_not_signed(text: str) -> None:
    with pytest.raises(ValueError):
        sign_note(text, KEY, lambda data: ed25519.sign(SEED, data))
