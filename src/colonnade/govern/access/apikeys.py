# SPDX-License-Identifier: Apache-2.0
"""API keys: made, shown once, kept as SHA-256, revoked. A key of 256 random bits needs no slow hash."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass

from colonnade.core import entries
from colonnade.core.errors import UnknownName, UsageError
from colonnade.ports.journal import Journal
from colonnade.ports.outside.state import Row, State, Transaction

PREFIX = "cln_"
WEAK_BELOW = 32


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made; `secret` is never to be seen again."""

    id: str
    secret: str


def fingerprint(secret: str) -> bytes:
    """What is kept of a key."""
    return hashlib.sha256(secret.encode()).digest()


class ApiKeys:
    """Keys of a project."""

    def __init__(self, state: State, journal: Journal) -> None:
        self._state, self._journal = state, journal

    def create(
        self,
        tx: Transaction,
        principal: str,
        name: str,
        *,
        actor: str,
        owner: bool = False,
        expires_ms: int | None = None,
    ) -> NewKey:
        """Make a key for a principal."""
        if any(row["name"] == name and row["revoked_ms"] is None for row in self._rows(tx)):
            raise UsageError(
                f"there is a key {name!r} already", hint="choose another name, or revoke it first", code="key_exists"
            )
        key, secret = self._state.new_id("key"), PREFIX + secrets.token_urlsafe(32)
        tx.run(
            "api_key_add",
            id=key,
            project=self._journal.project,
            principal=principal,
            name=name,
            hash=fingerprint(secret),
            owner=int(owner),
            created_ms=self._state.now_ms(),
            expires_ms=expires_ms,
        )
        stamp = self._journal.stamp(actor)
        tx.append(
            entries.key_created(stamp, self._journal.mac, key=key, person=principal, name=name, expires_ms=expires_ms)
        )
        return NewKey(key, secret)

    def revoke(self, tx: Transaction, key: str, *, actor: str) -> str:
        """Put a key out of force, by id or name; its id. Raises UnknownName."""
        found = [row["id"] for row in self._rows(tx) if key in (row["id"], row["name"]) and row["revoked_ms"] is None]
        if not found:
            raise UnknownName(f"there is no key {key!r} in force", hint="`colonnade keys list` shows them")
        tx.run("api_key_revoke", project=self._journal.project, key=found[0], now_ms=self._state.now_ms())
        tx.append(entries.key_revoked(self._journal.stamp(actor), key=found[0]))
        return str(found[0])

    def all(self) -> list[Row]:
        """Every key, without its secret."""
        return self._state.rows("api_keys_of_project", project=self._journal.project)

    def _rows(self, tx: Transaction) -> list[Row]:
        return tx.rows("api_keys_of_project", project=self._journal.project)
