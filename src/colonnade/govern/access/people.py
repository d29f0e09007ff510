# SPDX-License-Identifier: Apache-2.0
"""People, groups and reader sets in the store, and the askers that follow from them. Rights are always those of now."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence

from colonnade.core import entries
from colonnade.core.answers import Asker
from colonnade.ports.journal import Journal
from colonnade.ports.outside.keys import Keys
from colonnade.ports.outside.state import Row, State, Transaction

EVERYBODY = "*"
OWNER = "owner"


class People:
    """The principals of a project. Names are sealed in rows and never in a leaf."""

    def __init__(self, state: State, keys: Keys, journal: Journal) -> None:
        self._state, self._keys, self._journal = state, keys, journal
        self._project = journal.project

    def find(self, name: str) -> str | None:
        """The id behind a name."""
        rows = self._state.rows("principal_by_name", project=self._project, name_mac=self._mac(name))
        return rows[0]["id"] if rows else None

    def ensure(self, tx: Transaction, name: str, kind: str) -> str:
        """The id behind a name; a new principal if there was none."""
        rows = tx.rows("principal_by_name", project=self._project, name_mac=self._mac(name))
        if rows:
            if not rows[0]["declared"]:
                tx.run("principal_declared", id=rows[0]["id"], declared=1)
            return str(rows[0]["id"])
        principal = self._state.new_id("prn")
        self._keys.create(tx, principal, self._project)
        tx.run(
            "principal_add",
            id=principal,
            project=self._project,
            kind=kind,
            name_mac=self._mac(name),
            name_sealed=self._keys.seal((principal,), name.encode(), f"{principal}/name"),
            declared=1,
            created_ms=self._state.now_ms(),
        )
        return principal

    def names(self) -> dict[str, str]:
        """Id -> name of everybody who is declared or has a key."""
        found: dict[str, str] = {}
        for row in self._state.rows("principals_of_project", project=self._project):
            try:
                found[row["id"]] = self._keys.open((row["id"],), row["name_sealed"], f"{row['id']}/name").decode()
            except KeyError:
                continue
        return found

    def set_groups(self, tx: Transaction, groups: Mapping[str, Sequence[str]], *, actor: str) -> None:
        """Replace who is in which group; each person whose groups change gets an entry."""
        before = _groups_of(tx.rows("members_of_project", project=self._project))
        members = {
            (group, person if person == EVERYBODY else self.ensure(tx, person, "person"))
            for group, people in groups.items()
            for person in people
        }
        tx.run("members_clear", project=self._project)
        tx.many("member_add", [{"project": self._project, "name": g, "principal": p} for g, p in sorted(members)])
        after = _groups_of(tx.rows("members_of_project", project=self._project))
        for row in tx.rows("principals_of_project", project=self._project):
            old, new = before(row["id"]), after(row["id"])
            if old != new and row["name_sealed"]:
                change = "granted" if not old else "withdrawn" if not new else "changed"
                name = self._keys.open((row["id"],), row["name_sealed"], f"{row['id']}/name").decode()
                stamp = self._journal.stamp(actor)
                tx.append(
                    entries.grant_changed(
                        stamp, self._journal.mac, person=row["id"], name=name, groups=new, change=change
                    )
                )

    def reader_set(self, tx: Transaction, groups: Sequence[str], *, actor: str) -> str:
        """The id of a set of groups."""
        names = json.dumps(sorted(set(groups)))
        for row in tx.rows("reader_sets_of_project", project=self._project):
            if row["names"] == names:
                return str(row["id"])
        readers = self._state.new_id("rds")
        tx.run("reader_set_add", id=readers, project=self._project, names=names)
        tx.append(
            entries.readers_defined(self._journal.stamp(actor), self._journal.mac, readers=readers, groups=set(groups))
        )
        return readers

    def askers(self, owner: str) -> dict[str, Asker]:
        """Principal id -> asker, for everybody; the owner reads what everybody may, and whatever groups name them."""
        groups_of = _groups_of(self._state.rows("members_of_project", project=self._project))
        sets = [
            (row["id"], set(json.loads(row["names"])))
            for row in self._state.rows("reader_sets_of_project", project=self._project)
        ]
        found: dict[str, Asker] = {}
        for principal, name in self.names().items():
            groups = groups_of(principal)
            readers = frozenset(readers for readers, names in sets if names & groups)
            found[principal] = Asker(principal, self._project, name, groups, readers, owner=principal == owner)
        return found

    def _mac(self, name: str) -> bytes:
        return self._keys.project_mac(self._project, "principal", name.encode())


def _groups_of(rows: Iterable[Row]) -> Callable[[str], frozenset[str]]:
    """Principal -> groups, those of everybody included."""
    members: dict[str, set[str]] = {}
    for row in rows:
        members.setdefault(row["principal"], set()).add(row["name"])
    common = members.get(EVERYBODY, set())
    return lambda principal: frozenset(common | members.get(principal, set()))
