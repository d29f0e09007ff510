# SPDX-License-Identifier: Apache-2.0
"""Files of runs and models. Each upload is an artifact of one file, sealed; paths are sealed under their owner's key.

A path as clients know it is `.../OWNER/artifacts/INNER`, where OWNER is a run's or a model's id; whatever stands before
it does not matter. `pinned/HEX/INNER` is a file of an artifact that never changes: a registered version.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from colonnade.core.errors import StateError
from colonnade.core.ids import is_id
from colonnade.lifecycle.artifacts import Artifact, Entry
from colonnade.lifecycle.tracking.checks import inner_path, missing, wrong
from colonnade.lifecycle.tracking.experiments import ROOT
from colonnade.lifecycle.tracking.things import ACTIVE, MODEL, RUN, Thing, Things
from colonnade.ports.outside.state import Row

PINNED = "pinned"
FOLDER = "artifacts"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a path leads: into a thing, or into a pinned artifact; `inner` "" is its root."""

    thing: Thing | None
    digest: str
    inner: str


class Files:
    """The files of tracked things."""

    def __init__(self, things: Things) -> None:
        self._things, self._state, self._keys = things, things.state, things.keys

    def put(self, path: str, data: bytes) -> None:
        """Keep a file; one that is there is replaced. Raises UsageError, UnknownName."""
        place = self.place(path)
        thing = place.thing
        if thing is None or not place.inner:
            raise wrong(f"Invalid path: {path!r}", hint="a file goes to .../RUN/artifacts/PATH")
        if thing.stage != ACTIVE:
            raise wrong(f"The run {thing.id} must be in the 'active' state. Current state is {thing.stage}.")
        made, write = self._things.artifacts.made("file", {"data": data}, {})
        entry = made.files[0]
        with self._state.transaction() as tx:
            write(tx)
            tx.run(
                "tracked_file_put", owner=thing.number, path_mac=self._mac(thing, place.inner),
                path=self._keys.seal((thing.id,), place.inner.encode(), f"{thing.id}/path"), content=entry.content,
                size=entry.size,
            )  # fmt: skip

    def get(self, path: str) -> bytes:
        """A file's bytes. Raises UnknownName."""
        place = self.place(path)
        entry = self.entries(place).get(place.inner) if place.thing is None else self._entry(place.thing, place.inner)
        if entry is None:
            raise missing(f"No such artifact: {path}")
        return self._things.artifacts.read(entry)

    def drop(self, path: str) -> None:
        """Take a file, or all of a folder, out of a thing. Raises UsageError for what is pinned."""
        place = self.place(path)
        if place.thing is None:
            raise wrong("A registered version never changes; its files cannot be deleted")
        under = f"{place.inner}/" if place.inner else ""
        with self._state.transaction() as tx:
            for inner in self.entries(place):
                if inner == place.inner or inner.startswith(under):
                    tx.run("tracked_file_drop", owner=place.thing.number, path_mac=self._mac(place.thing, inner))

    def of(self, thing: Thing) -> dict[str, Entry]:
        """Every file of a thing by its path."""
        rows = self._state.rows("tracked_files_of", owner=thing.number)
        return {entry.path: entry for row in rows for entry in [self._opened(thing, row)]}

    def entries(self, place: Place) -> Mapping[str, Entry]:
        """Every file of where a path leads, by its path there."""
        if place.thing is not None:
            return self.of(place.thing)
        try:
            return {entry.path: entry for entry in self._things.artifacts.get(place.digest).files}
        except StateError:
            return {}

    def pin(self, kind: str, place: Place, about: Mapping[str, Any]) -> Artifact | None:
        """The files below a path as an artifact that never changes; None where there are none."""
        under = f"{place.inner}/" if place.inner else ""
        kept = {path.removeprefix(under): entry for path, entry in self.entries(place).items()
                if path.startswith(under)}  # fmt: skip
        return self._things.artifacts.put(kind, dict(kept), about) if kept else None

    def resolve(self, uri: str) -> Place | None:
        """Where `mlflow-artifacts:/PATH` leads; None for another scheme. Raises UsageError, UnknownName."""
        scheme, _, path = uri.partition(":")
        if scheme != "mlflow-artifacts":
            return None
        if path.startswith("//"):  # a host of its own: ours or not, the path decides
            path = path[2:].partition("/")[2]
        return self.place(path)

    def place(self, path: str) -> Place:
        """Where a path leads. Raises UsageError, UnknownName."""
        parts = inner_path(path).split("/")
        if parts[0] == PINNED and len(parts) > 1:
            return Place(None, f"sha256:{parts[1]}", "/".join(parts[2:]))
        for at, part in enumerate(parts):
            if parts[at + 1 : at + 2] == [FOLDER] and (is_id(part) or part.startswith("m-")):
                thing = self._things.find(part, RUN if is_id(part) else MODEL)
                if thing is not None:
                    return Place(thing, "", "/".join(parts[at + 2 :]))
        raise missing(f"No such artifact: {path}")

    def _entry(self, thing: Thing, inner: str) -> Entry | None:
        rows = self._state.rows("tracked_file_get", owner=thing.number, path_mac=self._mac(thing, inner))
        return self._opened(thing, rows[0]) if rows else None

    def _opened(self, thing: Thing, row: Row) -> Entry:
        path = self._keys.open((thing.id,), row["path"], f"{thing.id}/path").decode()
        return Entry(path, row["content"], row["size"])

    def _mac(self, thing: Thing, inner: str) -> bytes:
        return self._keys.project_mac(self._things.project, "tracked-file", f"{thing.id}\0{inner}".encode())


def folder(entries: Mapping[str, Entry], inner: str) -> list[dict[str, Any]]:
    """Files and folders right below a path, sorted, with their whole paths."""
    under = f"{inner}/" if inner else ""
    found: dict[str, dict[str, Any]] = {}
    for path, entry in entries.items():
        if path.startswith(under):
            name, slash, _ = path.removeprefix(under).partition("/")
            whole = under + name
            found[whole] = {"path": whole, "is_dir": True} if slash else {
                "path": whole, "is_dir": False, "file_size": entry.size}  # fmt: skip
    return [found[path] for path in sorted(found)]


def pinned_uri(digest: str) -> str:
    """Where the files of a pinned artifact are read."""
    return f"{ROOT}{PINNED}/{digest.removeprefix('sha256:')}"
