# SPDX-License-Identifier: Apache-2.0
"""What we ask of a key store: one key per subject, sealing and keyed MACs; a destroyed key makes both unreadable for
ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from colonnade.ports.outside.state import Transaction


class Keys(Protocol):
    """Keys by subject id. A wrapped subject key lies in the state, written in the caller's transaction; what unwraps it
    lies outside.
    """

    def create(self, tx: Transaction, subject: str, project: str) -> None:
        """Make the subject's key (a no-op if there is one already)."""
        ...

    def mac(self, subject: str, entry: str, field: str, value: bytes) -> bytes:
        """32 bytes: HMAC-SHA-256(k, value), k = HMAC-SHA-256(subject key, entry id || 0x00 || field) (LEDGER.md)."""
        ...

    def field_key(self, subject: str, entry: str, field: str) -> bytes:
        """k of `mac` (32 bytes): whoever holds it and the value can check that one MAC, and nothing else."""
        ...

    def project_mac(self, project: str, purpose: str, value: bytes) -> bytes:
        """32 bytes that find equal values again within a project (paths, contents) and show nothing to others."""
        ...

    def seal(self, subjects: Sequence[str], value: bytes, context: str) -> bytes:
        """AES-256-GCM under the keys of *all* subjects together; `context` is bound and must be given again."""
        ...

    def open(self, subjects: Sequence[str], sealed: bytes, context: str) -> bytes:
        """The value. Raises `Erased` (a KeyError) if a subject's key was destroyed, `Tampered` if it does not open."""
        ...

    def destroy(self, tx: Transaction, subject: str) -> None:
        """Forget the subject's key."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Ed25519 signature by the log's key (64 bytes)."""
        ...

    def public_key(self) -> bytes:
        """The log's Ed25519 public key (32 bytes)."""
        ...


class Erased(KeyError):
    """The subject's key was destroyed: what it sealed is gone."""
