# SPDX-License-Identifier: Apache-2.0
"""Aliases of registered models: each is a Name (kind `alias`, `MODEL@ALIAS`) that points to a version's digest, moved
by compare-and-set with its entries in one transaction. Which version a client means is not known here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from colonnade.core import tracking_entries
from colonnade.core.errors import Lost
from colonnade.lifecycle.tracking.things import Things
from colonnade.ports.outside.state import Row, Transaction

ALIAS = "alias"


@dataclass(frozen=True, slots=True)
class Registered:
    """A registered model; `model` is its id."""

    model: str
    name: str
    made_ms: int
    changed_ms: int
    description: str
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Version:
    """A version; `digest` names its files, or stands for a place elsewhere. `run`: the run here that gave it, or ""."""

    model: str
    number: int
    digest: str
    run: str
    made_ms: int
    changed_ms: int
    doc: Mapping[str, Any]


class Aliases:
    """The aliases of one project's registered models."""

    def __init__(self, things: Things) -> None:
        self._state, self._journal, self._project = things.state, things.journal, things.project

    def of(self, here: Registered) -> list[Row]:
        """A model's aliases that point to something."""
        return self._state.rows("aliases_of", model=here.model)

    def version_of(self, here: Registered, alias: str) -> int | None:
        """The number of the version that an alias points to."""
        rows = self._state.rows("alias_get", model=here.model, alias=alias)
        return None if not rows else rows[0]["version"]

    def point(self, tx: Transaction, actor: str, here: Registered, alias: str, found: Version) -> None:
        """Point an alias to a version."""
        tx.run("alias_add", id=self._state.new_id("ali"), project=self._project, model=here.model, alias=alias)
        row = tx.rows("alias_get", model=here.model, alias=alias)[0]
        tx.run("alias_put", id=row["id"], version=found.number)
        generation = self._point(tx, f"{here.name}@{alias}", found.digest)
        self._tell(tx, actor, here, row, "set", found, generation)

    def unset(self, tx: Transaction, actor: str, here: Registered, alias: str) -> None:
        """An alias points to nothing any more; one that does not point anywhere stays so."""
        rows = tx.rows("alias_get", model=here.model, alias=alias)
        if rows and rows[0]["version"] is not None:
            self._unset(tx, actor, here, rows[0])

    def rename(self, tx: Transaction, here: Registered, name: str) -> None:
        """The Names of a model's aliases follow its own."""
        for row in self.of(here):
            old = tx.rows("name_get", project=self._project, kind=ALIAS, name=f"{here.name}@{row['alias']}")[0]
            self._unpoint(tx, f"{here.name}@{row['alias']}", old["generation"])
            self._point(tx, f"{name}@{row['alias']}", old["digest"])

    def _unset(self, tx: Transaction, actor: str, here: Registered, row: Row) -> None:
        name = f"{here.name}@{row['alias']}"
        generation = tx.rows("name_get", project=self._project, kind=ALIAS, name=name)[0]["generation"]
        self._unpoint(tx, name, generation)
        tx.run("alias_put", id=row["id"], version=None)
        self._tell(tx, actor, here, row, "deleted", None, generation + 1)

    def _point(self, tx: Transaction, name: str, digest: str) -> int:
        """Move a Name by compare-and-set; its generation from now on."""
        rows = tx.rows("name_get", project=self._project, kind=ALIAS, name=name)
        if not rows:
            tx.run("name_create", project=self._project, kind=ALIAS, name=name, digest=digest)
            return 1
        generation = int(rows[0]["generation"])
        if not tx.run("name_move", project=self._project, kind=ALIAS, name=name, digest=digest, generation=generation):
            raise Lost("the alias was moved at the same time", hint="try again")
        return generation + 1

    def _unpoint(self, tx: Transaction, name: str, generation: int) -> None:
        if not tx.run("name_drop", project=self._project, kind=ALIAS, name=name, generation=generation):
            raise Lost("the alias was moved at the same time", hint="try again")

    def _tell(
        self, tx: Transaction, actor: str, here: Registered, row: Row, change: str, found: Version | None,
        generation: int,
    ) -> None:  # fmt: skip
        """Two entries: of the alias, and of its model, so that `why` of each leads to who did it."""
        number = found.number if found is not None else int(row["version"])
        tx.append(tracking_entries.alias_moved(
            self._journal.stamp(actor), self._journal.mac, alias=row["id"], name=row["alias"], change=change,
            number=number, generation=generation, version=found.digest if found else None,
            run=(found.run or None) if found else None,
        ))  # fmt: skip
        tx.append(tracking_entries.model_aliased(self._journal.stamp(actor), model=here.model, alias=row["id"],
                                                 change=change, number=number))  # fmt: skip
