# SPDX-License-Identifier: Apache-2.0
"""What we ask of a blob store: bytes by their digest."""

from __future__ import annotations

from typing import Protocol


class Blobs(Protocol):
    """Immutable bytes. What is personal is sealed before it comes here."""

    def put(self, data: bytes) -> str:
        """`sha256:HEX` of the bytes, durable when this returns. Idempotent. Raises `StorageFull`."""
        ...

    def get(self, digest: str) -> bytes:
        """The bytes. Raises KeyError if absent, `Tampered` if they no longer match the digest."""
        ...

    def delete(self, digest: str) -> None:
        """Gone, or already gone."""
        ...

    def digests(self) -> list[str]:
        """All digests held, sorted."""
        ...
