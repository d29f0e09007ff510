# SPDX-License-Identifier: Apache-2.0
"""What every blob store must do.

An engine's test is a subclass with two fixtures: `blobs`, and `damage` (flips a bit of a blob).
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

import pytest

from colonnade.core.errors import Tampered
from colonnade.ports.outside.blobs import Blobs

ABSENT = "sha256:" + "0" * 64


class BlobsConformance:
    """Subclass it, and give the fixtures."""

    @pytest.mark.parametrize("data", [b"", b"x", b"\x00\xff" * 50_000], ids=["empty", "one byte", "100 kB"])
    def test_what_was_put_is_got_back_under_its_digest(self, blobs: Blobs, data: bytes) -> None:
        digest = blobs.put(data)
        assert digest == f"sha256:{sha256(data).hexdigest()}"
        assert blobs.get(digest) == data

    def test_putting_twice_stores_once(self, blobs: Blobs) -> None:
        assert blobs.put(b"same") == blobs.put(b"same")
        assert len(blobs.digests()) == 1

    @pytest.mark.parametrize("count", [0, 1, 2, 40])
    def test_many_are_put_at_once_in_order_and_may_repeat(self, blobs: Blobs, count: int) -> None:
        wanted = [bytes([number % 30]) * 10 for number in range(count)]
        blobs.put(bytes([0]) * 10)
        digests = blobs.put_many(wanted)
        assert [blobs.get(digest) for digest in digests] == wanted
        assert len(blobs.digests()) == max(1, len(set(wanted)))

    def test_how_large_a_blob_is_and_when_it_was_written_is_told(self, blobs: Blobs) -> None:
        size, written_ms = blobs.held(blobs.put(b"four"))
        assert size == 4
        assert 0 <= written_ms < 1 << 48
        with pytest.raises(KeyError):
            blobs.held(ABSENT)

    def test_an_absent_blob_is_a_key_error(self, blobs: Blobs) -> None:
        with pytest.raises(KeyError):
            blobs.get(ABSENT)

    @pytest.mark.parametrize("digest", ["", "sha256:", "sha256:../../etc/passwd", "md5:00", ABSENT.upper()])
    def test_what_is_no_digest_is_a_key_error_and_never_a_path(self, blobs: Blobs, digest: str) -> None:
        with pytest.raises(KeyError):
            blobs.get(digest)

    def test_deleting_is_idempotent(self, blobs: Blobs) -> None:
        digest = blobs.put(b"short lived")
        blobs.delete(digest)
        blobs.delete(digest)
        with pytest.raises(KeyError):
            blobs.get(digest)
        assert blobs.digests() == []

    def test_a_deleted_blob_can_come_back(self, blobs: Blobs) -> None:
        blobs.delete(blobs.put(b"phoenix"))
        assert blobs.get(blobs.put(b"phoenix")) == b"phoenix"

    def test_digests_are_listed_in_order(self, blobs: Blobs) -> None:
        digests = [blobs.put(bytes([number])) for number in range(20)]
        assert blobs.digests() == sorted(digests)

    def test_a_flipped_bit_is_found_on_reading(self, blobs: Blobs, damage: Callable[[str], None]) -> None:
        digest = blobs.put(b"honest bytes")
        damage(digest)
        with pytest.raises(Tampered) as caught:
            blobs.get(digest)
        assert caught.value.code == "blob_tampered"
        assert digest in caught.value.message

    def test_putting_again_mends_a_damaged_blob(self, blobs: Blobs, damage: Callable[[str], None]) -> None:
        digest = blobs.put(b"honest bytes")
        damage(digest)
        blobs.put(b"honest bytes")
        assert blobs.get(digest) == b"honest bytes"
