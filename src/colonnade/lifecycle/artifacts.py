# SPDX-License-Identifier: Apache-2.0
"""Artifacts: folders that never change, named by a digest over their files. Bytes are sealed and lie once in blobs.

What a file means is not known here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from colonnade.core.errors import StateError
from colonnade.ports.outside.blobs import Blobs
from colonnade.ports.outside.keys import Keys
from colonnade.ports.outside.state import State, Transaction

PIECE_BYTES = 16 * 1024 * 1024
"""A file that is larger lies in pieces of so many bytes."""
PIECES = "pieces/"
"""Before the digest of a blob that names pieces, where a file's blob stands."""
KIND = "folder"
AT_ONCE_BYTES = 64 << 20
"""So much of a folder is held in memory while it is written."""
Write = Callable[[Transaction], None]
"""Something to be written in somebody's transaction."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file: its path within the folder, SHA-256 of its bytes (hex), bytes."""

    path: str
    content: str
    size: int


@dataclass(frozen=True)
class Artifact:
    """A folder.

    Attributes:
        digest: `sha256:HEX` over kind, files and what is told about them: equal content, equal digest.
        kind: dataset, split, model, report.
        about: what is told beside the files, as JSON.
    """

    digest: str
    kind: str
    files: tuple[Entry, ...]
    about: Mapping[str, Any]


class Artifacts:
    """The artifacts of one project."""

    def __init__(self, state: State, blobs: Blobs, keys: Keys, project: str) -> None:
        self._state, self._blobs, self._keys, self._project = state, blobs, keys, project

    def put(self, kind: str, files: Mapping[str, bytes | Path | Entry], about: Mapping[str, Any]) -> Artifact:
        """Keep a folder. What is here already is not written again; `Entry` names a file that is."""
        artifact, write = self.made(kind, files, about)
        with self._state.transaction() as tx:
            write(tx)
        return artifact

    def made(
        self, kind: str, files: Mapping[str, bytes | Path | Entry], about: Mapping[str, Any]
    ) -> tuple[Artifact, Write]:
        """A folder whose bytes are kept already, and what remains to be written in a transaction of the caller's, so
        that the folder and what it is the result of become known together.
        """
        entries, rows = self._files(files)
        manifest = json.dumps(_manifest(kind, entries, about), sort_keys=True, ensure_ascii=False).encode()
        digest = "sha256:" + hashlib.sha256(manifest).hexdigest()
        sealed = self._keys.seal((self._project,), manifest, digest)
        now = self._state.now_ms()

        def write(tx: Transaction) -> None:
            for row in rows:
                tx.run("artifact_file_add", project=self._project, **row)
            tx.run("artifact_add", digest=digest, project=self._project, kind=KIND, body=sealed, created_ms=now)

        return Artifact(digest, kind, entries, about), write

    def get(self, digest: str) -> Artifact:
        """An artifact by its digest. Raises StateError when it is not here."""
        rows = self._state.rows("artifact_get", digest=digest)
        if not rows or rows[0]["kind"] != KIND:
            raise StateError(f"the artifact {digest[:19]} is not here", code="artifact_missing")
        told = json.loads(self._keys.open((self._project,), rows[0]["body"], digest))
        files = tuple(Entry(path, content, size) for path, content, size in told["files"])
        return Artifact(digest, told["kind"], files, told["about"])

    def read(self, entry: Entry) -> bytes:
        """A file's bytes, checked."""
        rows = self._state.rows("artifact_file_get", project=self._project, content=entry.content)
        if not rows:
            raise StateError(f"the file {entry.path!r} is not here", code="artifact_missing")
        return b"".join(self._pieces(rows[0]["blob"], entry.content))

    def write(self, entry: Entry, path: Path) -> None:
        """Lay one file down, a piece at a time; for reading only."""
        rows = self._state.rows("artifact_file_get", project=self._project, content=entry.content)
        if not rows:
            raise StateError(f"the file {entry.path!r} is not here", code="artifact_missing")
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "wb") as file:
            for piece in self._pieces(rows[0]["blob"], entry.content):
                file.write(piece)
        path.chmod(0o444)

    def lay_out(self, digest: str, folder: Path) -> None:
        """Write an artifact's files into a folder, for reading only."""
        for entry in self.get(digest).files:
            self.write(entry, folder / entry.path)

    def _files(self, files: Mapping[str, bytes | Path | Entry]) -> tuple[tuple[Entry, ...], list[dict[str, Any]]]:
        """(what the folder holds, rows of what was not here yet); their bytes are on disk when this returns."""
        entries: list[Entry] = []
        rows: list[dict[str, Any]] = []
        fresh: dict[str, bytes] = {}
        for path in sorted(files):
            given = files[path]
            if isinstance(given, Entry):
                entries.append(Entry(path, given.content, given.size))
                continue
            if isinstance(given, Path) and given.stat().st_size > PIECE_BYTES:
                entry, row = self._large(path, given)
                entries.append(entry)
                rows += row
                continue
            data = given if isinstance(given, bytes) else given.read_bytes()
            content = hashlib.sha256(data).hexdigest()
            entries.append(Entry(path, content, len(data)))
            if not self._state.rows("artifact_file_get", project=self._project, content=content):
                fresh[content] = data
            if sum(map(len, fresh.values())) > AT_ONCE_BYTES:
                rows += self._kept(fresh)
                fresh = {}
        return tuple(entries), rows + self._kept(fresh)

    def _kept(self, fresh: Mapping[str, bytes]) -> list[dict[str, Any]]:
        if not fresh:
            return []
        sealed = [self._keys.seal((self._project,), data, f"file/{content}") for content, data in fresh.items()]
        return [
            {"content": content, "blob": blob, "size": len(fresh[content])}
            for content, blob in zip(fresh, self._blobs.put_many(sealed), strict=True)
        ]

    def _large(self, name: str, path: Path) -> tuple[Entry, list[dict[str, Any]]]:
        """A large file is kept in pieces, so that it is never in memory as a whole: each sealed with its place, and a
        sealed list of them. The file must not change meanwhile.
        """
        with open(path, "rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
            size = file.tell()
            entry = Entry(name, content, size)
            if self._state.rows("artifact_file_get", project=self._project, content=content):
                return entry, []
            file.seek(0)
            seal, project = self._keys.seal, (self._project,)
            pieces: list[str] = []
            while data := file.read(PIECE_BYTES):
                pieces.append(self._blobs.put(seal(project, data, f"file/{content}/{len(pieces)}")))
        told = self._blobs.put(seal(project, json.dumps(pieces).encode(), f"pieces/{content}"))
        return entry, [{"content": content, "blob": PIECES + told, "size": size}]

    def _pieces(self, blob: str, content: str) -> Iterator[bytes]:
        project = (self._project,)
        if not blob.startswith(PIECES):
            yield self._keys.open(project, self._blobs.get(blob), f"file/{content}")
            return
        told = self._keys.open(project, self._blobs.get(blob.removeprefix(PIECES)), f"pieces/{content}")
        for place, piece in enumerate(json.loads(told)):
            yield self._keys.open(project, self._blobs.get(piece), f"file/{content}/{place}")


def collect(folder: Path) -> dict[str, bytes | Path | Entry]:
    """Every regular file under a folder, by its path in it; links are left out."""
    found: dict[str, bytes | Path | Entry] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            found[path.relative_to(folder).as_posix()] = path
    return found


def _manifest(kind: str, entries: tuple[Entry, ...], about: Mapping[str, Any]) -> dict[str, Any]:
    return {"about": dict(about), "files": [[e.path, e.content, e.size] for e in entries], "kind": kind}
