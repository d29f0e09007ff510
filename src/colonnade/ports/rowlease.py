# SPDX-License-Identifier: Apache-2.0
"""A row lease: the right to be the one who runs a loop, with a token that fences whoever lost it. Expiry is by the
store's clock.
"""

from __future__ import annotations

from colonnade.core.errors import Lost
from colonnade.ports.outside.state import State, Transaction

TTL_MS = 15_000


class RowLease:
    """One holder's claim on a named row."""

    def __init__(self, state: State, name: str, holder: str, ttl_ms: int = TTL_MS) -> None:
        self._state, self._name, self._holder, self._ttl_ms = state, name, holder, ttl_ms
        self._token = 0
        self._until_ms = 0

    @property
    def token(self) -> int:
        """The fence: grows whenever the lease changes hands; 0 while not held."""
        return self._token

    def take(self) -> bool:
        """Take or renew it; False while somebody else holds it. Renews only once a third of its time has passed."""
        now = self._state.now_ms()
        if self._token and now < self._until_ms - self._ttl_ms * 2 // 3:
            return True
        with self._state.transaction() as tx:
            changed = tx.run(
                "lease_take", name=self._name, holder=self._holder, expires_ms=now + self._ttl_ms, now_ms=now
            )
            row = tx.rows("lease_get", name=self._name)[0]
        if not changed or row["holder"] != self._holder:
            self._token = 0
            return False
        self._token, self._until_ms = row["token"], row["expires_ms"]
        return True

    def check(self, tx: Transaction) -> None:
        """Within a transaction: raise `Lost` unless the token is still ours, so that nothing is written by a fenced
        holder.
        """
        rows = tx.rows("lease_get", name=self._name)
        if not rows or rows[0]["token"] != self._token or rows[0]["holder"] != self._holder:
            self._token = 0
            raise Lost(f"the lease {self._name} went to somebody else", hint="nothing to do: whoever holds it goes on")

    def release(self) -> None:
        """Give it back."""
        if self._token:
            with self._state.transaction() as tx:
                tx.run("lease_release", name=self._name, holder=self._holder, token=self._token)
            self._token = 0
