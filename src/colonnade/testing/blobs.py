# SPDX-License-Identifier: Apache-2.0
"""Blobs in memory: the reference that engines are compared with. It may tamper with itself, so that tests can."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from colonnade.core.errors import Tampered


class MemoryBlobs:
    """A dict of blobs."""

    def __init__(self) -> None:
        self._held: dict[str, bytes] = {}

    def put(self, data: bytes) -> str:
        """`sha256:HEX` of the bytes."""
        digest = f"sha256:{sha256(data).hexdigest()}"
        self._held[digest] = bytes(data)
        return digest

    def put_many(self, blobs: Sequence[bytes]) -> list[str]:
        """The digest of each, in order."""
        return [self.put(data) for data in blobs]

    def get(self, digest: str) -> bytes:
        """The bytes. Raises KeyError if absent, `Tampered` if they no longer match the digest."""
        data = self._held[digest]
        if f"sha256:{sha256(data).hexdigest()}" != digest:
            raise Tampered(f"blob {digest} holds other bytes", code="blob_tampered")
        return data

    def delete(self, digest: str) -> None:
        """Gone, or already gone. KeyError for what is no digest."""
        if not digest.startswith("sha256:"):
            raise KeyError(digest)
        self._held.pop(digest, None)

    def held(self, digest: str) -> tuple[int, int]:
        """(bytes, 0: written long ago). Raises KeyError if absent."""
        return len(self._held[digest]), 0

    def digests(self) -> list[str]:
        """All digests held, sorted."""
        return sorted(self._held)

    def damage(self, digest: str) -> None:
        """Flip one bit, as a bad disk would."""
        data = bytearray(self._held[digest])
        data[0] ^= 1
        self._held[digest] = bytes(data)
