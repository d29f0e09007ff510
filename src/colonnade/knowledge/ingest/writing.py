# SPDX-License-Identifier: Apache-2.0
"""Write what a reading means: new document, changed, renamed, duplicate, unreadable, removed. Rows and leaves in one
transaction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from colonnade.core import entries
from colonnade.core.leaf import Leaf
from colonnade.core.search import Visibility
from colonnade.knowledge.contents import Shelf
from colonnade.knowledge.ingest.plan import Known
from colonnade.knowledge.ingest.reading import ERASED, Reading
from colonnade.ports.journal import Journal
from colonnade.ports.outside.keys import Keys
from colonnade.ports.outside.state import State, Transaction

Moved = dict[tuple[str, str], list[Known]]
"""(source, content) -> missing files that held it, last path first."""


@dataclass(slots=True)
class Ledgered:
    """What a transaction changed, for the index and for the run's counts; applied to memory only once it is durable."""

    contents: list[str] = field(default_factory=list)
    documents: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    known: dict[str, Known | None] = field(default_factory=dict)


class Writer:
    """Writes readings of one knowledge base; the caller holds its lease."""

    def __init__(self, state: State, keys: Keys, shelf: Shelf, journal: Journal, knowledge: str, actor: str) -> None:
        self._state, self._keys, self._shelf, self._journal = state, keys, shelf, journal
        self._knowledge, self._actor = knowledge, actor

    def prepare(self, readings: Sequence[Reading]) -> dict[bytes, tuple[str, tuple[str, str | None]]]:
        """Make keys and sealed blobs of the new contents, outside the transaction: identity -> (content id, blobs)."""
        fresh = {r.identity: (r.raw, r.parsed) for r in readings if r.parsed is not None}
        if not fresh:
            return {}
        ids = {identity: self._state.new_id("cnt") for identity in fresh}
        with self._state.transaction() as tx:
            for content in ids.values():
                self._keys.create(tx, content, self._journal.project)
        blobs = self._shelf.put_blobs([(ids[identity], raw, parsed) for identity, (raw, parsed) in fresh.items()])
        return {identity: (ids[identity], pair) for identity, pair in zip(fresh, blobs, strict=True)}

    def write(
        self,
        tx: Transaction,
        run: str,
        readings: Sequence[Reading],
        prepared: dict[bytes, tuple[str, tuple[str, str | None]]],
        known: dict[str, Known],
        gone: dict[str, Known],
        moved: Moved,
        readers: dict[str, str],
    ) -> Ledgered:
        """Write the readings. `gone` holds files no longer there, `moved` the same by what they held (`held`): those
        whose content turns up again under a new path are renames, and are taken out of both."""
        done = Ledgered()
        for reading in readings:
            if not reading.known.code and self._shelf.is_erased(tx, reading.seen.path, reading.raw):
                reading = self._erased(tx, reading, prepared)
            self._one(tx, run, reading, prepared, known, gone, moved, readers, done)
        return done

    def _erased(
        self, tx: Transaction, reading: Reading, prepared: dict[bytes, tuple[str, tuple[str, str | None]]]
    ) -> Reading:
        """What was erased between reading and writing: what was sealed of it opens no more."""
        if reading.identity in prepared:
            self._keys.destroy(tx, prepared[reading.identity][0])
        return replace(reading, known=replace(reading.known, code="erased", reason=ERASED))

    def remove(self, tx: Transaction, run: str, gone: Sequence[Known], sources: Collection[str]) -> Ledgered:
        """End the documents whose files are gone."""
        done = Ledgered()
        for file in gone:
            reason = "deleted" if file.source in sources else "undeclared"
            if file.document is not None:
                self._end(tx, run, file.document, reason, done)
            tx.run("file_drop", knowledge=self._knowledge, path_mac=self.path_mac(file.path))
            done.known[file.path] = None
        return done

    def path_mac(self, path: str) -> bytes:
        """What finds a path again."""
        return self._keys.project_mac(
            self._journal.project, f"path/{self._knowledge}", path.encode("utf-8", "surrogateescape")
        )

    def _one(
        self,
        tx: Transaction,
        run: str,
        reading: Reading,
        prepared: dict[bytes, tuple[str, tuple[str, str | None]]],
        known: dict[str, Known],
        gone: dict[str, Known],
        moved: Moved,
        readers: dict[str, str],
        done: Ledgered,
    ) -> None:
        path = reading.seen.path
        before = known.get(path)
        document = before.document if before else None
        if document is not None and before is not None and before.source != reading.seen.source:
            self._end(tx, run, document, "undeclared", done)
            document = None
        if reading.known.code:
            if document is not None:
                self._end(tx, run, document, "unreadable", done)
            self._file(tx, reading.known, done)
            done.counts["unreadable"] += 1
            return
        content, chunks = self._content(tx, reading, prepared, done)
        if document is not None and self._holds(tx, document) == content:
            self._file(tx, replace(reading.known, document=document), done)
            done.counts["touched"] += 1
            return
        if document is not None:
            self._version(tx, document, content, path)
            tx.append(self._changed(tx, document, run, content, chunks, reading))
            done.counts["changed"] += 1
        elif (old := _taken(moved, (reading.seen.source, content))) is not None and old.document is not None:
            document = old.document
            del gone[old.path]
            tx.run("file_drop", knowledge=self._knowledge, path_mac=self.path_mac(old.path))
            done.known[old.path] = None
            self._version(tx, document, content, path)
            stamp, held = self._journal.stamp(self._actor), self._readers(tx, document)
            tx.append(
                entries.document_renamed(
                    stamp,
                    self._journal.mac,
                    document=document,
                    run=run,
                    content=content,
                    readers=held,
                    path=_plain(path),
                )
            )
            done.counts["renamed"] += 1
        else:
            document = self._document(tx, reading, readers)
            self._version(tx, document, content, path)
            tx.append(
                entries.document_added(
                    self._journal.stamp(self._actor),
                    self._journal.mac,
                    document=document,
                    run=run,
                    knowledge=self._knowledge,
                    content=content,
                    readers=readers[reading.seen.source],
                    data=reading.raw,
                    path=_plain(path),
                    chars=reading.chars,
                    chunks=chunks,
                )
            )
            done.counts["added"] += 1
        done.documents.append(document)
        self._file(tx, replace(reading.known, document=document), done)

    def _content(
        self,
        tx: Transaction,
        reading: Reading,
        prepared: dict[bytes, tuple[str, tuple[str, str | None]]],
        done: Ledgered,
    ) -> tuple[str, int]:
        here = tx.rows("content_by_mac", knowledge=self._knowledge, mac=reading.identity)
        if here:
            return here[0]["id"], here[0]["chunks"]
        assert reading.parsed is not None
        content, blobs = prepared[reading.identity]
        self._shelf.add(tx, content, reading.identity, blobs, reading.parsed, reading.chunks)
        done.contents.append(content)
        return content, len(reading.chunks)

    def _document(self, tx: Transaction, reading: Reading, readers: dict[str, str]) -> str:
        document = self._state.new_id("doc")
        self._keys.create(tx, document, self._journal.project)
        tx.run(
            "document_add",
            id=document,
            project=self._journal.project,
            knowledge=self._knowledge,
            source=reading.seen.source,
            readers=readers[reading.seen.source],
            created_ms=self._state.now_ms(),
        )
        return document

    def _version(self, tx: Transaction, document: str, content: str, path: str) -> None:
        now = self._state.now_ms()
        tx.run("version_end", document=document, valid_to_ms=now)
        tx.run(
            "version_add",
            document=document,
            knowledge=self._knowledge,
            content=content,
            path_mac=self.path_mac(path),
            path_sealed=self._keys.seal((document,), path.encode("utf-8", "surrogateescape"), f"{document}/path"),
            valid_from_ms=now,
        )

    def _end(self, tx: Transaction, run: str, document: str, why: str, done: Ledgered) -> None:
        tx.run("version_end", document=document, valid_to_ms=self._state.now_ms())
        tx.append(entries.document_removed(self._journal.stamp(self._actor), document=document, run=run, reason=why))
        done.documents.append(document)
        done.counts["removed"] += 1

    def _changed(self, tx: Transaction, document: str, run: str, content: str, chunks: int, reading: Reading) -> Leaf:
        return entries.document_changed(
            self._journal.stamp(self._actor),
            self._journal.mac,
            document=document,
            run=run,
            content=content,
            readers=self._readers(tx, document),
            data=reading.raw,
            path=_plain(reading.seen.path),
            chars=reading.chars,
            chunks=chunks,
        )

    @staticmethod
    def _readers(tx: Transaction, document: str) -> str:
        return str(tx.rows("document_get", id=document)[0]["readers"])

    def _file(self, tx: Transaction, known: Known, done: Ledgered) -> None:
        subject = known.document or self._knowledge
        tx.run(
            "file_put",
            knowledge=self._knowledge,
            path_mac=self.path_mac(known.path),
            path_sealed=self._keys.seal((subject,), known.path.encode("utf-8", "surrogateescape"), "file/path"),
            source=known.source,
            size=known.size,
            mtime_ns=known.mtime_ns,
            inode=known.inode,
            code=known.code,
            reason=known.reason,
            document=known.document,
            parser=known.parser,
        )
        done.known[known.path] = known

    @staticmethod
    def _holds(store: Transaction | State, document: str) -> str | None:
        versions = [v for v in store.rows("versions_of_document", document=document) if v["valid_to_ms"] is None]
        return versions[0]["content"] if versions else None

    def held(self, gone: Mapping[str, Known]) -> Moved:
        """(source, content) -> the missing files that held it, last path first.

        A rename stays within its source: readers belong to the source, and what a document held before it was moved
        must not get the readers of where it lies now.
        """
        held: Moved = {}
        for path in sorted(gone, reverse=True):
            file = gone[path]
            content = self._holds(self._state, file.document) if file.document is not None else None
            if content is not None:
                held.setdefault((file.source, content), []).append(file)
        return held


def _taken(moved: Moved, key: tuple[str, str]) -> Known | None:
    files = moved.get(key)
    return files.pop() if files else None


def visibility(row: dict[str, object]) -> Visibility:
    """A row of `versions_*` as the index takes it in."""
    valid_to = row["valid_to_ms"]
    return Visibility(
        document=str(row["document"]),
        content=str(row["content"]),
        readers=str(row["readers"]),
        valid_from_ms=int(str(row["valid_from_ms"])),
        valid_to_ms=None if valid_to is None else int(str(valid_to)),
    )


def _plain(path: str) -> str:
    """A path as text that any encoding can carry."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
