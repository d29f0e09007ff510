# SPDX-License-Identifier: Apache-2.0
"""Look: what the rows say of each file, and what the sources hold now. Nothing is decided or written here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from colonnade.knowledge.base import KnowledgeBase
from colonnade.knowledge.ingest.plan import Known
from colonnade.knowledge.sources import FolderSource, Seen, SourceVanished, absent_within, apart
from colonnade.ports.outside.state import State


def look_at(sources: Sequence[FolderSource], known: Mapping[str, Known], missing: dict[str, str]) -> Iterator[Seen]:
    """Every file of the sources; `missing` gets each source that is not there, with what follows from it.

    What a missing source held is seen as it was. While a source that lies within another one is not there, nothing new
    is read in the outer one: a folder that was renamed must not become readable to the outer one's readers. Raises
    `SourceVanished` when a source went away meanwhile.
    """
    absent = absent_within(sources)
    for source in apart(tuple(sources)):
        within = absent.get(source.key, [])
        try:
            for seen in source.walk():
                if not within or seen.path in known:
                    yield seen
            if within:
                missing[source.key] = f"no new file is read in it: {', '.join(within)} is not there"
        except (FileNotFoundError, NotADirectoryError):
            missing[source.key] = "the source is not there"
            yield from (_as_it_was(file) for file in known.values() if file.source == source.key)
    if absent_within(sources) != absent:
        raise SourceVanished


def _as_it_was(file: Known) -> Seen:
    return Seen(file.source, file.path, "", file.size, file.mtime_ns, file.inode, file.code, file.reason)


def load_known(state: State, base: KnowledgeBase) -> Iterator[tuple[str, Known]]:
    """What the rows say of each file; erased ones are passed over."""
    for row in state.rows("files_of_knowledge", knowledge=base.id):
        subject = row["document"] or base.id
        try:
            path = base.tools.keys.open((subject,), row["path_sealed"], "file/path").decode("utf-8", "surrogateescape")
        except KeyError:
            continue
        yield (
            path,
            Known(
                row["source"],
                path,
                row["size"],
                row["mtime_ns"],
                row["inode"],
                row["code"],
                row["reason"],
                row["document"],
                row["parser"],
            ),
        )
