# SPDX-License-Identifier: Apache-2.0
"""A knowledge base as it runs: the shelf of contents, the live index, and which embedder's vectors the index holds.

The rows are the truth; the index is derived and can be rebuilt from them at any time. Deciding what to read is
`ingest`'s, deciding
what to answer is `asking`'s.
"""

from __future__ import annotations

import hashlib
import json
import struct
import threading
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from colonnade.core.errors import ColonnadeError
from colonnade.knowledge.contents import Content, Shelf
from colonnade.knowledge.index import Index
from colonnade.knowledge.ingest.writing import visibility
from colonnade.ports.outside.keys import Keys
from colonnade.ports.outside.models import Embedder
from colonnade.ports.outside.state import Row, State
from colonnade.ports.outside.vectors import Vectors

LEXICAL_DIMENSIONS = 1
_SPAN = struct.Struct("<II32s")
"""Start, end and digest of a chunk's text."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What a knowledge base works with.

    Attributes:
        embedder: gives the embedder for a specification of the declaration (JSON text, "" = the default), or None
            without weights.
        vectors: makes an empty vector engine for so many dimensions.
        folder: where derived index files lie, or None to keep them in memory only.
    """

    state: State
    keys: Keys
    embedder: Callable[[str], Embedder | None]
    vectors: Callable[[int], Vectors]
    folder: Path | None


class KnowledgeBase:
    """One knowledge base. Searches may run while the loop changes it."""

    def __init__(self, tools: Tools, shelf: Shelf, project: str, knowledge: str, name: str) -> None:
        self.tools, self.shelf = tools, shelf
        self.project, self.id, self.name = project, knowledge, name
        self._lock = threading.RLock()
        self._hashes: dict[str, bytes] = {}
        self._paths: dict[int, str] = {}
        self._erased: set[str] = set()
        self._index: Index | None = None
        self._embedder: Embedder | None = None

    @property
    def index(self) -> Index:
        """The live index; built from the rows on first use."""
        return self.live()[0]

    @property
    def embedder(self) -> Embedder | None:
        """The embedder whose vectors the live index holds; None: words only."""
        return self.live()[1]

    def live(self) -> tuple[Index, Embedder | None]:
        """The live index and the embedder of its vectors, which belong together: take both at once."""
        with self._lock:
            if self._index is None:
                self._embedder = self._live_embedder()
                self._index = self._load() or self.build(self._embedder)
            return self._index, self._embedder

    def row(self) -> Row:
        """The knowledge base's row."""
        return self.tools.state.rows("knowledge_get", id=self.id)[0]

    def build(self, embedder: Embedder | None) -> Index:
        """An index of all rows, with that embedder's vectors."""
        index = self._empty(embedder)
        for content in self.shelf.all():
            self._add(index, content, embedder)
        self._show(index)
        return index

    def take_in(self, contents: Iterable[str], documents: Iterable[str]) -> None:
        """Bring what a transaction changed into the live index."""
        index, embedder = self.live()
        for content in contents:
            self._add(index, self.shelf.get(content), embedder)
        state = self.tools.state
        with self._lock:  # Read and set at once: or rights that change meanwhile are set back to those read before.
            rows = [row for document in documents for row in state.rows("versions_of_document", document=document)]
            if rows:
                self.live()[0].set_visibility([visibility(dict(row)) for row in rows])

    def doubt(self) -> None:
        """The live index may lack what was written: it is built anew from the rows."""
        with self._lock:
            self._index = None

    def erase(self, contents: Collection[str], documents: Iterable[str]) -> int:
        """The rows of these are gone: none stands in the live index any more, nor in a file; how many passages went.

        The file is written anew at the next clean end. Not now: rows may come in that the live index lacks as yet.
        """
        with self._lock:
            self._erased.update(contents)
            self.shelf.forget(contents)
            self._paths.clear()
            for content in contents:
                self._hashes.pop(content, None)
            if self.tools.folder is not None:
                self._file().unlink(missing_ok=True)
                self._marker().unlink(missing_ok=True)
            index = self._index
        if index is None:
            return 0
        for document in documents:
            index.drop_visibility(document)
        return index.erase(contents)

    def swap(self, index: Index, embedder: Embedder | None) -> None:
        """Search by this index from now on, under the rights of now: they may have changed while it was built.

        So may what there is: what was erased meanwhile does not come back.
        """
        with self._lock:
            index.erase(self._erased)
            self._show(index)
            self._index, self._embedder = index, embedder

    def save(self) -> None:
        """Write the derived index, so that the next start need not rebuild it."""
        if self.tools.folder is not None and self._index is not None:
            self.tools.folder.mkdir(parents=True, exist_ok=True)
            self._index.save(self._file())
            self._marker().write_text(self._mark(), "utf-8")

    def content_digest(self) -> str:
        """SHA-256 over the sorted rows valid now (CONTRACT.md, content_digest).

        What a row says is kept between calls, by version and content: a changed file costs its own text only.
        """
        sets = {
            row["id"]: json.dumps(json.loads(row["names"]))
            for row in self.tools.state.rows("reader_sets_of_project", project=self.project)
        }
        embedder = self.embedder
        last = json.dumps(embedder.id if embedder else "")
        versions = self.tools.state.rows("versions_live", knowledge=self.id)
        self._paths = {v["seq"]: self._paths.get(v["seq"]) or json.dumps(self.path(v)) for v in versions}
        self._hashes = {v["content"]: self._hashed(v["content"]) for v in versions}
        digest, between = hashlib.sha256(), b""
        # Rows sort by their path first, and no path as JSON is the beginning of another.
        by_path: dict[str, list[Row]] = {}
        for version in versions:
            by_path.setdefault(self._paths[version["seq"]], []).append(version)
        for path in sorted(by_path):
            rows = [
                f'[{path}, {start}, {end}, "{text.hex()}", {sets[version["readers"]]}, {last}]'
                for version in by_path[path]
                for start, end, text in _SPAN.iter_unpack(self._hashes[version["content"]])
            ]
            for row in sorted(rows):
                digest.update(between + row.encode())
                between = b"\n"
        return digest.hexdigest()

    def path(self, version: Row) -> str:
        """The declared path of a version's row. Raises Erased."""
        document = version["document"]
        return self.tools.keys.open((document,), version["path_sealed"], f"{document}/path").decode("utf-8", "replace")

    def _hashed(self, content: str) -> bytes:
        """`_SPAN` of each chunk."""
        kept = self._hashes.get(content)
        return _spans(self.shelf.get(content)) if kept is None else kept

    def _empty(self, embedder: Embedder | None) -> Index:
        dimensions = embedder.dimensions if embedder else LEXICAL_DIMENSIONS
        secret = self.tools.keys.project_mac(self.project, f"terms/{self.id}", b"")
        return Index(dimensions, self.tools.vectors(dimensions), secret)

    def _add(self, index: Index, content: Content, embedder: Embedder | None) -> None:
        if content.id in self._erased:
            return
        index.add(content.id, content.indexed())
        self._hashes[content.id] = _spans(content)
        if embedder is not None:
            for first, rows in self.shelf.vectors(content.id, embedder.id):
                index.set_vectors(content.id, first, rows)

    def _show(self, index: Index) -> None:
        """Who may see what, from the rows of now: never from a derived file, which may be older than the rights."""
        rows = self.tools.state.rows("versions_of_knowledge", knowledge=self.id)
        index.set_visibility([visibility(dict(row)) for row in rows])

    def _live_embedder(self) -> Embedder | None:
        live = self.row()["embedder"]
        if live is None:
            return None
        spec = self.tools.state.rows("meta_get", key=f"embedder/{live}")
        try:
            embedder = self.tools.embedder(spec[0]["value"] if spec else "")
            if embedder is None or embedder.id != live or not embedder.dimensions:
                return None
        except ColonnadeError:
            return None
        return embedder

    def _file(self) -> Path:
        assert self.tools.folder is not None
        return self.tools.folder / f"{self.id}.index"

    def _marker(self) -> Path:
        return self._file().with_suffix(".of")

    def _mark(self) -> str:
        """What the saved index was made of: any later change of rows makes another mark."""
        counts = self.tools.state.rows("knowledge_mark", knowledge=self.id)[0]
        return json.dumps([*counts, self._embedder.id if self._embedder else ""])

    def _load(self) -> Index | None:
        if self.tools.folder is None or not self._file().exists():
            return None
        index = self._empty(self._embedder)
        try:
            if self._marker().read_text("utf-8") != self._mark():
                return None
            index.load(self._file())
        except (ColonnadeError, OSError, ValueError):
            return None
        self._show(index)
        return index


def _spans(content: Content) -> bytes:
    """`_SPAN` of each chunk."""
    found = []
    for c in content.chunks:
        text = content.text[c.start : c.end].encode("utf-8", "surrogatepass")
        found.append(_SPAN.pack(c.start, c.end, hashlib.sha256(text).digest()))
    return b"".join(found)
