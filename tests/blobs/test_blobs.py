# SPDX-License-Identifier: Apache-2.0
"""Both blob stores pass the conformance suite; the files behave on bad days."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from colonnade.adapters.blobs.file import FileBlobs
from colonnade.core.errors import StateError, StorageFull
from colonnade.ports.outside.blobs import Blobs
from colonnade.testing.blobs import MemoryBlobs
from colonnade.testing.blobs_conformance import BlobsConformance


def _file_of(root: Path, digest: str) -> Path:
    name = digest.removeprefix("sha256:")
    return root / name[:2] / name


class TestMemoryBlobs(BlobsConformance):
    @pytest.fixture
    def blobs(self) -> MemoryBlobs:
        return MemoryBlobs()

    @pytest.fixture
    def damage(self, blobs: MemoryBlobs) -> Callable[[str], None]:
        return blobs.damage


class TestFileBlobs(BlobsConformance):
    @pytest.fixture
    def blobs(self, tmp_path: Path) -> Blobs:
        return FileBlobs(tmp_path / "blobs")

    @pytest.fixture
    def damage(self, tmp_path: Path) -> Callable[[str], None]:
        def flip(digest: str) -> None:
            path = _file_of(tmp_path / "blobs", digest)
            data = bytearray(path.read_bytes())
            data[0] ^= 1
            path.write_bytes(bytes(data))

        return flip

    def test_files_are_private(self, tmp_path: Path) -> None:
        digest = FileBlobs(tmp_path / "blobs").put(b"sealed")
        path = _file_of(tmp_path / "blobs", digest)
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700

    @pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
    def test_a_full_disk_is_storage_full_and_leaves_nothing_behind(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
    ) -> None:
        blobs = FileBlobs(tmp_path / "blobs")

        def full(_handle: int) -> None:
            raise OSError(number, os.strerror(number))

        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", full)
            with pytest.raises(StorageFull):
                blobs.put(b"too much")
            with pytest.raises(StorageFull):
                blobs.put_many([b"too much", b"far too much", b"more still"])
        assert [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()] == []
        assert blobs.get(blobs.put(b"too much")) == b"too much"

    def test_another_failure_of_the_disk_is_a_state_error(self, tmp_path: Path) -> None:
        (tmp_path / "blobs").write_text("a file where the folder should be")
        with pytest.raises(StateError):
            FileBlobs(tmp_path / "blobs").put(b"x")

    def test_what_a_killed_writer_left_aside_is_swept(self, tmp_path: Path) -> None:
        aside = tmp_path / "blobs" / "tmp"
        aside.mkdir(parents=True)
        (aside / "999999999-ab-1").write_bytes(b"half")
        mine = aside / f"{os.getpid()}-ab-1"
        mine.write_bytes(b"in progress")
        FileBlobs(tmp_path / "blobs").put(b"x")
        assert list(aside.iterdir()) == [mine]

    def test_many_threads_putting_the_same_bytes_agree(self, tmp_path: Path) -> None:
        blobs = FileBlobs(tmp_path / "blobs")
        digests: list[str] = []
        threads = [threading.Thread(target=lambda: digests.append(blobs.put(b"shared" * 1000))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(digests) == 8
        assert blobs.digests() == sorted(set(digests))
        assert list((tmp_path / "blobs" / "tmp").iterdir()) == []
