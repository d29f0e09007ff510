# SPDX-License-Identifier: Apache-2.0
"""A house in this process with real store, keys and blobs, that can be killed at any transaction or deletion."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from colonnade.app.erasing import Erasing
from colonnade.app.house import House
from colonnade.app.settings.declaration import parse_declaration
from colonnade.app.settings.environment import Places, places_of
from colonnade.app.verifying import verify_places
from colonnade.core.answers import Answer, Asker
from colonnade.govern.ledger.sequencer import LEASE, Sequencer
from colonnade.ports.rowlease import RowLease

DECLARATION = """\
version: 1
project: small
access:
  groups: {everyone: ["*"], staff: [anna, heidi]}
knowledge:
  handbook: {sources: [{path: ./docs}], watch: true}
services:
  assistant: {knowledge: handbook}
"""


class Killed(BaseException):
    """kill -9."""


@dataclass
class Room:
    """A folder, and the house that is open there now."""

    folder: Path
    dies_in: int | None = None
    after: bool = True
    house: House = field(init=False)
    erasing: Erasing = field(init=False)

    def __post_init__(self) -> None:
        (self.folder / "docs").mkdir(parents=True)
        (self.folder / "colonnade.yaml").write_text(DECLARATION, "utf-8")
        self.open()

    @property
    def places(self) -> Places:
        return places_of(self.folder / "colonnade.yaml")

    def open(self) -> None:
        """Start the house, as a daemon does."""
        self.dies_in = None
        house = self.house = House(self.places, holder="test")
        house.embedders.get = lambda specification: None  # type: ignore[method-assign]
        house.break_leases()
        house.apply(parse_declaration(DECLARATION, "colonnade.yaml"))
        self.erasing = Erasing(house)
        whole, delete = house.state.transaction, house.blobs.delete

        @contextlib.contextmanager
        def transaction() -> Iterator[Any]:
            dying = self._dies()
            with whole() as tx:
                yield tx
                if dying and not self.after:
                    raise Killed
            if dying:
                raise Killed

        def deleting(digest: str) -> None:
            if self._dies():
                raise Killed
            delete(digest)

        house.state.transaction = transaction  # type: ignore[method-assign]
        house.blobs.delete = deleting  # type: ignore[method-assign]

    def _dies(self) -> bool:
        if self.dies_in is None:
            return False
        self.dies_in -= 1
        return self.dies_in < 0

    def kill(self) -> None:
        """End as by kill -9: nothing is saved, sealed or released."""
        self.dies_in = None
        self.house.parsers.close()
        self.house.state.close()

    def close(self) -> None:
        """End cleanly."""
        self.house.close()

    def write(self, name: str, text: str) -> None:
        (self.folder / "docs" / name).write_text(text, "utf-8")

    def remove(self, name: str) -> None:
        (self.folder / "docs" / name).unlink(missing_ok=True)

    def ingest(self) -> None:
        """Look until nothing is left to do; what was just written is read as it is."""
        loop = self.house.loops["handbook"]
        for _ in range(40):
            loop.look()
            if not loop.step() and not loop._young:
                return

    def asker(self, name: str) -> Asker:
        return self.house.people.askers(self.house.owner)[self.person(name)]

    def person(self, name: str) -> str:
        found = self.house.owner if name == "owner" else self.house.people.find(name)
        assert found is not None
        return found

    def documents(self) -> dict[str, str]:
        """File name -> id of the document that holds it."""
        return {Path(path).name: str(known.document) for path, known in self.files().items() if known.document}

    def held(self) -> set[str]:
        """Names of files that are listed as erased."""
        return {Path(path).name for path, known in self.files().items() if known.code == "erased"}

    def files(self) -> dict[str, Any]:
        from colonnade.knowledge.ingest.looking import load_known

        return dict(load_known(self.house.state, self.house.loops["handbook"].base))

    def ask(self, question: str, name: str = "owner") -> Answer:
        """Ask and record."""
        from colonnade.app.answering import Answering
        from colonnade.app.snapshots import take_snapshot
        from colonnade.app.writer import GroupWriter

        writer = GroupWriter(self.house.state)
        try:
            snapshot = take_snapshot(self.house, 1, 8700)
            return Answering(self.house, writer).ask(snapshot, self.asker(name), "assistant", question, [], None)
        finally:
            writer.close()

    def erase(self, *refs: str, approver: str = "heidi") -> dict[str, Any]:
        """Ask, and have it approved."""
        asked = self.erasing.erase(self.asker("owner"), refs, dry_run=False)
        if asked["state"] == "asked":
            self.erasing.decide(asked["ref"].removeprefix("erasure/"), self.person(approver), allow=True)
        return dict(self.erasing.erase(self.asker("owner"), refs, dry_run=False))

    def sign(self) -> None:
        """Index and sign what was written."""
        lease = RowLease(self.house.state, LEASE, "test")
        assert lease.take()
        Sequencer(self.house.state, self.house.keys, self.house.origin(), lease.check).drain()
        lease.release()

    def verified(self) -> bool:
        """Whether every proof holds."""
        self.sign()
        report = verify_places(self.places, deep=True)
        assert report.intact, report.to_text()
        return True
