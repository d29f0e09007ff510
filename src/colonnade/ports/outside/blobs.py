# SPDX-License-Identifier: Apache-2.0
"""What we ask of a blob store: bytes by their digest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Blobs(Protocol):
    """Immutable bytes. What is personal is sealed before it comes here."""

    def put(self, data: bytes) -> str:
        """`sha256:HEX` of the bytes, durable when this returns. Idempotent. Raises `StorageFull`."""
        ...

    def put_many(self, blobs: Sequence[bytes]) -> list[str]:
        """The digest of each, in order; all durable when this returns, in far less time than one by one.

        Raises `StorageFull`.
        """
        ...

    def get(self, digest: str) -> bytes:
        """The bytes. Raises KeyError if absent, `Tampered` if they no longer match the digest."""
        ...

    def delete(self, digest: str) -> None:
        """Gone, or already gone."""
        ...

    def held(self, digest: str) -> tuple[int, int]:
        """(bytes, when written in ms since 1970 by the machine's clock). Raises KeyError if absent."""
        ...

    def digests(self) -> list[str]:
        """All digests held, sorted."""
        ...
