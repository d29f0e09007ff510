# SPDX-License-Identifier: Apache-2.0
"""The `keys` port: secrets in files outside the state directory, subjects' keys wrapped in the state's rows.

A subject's key is 32 random bytes, wrapped by AES-256-GCM under its project's key, its id bound as associated data.
What is sealed under several subjects needs all of their keys (HKDF over them in sorted order). Derivations stand in
`core.keyed`; who may open what is not decided here.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from colonnade.adapters.keys.secrets import Secrets, make_secrets, read_secrets, write_public
from colonnade.core import keyed
from colonnade.core.errors import StateError, Tampered
from colonnade.core.note import ORIGIN, NoteKey
from colonnade.ports.outside.keys import Erased
from colonnade.ports.outside.state import Row, State, Transaction

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

CACHED_KEYS = 16_384
"""Unwrapped keys held in memory, about 250 bytes each: more than one transaction ever makes."""
_VERSION = b"\x01"
_NONCE_BYTES = 12


class FileKeys:
    """The keys of one log. Thread-safe.

    Args:
        directory: where the secrets lie, outside the state directory.
        log: the log's id; the secrets' file names, and the signing key's name `colonnade/LOG`.
        state: holds the wrapped keys.
        create: make the secrets if there are none. Give False where the state already has sealed rows: new secrets
        would open none of them.

    Raises:
        StateError: `keys_missing`, `keys_exposed` (others may read them) or `keys_damaged`.
    """

    def __init__(self, directory: Path, log: str, state: State, *, create: bool) -> None:
        secrets = read_secrets(directory, log, making=create)
        if secrets is None:
            if not create:
                raise StateError(
                    f"the keys of {log} are not in {directory}",
                    hint="set COLONNADE_KEYS to the folder that holds them, or restore them from your backup",
                    code="keys_missing",
                )
            secrets = make_secrets(directory, log)
        self._secrets: Secrets = secrets
        self._state = state
        self._lock = threading.Lock()
        self._subjects: OrderedDict[str, bytes] = OrderedDict()
        self._doomed: set[str] = set()
        self._projects: dict[str, AESGCM] = {}
        self._signer: Ed25519PrivateKey | None = None
        self.note_key = NoteKey(f"{ORIGIN}{log}", self.public_key())
        write_public(directory, log, self.note_key.text())

    def create(self, tx: Transaction, subject: str, project: str) -> None:
        """Make the subject's key, unless there is or was one.

        When a transaction was rolled back, its key is used again, so that what it had sealed already (a blob, say)
        still opens.
        """
        with self._lock:
            key = self._subjects.get(subject) or os.urandom(keyed.KEY_BYTES)
        nonce = os.urandom(_NONCE_BYTES)
        wrapped = _VERSION + nonce + self._project(project).encrypt(nonce, key, subject.encode())
        if tx.run("subject_key_add", subject=subject, project=project, wrapped=wrapped):
            self._keep(subject, key)

    def mac(self, subject: str, entry: str, field: str, value: bytes) -> bytes:
        """What stands in a leaf under `mac` (32 bytes)."""
        return keyed.field_mac(self._key(subject), entry, field, value)

    def field_key(self, subject: str, entry: str, field: str) -> bytes:
        """The key of one field of one entry, to hand to an auditor with the value."""
        return keyed.field_key(self._key(subject), entry, field)

    def project_mac(self, project: str, purpose: str, value: bytes) -> bytes:
        """32 bytes that find equal values again within a project."""
        return keyed.project_mac(self._secrets.root, project, purpose, value)

    def seal(self, subjects: Sequence[str], value: bytes, context: str) -> bytes:
        """Version (1 byte), nonce (12), ciphertext and tag (16): 29 bytes more than the value."""
        nonce = os.urandom(_NONCE_BYTES)
        return _VERSION + nonce + self._cipher(subjects).encrypt(nonce, value, context.encode())

    def open(self, subjects: Sequence[str], sealed: bytes, context: str) -> bytes:
        """The value. Raises `Erased` if a subject's key was destroyed, `Tampered` if it does not open."""
        return _decrypt(self._cipher(subjects), sealed, context.encode(), f"sealed value ({context})")

    def destroy(self, tx: Transaction, subject: str) -> None:
        """Forget the subject's key; create will not bring one back."""
        tx.run("subject_key_destroy", subject=subject)
        with self._lock:
            self._doomed.add(subject)
            self._subjects.pop(subject, None)

    def sign(self, message: bytes) -> bytes:
        """Ed25519 signature by the log's key (64 bytes)."""
        return self._private().sign(message)

    def public_key(self) -> bytes:
        """The log's Ed25519 public key (32 bytes)."""
        return self._private().public_key().public_bytes_raw()

    def _private(self) -> Ed25519PrivateKey:
        if self._signer is None:
            from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

            self._signer = Ed25519PrivateKey.from_private_bytes(self._secrets.seed)
        return self._signer

    def _cipher(self, subjects: Sequence[str]) -> AESGCM:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        order = keyed.seal_order(subjects)
        return AESGCM(keyed.seal_key(order, [self._key(subject) for subject in order]))

    def _project(self, project: str) -> AESGCM:
        cipher = self._projects.get(project)
        if cipher is None:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM

            cipher = self._projects[project] = AESGCM(keyed.project_key(self._secrets.root, project))
        return cipher

    def _key(self, subject: str) -> bytes:
        with self._lock:
            key = self._subjects.get(subject)
            if key is not None:
                self._subjects.move_to_end(subject)
                return key
        found = self._state.rows("subject_key_get", subject=subject)
        if not found or found[0]["wrapped"] is None:
            raise Erased(subject)
        key = self._unwrap(subject, found[0])
        self._keep(subject, key)
        return key

    def _unwrap(self, subject: str, row: Row) -> bytes:
        return _decrypt(self._project(row["project"]), row["wrapped"], subject.encode(), f"key of {subject}")

    def _keep(self, subject: str, key: bytes) -> None:
        """Hold a key in memory, but never one being destroyed: a thread may have read it before the commit."""
        with self._lock:
            if subject in self._doomed:
                return
            self._subjects[subject] = key
            if len(self._subjects) > CACHED_KEYS:
                self._subjects.popitem(last=False)


def _decrypt(cipher: AESGCM, sealed: bytes, bound: bytes, what: str) -> bytes:
    from cryptography.exceptions import InvalidTag

    if sealed[:1] != _VERSION or len(sealed) < 1 + _NONCE_BYTES + 16:
        raise Tampered(f"the {what} is not in a form that this release knows", code="sealed_tampered")
    try:
        return cipher.decrypt(sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :], bound)
    except InvalidTag:
        raise Tampered(
            f"the {what} does not open: it was changed, or belongs elsewhere", code="sealed_tampered"
        ) from None
