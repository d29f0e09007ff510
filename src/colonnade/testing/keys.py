# SPDX-License-Identifier: Apache-2.0
"""Keys in memory, on the standard library alone: the reference for MACs and signatures, and a fast fake for tests of
rooms.

Derivations and signatures are the real ones. Sealing is a keyed stream with a MAC instead of AES-GCM: it keeps the
promises of the port, not the format, and nothing sealed here is ever stored.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Sequence
from hashlib import shake_256

from colonnade.core import keyed
from colonnade.core.errors import Tampered
from colonnade.core.note import ORIGIN, NoteKey
from colonnade.ports.outside.keys import Erased
from colonnade.ports.outside.state import Transaction
from colonnade.testing import ed25519

_NONCE_BYTES = 16
_TAG_BYTES = 32


class MemoryKeys:
    """Keys that end with the process.

    Takes no notice of transactions: a rolled back `create` or `destroy` stays done.
    """

    def __init__(self, log: str = "log_test", seed: bytes = b"\x07" * 32) -> None:
        self._seed = seed
        self._subjects: dict[str, bytes | None] = {}
        self.note_key = NoteKey(f"{ORIGIN}{log}", ed25519.public_key(seed))

    def create(self, tx: Transaction, subject: str, project: str) -> None:  # noqa: ARG002
        """Make the subject's key, unless there is or was one."""
        self._subjects.setdefault(subject, os.urandom(keyed.KEY_BYTES))

    def mac(self, subject: str, entry: str, field: str, value: bytes) -> bytes:
        """What stands in a leaf under `mac` (32 bytes)."""
        return keyed.field_mac(self._key(subject), entry, field, value)

    def field_key(self, subject: str, entry: str, field: str) -> bytes:
        """The key of one field of one entry."""
        return keyed.field_key(self._key(subject), entry, field)

    def project_mac(self, project: str, purpose: str, value: bytes) -> bytes:
        """32 bytes that find equal values again within a project."""
        return keyed.project_mac(self._seed, project, purpose, value)

    def seal(self, subjects: Sequence[str], value: bytes, context: str) -> bytes:
        """Nonce, stream and tag."""
        nonce, key = os.urandom(_NONCE_BYTES), self._join(subjects)
        hidden = _xor(value, key, nonce)
        return nonce + hidden + _tag(key, nonce + hidden, context)

    def open(self, subjects: Sequence[str], sealed: bytes, context: str) -> bytes:
        """The value. Raises `Erased` or `Tampered`."""
        key, body, tag = self._join(subjects), sealed[:-_TAG_BYTES], sealed[-_TAG_BYTES:]
        if not hmac.compare_digest(tag, _tag(key, body, context)):
            raise Tampered(f"the sealed value ({context}) does not open", code="sealed_tampered")
        return _xor(body[_NONCE_BYTES:], key, body[:_NONCE_BYTES])

    def destroy(self, tx: Transaction, subject: str) -> None:  # noqa: ARG002
        """Forget the subject's key; create will not bring one back."""
        self._subjects[subject] = None

    def sign(self, message: bytes) -> bytes:
        """Ed25519 signature (64 bytes)."""
        return ed25519.sign(self._seed, message)

    def public_key(self) -> bytes:
        """Ed25519 public key (32 bytes)."""
        return self.note_key.public

    def _join(self, subjects: Sequence[str]) -> bytes:
        order = keyed.seal_order(subjects)
        return keyed.seal_key(order, [self._key(subject) for subject in order])

    def _key(self, subject: str) -> bytes:
        key = self._subjects.get(subject)
        if key is None:
            raise Erased(subject)
        return key


def _xor(value: bytes, key: bytes, nonce: bytes) -> bytes:
    stream = shake_256(key + nonce).digest(len(value))
    return bytes(one ^ two for one, two in zip(value, stream, strict=True))


def _tag(key: bytes, body: bytes, context: str) -> bytes:
    return hmac.digest(key, context.encode() + b"\0" + body, "sha256")
