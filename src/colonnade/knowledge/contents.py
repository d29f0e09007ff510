# SPDX-License-Identifier: Apache-2.0
"""The shelf of contents: text and chunks of each distinct file, sealed under the content's key; bytes in blobs, the
rest in rows.

A content is a subject of its own: it holds what one or several equal files hold, and its key goes when the last of them
    is erased
(docs/decisions/0002-contents.md).
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from colonnade.core.documents import Chunk, Parsed
from colonnade.core.erasing import TOMBSTONE, stone_at, stone_of
from colonnade.core.search import IndexedChunk
from colonnade.ports.outside.blobs import Blobs
from colonnade.ports.outside.keys import Keys
from colonnade.ports.outside.state import Row, State, Transaction

if TYPE_CHECKING:
    from numpy.typing import NDArray

CACHED_CHARS = 8_000_000
"""What opened contents may take; their chunks weigh about as much again."""
PAGE = 256
DROPPED_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Content:
    """A content, opened: its text, and its chunks as they are cited."""

    id: str
    text: str
    encoding: str | None
    title: str
    chunks: tuple[Chunk, ...]

    def indexed(self) -> list[IndexedChunk]:
        """The chunks as an index takes them in."""
        digest = hashlib.sha256(self.text.encode("utf-8", "surrogatepass")).digest()[:16]
        return [
            IndexedChunk(order, chunk.passage(self.text), digest + chunk.start.to_bytes(8, "big"))
            for order, chunk in enumerate(self.chunks)
        ]

    def passages(self) -> list[str]:
        """What is embedded, in order."""
        return [chunk.passage(self.text) for chunk in self.chunks]


class Shelf:
    """Contents of one knowledge base. Thread-safe; opened contents are cached by size."""

    def __init__(self, state: State, blobs: Blobs, keys: Keys, project: str, knowledge: str) -> None:
        self._state, self._blobs, self._keys = state, blobs, keys
        self._project, self._knowledge = project, knowledge
        self._cache: OrderedDict[str, Content] = OrderedDict()
        self._cached_chars = 0
        self._erased: set[str] = set()
        self._lock = threading.Lock()

    @property
    def state(self) -> State:
        """The store."""
        return self._state

    def identity(self, raw: bytes, parser: str) -> bytes:
        """What finds an equal content again: keyed MAC of the bytes' digest and of what would parse them."""
        value = hashlib.sha256(raw).digest() + parser.encode()
        return self._keys.project_mac(self._project, f"content/{self._knowledge}", value)

    def is_erased(self, store: State | Transaction, path: str, raw: bytes) -> bool:
        """Whether these bytes were erased: wherever they lie, or at this path where another document holds the same."""
        mac, placed = (
            self._keys.project_mac(self._project, TOMBSTONE, stone)
            for stone in (stone_of(raw), stone_at(self._knowledge, path, raw))
        )
        return bool(store.rows("tombstone_get", project=self._project, mac=mac, placed=placed))

    def forget(self, contents: Iterable[str]) -> None:
        """These were erased: none is cached, or will be."""
        with self._lock:
            for content in contents:
                self._erased.add(content)
                cached = self._cache.pop(content, None)
                self._cached_chars -= len(cached.text) if cached is not None else 0

    def find(self, identity: bytes) -> Row | None:
        """The content that is here already: id, chars, chunks."""
        found = self._state.rows("content_by_mac", knowledge=self._knowledge, mac=identity)
        return found[0] if found else None

    def put_blobs(self, contents: Sequence[tuple[str, bytes, Parsed]]) -> list[tuple[str, str | None]]:
        """Seal and store each content's original bytes and, unless they are the text, the extracted text.

        Durable when this returns; all are put at once, because the disk is what takes the time.
        """
        sealed: list[bytes] = []
        for content, raw, parsed in contents:
            sealed.append(self._keys.seal((content,), raw, f"{content}/raw"))
            if parsed.encoding is None:
                text = parsed.text.encode("utf-8", "surrogatepass")
                sealed.append(self._keys.seal((content,), text, f"{content}/text"))
        digests = iter(self._blobs.put_many(sealed))
        return [(next(digests), next(digests) if parsed.encoding is None else None) for _, _, parsed in contents]

    def add(
        self,
        tx: Transaction,
        content: str,
        identity: bytes,
        blobs: tuple[str, str | None],
        parsed: Parsed,
        chunks: Sequence[Chunk],
    ) -> None:
        """Write a content's row; its key is made before (`Keys.create`)."""
        body = json.dumps(
            [[c.start, c.end, list(c.headings), c.page, c.context] for c in chunks], ensure_ascii=False
        ).encode()
        tx.run(
            "content_add",
            id=content,
            project=self._project,
            knowledge=self._knowledge,
            mac=identity,
            raw=blobs[0],
            text=blobs[1],
            encoding=parsed.encoding,
            title=self._keys.seal((content,), parsed.title.encode("utf-8", "replace"), f"{content}/title"),
            chars=len(parsed.text),
            chunks=len(chunks),
            body=self._keys.seal((content,), body, f"{content}/chunks"),
        )
        # Its id is fresh, so nobody asks for it before the transaction holds.
        title = parsed.title.encode("utf-8", "replace").decode()
        self._keep(Content(content, parsed.text, parsed.encoding, title, tuple(chunks)))

    def get(self, content: str) -> Content:
        """Open a content. Raises KeyError when it is not there, Erased when it was erased."""
        with self._lock:
            cached = self._cache.get(content)
            if cached is not None:
                self._cache.move_to_end(content)
                return cached
        rows = self._state.rows("content_get", id=content)
        if not rows:
            raise KeyError(content)
        opened = self._open(rows[0])
        self._keep(opened)
        return opened

    def raw(self, content: str) -> bytes:
        """The original bytes."""
        row = self._state.rows("content_get", id=content)[0]
        return self._keys.open((content,), self._blobs.get(row["raw"]), f"{content}/raw")

    def all(self) -> Iterator[Content]:
        """Every content in order; erased ones are passed over."""
        seq = 0
        while page := self._state.rows("contents_after", knowledge=self._knowledge, seq=seq, limit=PAGE):
            for row in page:
                try:
                    yield self._open(row)
                except KeyError:
                    continue
            seq = page[-1]["seq"]

    def add_vectors(self, tx: Transaction, content: str, embedder: str, first: int, rows: NDArray[np.float32]) -> None:
        """Keep the vectors of chunks first..first+n, sealed, as float16."""
        data = np.ascontiguousarray(rows, dtype="<f2").tobytes()
        sealed = self._keys.seal((content,), data, f"{content}/vectors/{embedder}/{first}")
        tx.run("vectors_add", content=content, embedder=embedder, first=first, count=len(rows), rows=sealed)

    def drop_vectors(self, keep: Sequence[str]) -> None:
        """Forget the vectors of all embedders but these (two at most), a slice a transaction."""
        one, other = (*keep, "", "")[:2]
        while True:
            with self._state.transaction() as tx:
                if not tx.run(
                    "vectors_drop_other", knowledge=self._knowledge, one=one, other=other, limit=DROPPED_AT_ONCE
                ):
                    return

    def vectors(self, content: str, embedder: str) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Slices (first chunk, [n, dimensions])."""
        for row in self._state.rows("vectors_of_content", content=content, embedder=embedder):
            data = self._keys.open((content,), row["rows"], f"{content}/vectors/{embedder}/{row['first']}")
            yield row["first"], np.frombuffer(data, "<f2").reshape(row["count"], -1).astype(np.float32)

    def _open(self, row: Row) -> Content:
        content = row["id"]
        if row["text"] is None:
            text = self._keys.open((content,), self._blobs.get(row["raw"]), f"{content}/raw").decode(row["encoding"])
        else:
            text = self._keys.open((content,), self._blobs.get(row["text"]), f"{content}/text").decode(
                "utf-8", "surrogatepass"
            )
        body = json.loads(self._keys.open((content,), row["body"], f"{content}/chunks"))
        chunks = tuple(
            Chunk(start, end, tuple(headings), page, context) for start, end, headings, page, context in body
        )
        title = self._keys.open((content,), row["title"], f"{content}/title").decode()
        return Content(content, text, row["encoding"], title, chunks)

    def _keep(self, content: Content) -> None:
        with self._lock:
            if content.id in self._cache or content.id in self._erased:
                return
            self._cache[content.id] = content
            self._cached_chars += len(content.text)
            while self._cached_chars > CACHED_CHARS and len(self._cache) > 1:
                self._cached_chars -= len(self._cache.popitem(last=False)[1].text)
