# SPDX-License-Identifier: Apache-2.0
"""Artifacts: folders that never change, named by a digest over their files. Bytes are sealed and lie once in blobs.

What a file means is not known here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from colonnade.core.errors import StateError
from colonnade.ports.outside.blobs import Blobs
from colonnade.ports.outside.keys import Keys
from colonnade.ports.outside.state import State

KIND = "folder"


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
        entries = tuple(self._file(path, files[path]) for path in sorted(files))
        manifest = json.dumps(_manifest(kind, entries, about), sort_keys=True, ensure_ascii=False).encode()
        digest = "sha256:" + hashlib.sha256(manifest).hexdigest()
        sealed = self._keys.seal((self._project,), manifest, digest)
        with self._state.transaction() as tx:
            tx.run(
                "artifact_add",
                digest=digest,
                project=self._project,
                kind=KIND,
                body=sealed,
                created_ms=self._state.now_ms(),
            )
        return Artifact(digest, kind, entries, about)

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
        sealed = self._blobs.get(rows[0]["blob"])
        return self._keys.open((self._project,), sealed, f"file/{entry.content}")

    def lay_out(self, digest: str, folder: Path) -> None:
        """Write an artifact's files into a folder, for reading only."""
        for entry in self.get(digest).files:
            path = folder / entry.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.read(entry))
            path.chmod(0o444)

    def _file(self, path: str, given: bytes | Path | Entry) -> Entry:
        if isinstance(given, Entry):
            return Entry(path, given.content, given.size)
        data = given if isinstance(given, bytes) else given.read_bytes()
        content = hashlib.sha256(data).hexdigest()
        if not self._state.rows("artifact_file_get", project=self._project, content=content):
            blob = self._blobs.put(self._keys.seal((self._project,), data, f"file/{content}"))
            with self._state.transaction() as tx:
                tx.run("artifact_file_add", project=self._project, content=content, blob=blob, size=len(data))
        return Entry(path, content, len(data))


def collect(folder: Path) -> dict[str, bytes | Path | Entry]:
    """Every regular file under a folder, by its path in it; links are left out."""
    found: dict[str, bytes | Path | Entry] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            found[path.relative_to(folder).as_posix()] = path
    return found


def _manifest(kind: str, entries: tuple[Entry, ...], about: Mapping[str, Any]) -> dict[str, Any]:
    return {"about": dict(about), "files": [[e.path, e.content, e.size] for e in entries], "kind": kind}
