# SPDX-License-Identifier: Apache-2.0
"""Erasing in a house: somebody asks and sees the plan, a second person decides with a key of their own, then it is
carried out to its end and proved. Killed anywhere, it goes on before the house serves again.

What goes is found and taken away by `govern.erasure`; here it meets the live index, the folders of runs and the list
beside the keys.
"""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from colonnade.app import erased
from colonnade.app.erasure_words import told
from colonnade.app.lineage import Labels
from colonnade.app.presence import pause
from colonnade.app.sweeping import Sweeping
from colonnade.core import entries
from colonnade.core.answers import Asker
from colonnade.core.erasure_entries import erasure_asked
from colonnade.core.errors import Refused, StateError, UnknownName, UsageError
from colonnade.core.quantities import rfc3339
from colonnade.govern.erasure.carrying import Carrying, Order, Outdated
from colonnade.govern.erasure.finding import Found, find
from colonnade.govern.lineage.walk import resolve
from colonnade.ports.outside.state import Row

if TYPE_CHECKING:
    from colonnade.app.house import House

FOLD_TRIES, FOLD_S = 100, 0.1
"""A reader in another process may hold the write-ahead log for a moment."""
NOBODY = ("nobody",)


class Erasing:
    """Implements `gateway.erasures.ErasingBackend`, and the desk of its kind.

    Args:
        refresh: loads keys, rights and routes anew.
    """

    def __init__(self, house: House, refresh: Callable[[], None] = lambda: None) -> None:
        self._house, self._refresh = house, refresh
        self._carrying = Carrying(house.journal, house.blobs, house.system)
        self._lock, self._asking = threading.Lock(), threading.Lock()

    def erase(self, asker: Asker, refs: Sequence[str], *, dry_run: bool) -> Mapping[str, Any]:
        """Ask for an erasure, or see how one that was asked for stands: `colonnade.erasure/1`.

        Raises UnknownName, UsageError; Refused for who is neither the owner nor the only person concerned.
        """
        if not refs:
            raise UsageError("erase what?", hint="colonnade erase document/PATH or person/NAME")
        before = self._asked_before(refs)
        subjects = json.loads(before["plan"])["subjects"] if before is not None else self._subjects(refs)
        if asker.acting_for or not (asker.owner or subjects == [asker.principal]):
            raise Refused(
                "only the owner, or a person for themselves, asks for an erasure",
                hint="colonnade erase person/YOU --mine",
                code="may_not_erase",
            )
        if before is not None and before["state"] == "erasing":
            self.finish(before["id"])
            before = self._row(before["id"])
        if before is None or (before["state"] == "denied" and not dry_run):
            with self._asking:
                before = None if dry_run else self._open(refs) or self._ask(asker, refs, subjects)
        return self._told(before, subjects, asker)

    def sweep(self, asker: Asker, *, dry_run: bool) -> Mapping[str, Any]:
        """Let go what was kept long enough and what nothing needs: `colonnade.gc/1`."""
        with self._lock:
            return Sweeping(self._house).sweep(asker.principal, dry_run=dry_run)

    def waiting(self) -> Sequence[Mapping[str, Any]]:
        """See `app.approving.Desk.waiting`."""
        found = []
        for row in self._house.state.rows("erasures_in_state", project=self._house.project, state="asked"):
            plan = json.loads(row["plan"])
            gone = Found.of_json(plan["found"])
            found.append({
                "ref": f"erasure/{row['id']}", "kind": "erasure",
                "about": "erase " + ", ".join(self._labels(gone.subjects)),
                "reason": f"{len(gone.keys)} keys die; {len(gone.answers)} answers lose their text",
                "persons": self.approvers(row["asked_by"]) or list(NOBODY), "since": rfc3339(row["asked_ms"]),
            })  # fmt: skip
        return found

    def decide(self, ident: str, person: str, *, allow: bool) -> Mapping[str, Any]:
        """The second person's word; what is allowed is done when this returns. Raises UnknownName, Refused."""
        row = self._row(ident)
        if row["state"] != "asked":
            raise UsageError(
                "that erasure asks nobody now", hint="`colonnade approve` lists what waits", code="not_asked"
            )
        if person not in self.approvers(row["asked_by"]):
            raise Refused("who asked cannot approve", hint="another person can", code="may_not_approve")
        decision = self._decide(row, person, allow=allow)
        if allow:
            self.finish(ident)
        state = self._row(ident)["state"]
        return {"decision": f"decision/{decision}", "state": state, "reason": "erased" if allow else "denied"}

    def approvers(self, asked_by: str) -> list[str]:
        """Persons whose word counts: those that `access.approvers` names, or all that are declared; never who asked."""
        house = self._house
        named = house.declaration.access.approvers if house.declaration is not None else []
        names = house.people.names()
        rows = house.state.rows("principals_of_project", project=house.project)
        people = [row["id"] for row in rows if row["kind"] == "person" and row["declared"] and row["id"] in names]
        return [one for one in people if one != asked_by and (not named or names[one] in named)]

    def resume(self) -> None:
        """Before anything is served: what a kill left half done, and what a restored state does not know of."""
        house = self._house
        for line in erased.read(self._list()):
            rows = house.state.rows("erasure_get", id=line.erasure)
            if not rows or rows[0]["state"] in {"asked", "denied"}:
                self._replay(line, rows[0] if rows else None)
        for row in house.state.rows("erasures_in_state", project=house.project, state="erasing"):
            self.finish(row["id"])

    def _replay(self, line: erased.Line, row: Row | None) -> None:
        """An erasure that this state, which is older, knows nothing of, or not that it was allowed."""
        house, subject = self._house, " ".join(line.subjects)
        marks = json.loads(row["plan"])["asked_as"] if row is not None else []
        stones = [one.hex() for one in line.stones]
        plan = json.dumps({"subjects": line.subjects, "asked_as": marks, "stones": stones})
        with house.state.transaction() as tx:
            if row is not None:
                tx.run("erasure_again", id=line.erasure, plan=plan)
                return
            tx.run("erasures_overtake", subject=subject)
            tx.run(
                "erasure_add", id=line.erasure, project=house.project, what="replayed", state="erasing",
                subject=subject, plan=plan, asked_by=house.system, asked_ms=line.at_ms,
            )  # fmt: skip

    def finish(self, ident: str) -> None:
        """Carry an erasure out to its end; one that is done stays done."""
        with self._lock:
            row = self._row(ident)
            if row["state"] != "erasing":
                return
            plan = json.loads(row["plan"])
            found = Found.of_json(plan["found"]) if plan.get("carried") else self._carry(row, plan)
            proof = self._rest(found)
            self._end(row, found, proof)

    def _carry(self, row: Row, plan: Mapping[str, Any]) -> Found:
        stones = tuple(bytes.fromhex(one) for one in plan.get("stones", ()))
        order = Order(row["id"], tuple(plan["subjects"]), row["run"] or None, row["decision"] or None, stones)
        while True:
            prepared = self._carrying.prepare(order)
            now = self._house.state.now_ms()
            erased.append(self._list(), erased.Line(order.id, now, order.subjects, prepared.stones))
            try:
                with self._house.state.transaction() as tx:
                    return self._carrying.take_away(tx, order, prepared)
            except Outdated:
                continue

    def _rest(self, found: Found) -> dict[str, int]:
        """Everything outside the rows; done again after a kill."""
        house = self._house
        chunks = 0
        for name, loop in house.loops.items():
            chunks += loop.base.erase(found.contents, found.documents)
            house.asking[name].forget()
            loop.reread()
        if not house.loops:
            for knowledge in found.knowledge:
                for derived in house.places.index.glob(f"{knowledge}.*"):
                    derived.unlink(missing_ok=True)
        self._refresh()
        blobs = self._carrying.delete(found)
        for lease in found.folders:
            shutil.rmtree(house.places.runs / lease, ignore_errors=True)
        for _ in range(FOLD_TRIES):
            if house.state.fold():
                break
            pause(FOLD_S)
        else:
            raise StateError(
                "another process reads the state, so that old pages cannot be cut off",
                hint="end it (`colonnade logs -f`, a viewer of the file), then ask again: the erasure goes on",
                code="erasure_unfinished",
            )
        self._carrying.check(found)
        return {"keys_destroyed": len(found.keys), "blobs_deleted": blobs, "chunks_removed": chunks or found.chunks}

    def _end(self, row: Row, found: Found, proof: Mapping[str, int]) -> None:
        house, now = self._house, self._house.state.now_ms()
        with house.state.transaction() as tx:
            tx.run("erasure_end", id=row["id"], proof=json.dumps(proof), ended_ms=now)
            if row["run"]:
                tx.run("run_end", id=row["run"], state="done", finished_ms=now, error="", done=len(found.keys))
                tx.append(
                    entries.run_finished(
                        house.journal.stamp(house.system), run=row["run"], step="erase", outcome="succeeded",
                        done=len(found.keys), failed=0, ms=now - row["decided_ms"], on=row["id"],
                    )
                )  # fmt: skip
        house.on_change()

    def _ask(self, asker: Asker, refs: Sequence[str], subjects: Sequence[str]) -> Row:
        house = self._house
        found = find(house.state, house.project, subjects)
        if found.busy:
            raise Refused(f"run/{found.busy[0]} of that person has not ended", hint="end it first", code="erasure_busy")
        if not self.approvers(asker.principal):
            raise UsageError(
                "there is no second person who could approve", code="nobody_approves",
                hint="name one in a group of `access:`, then `colonnade keys create NAME --for PERSON`",
            )  # fmt: skip
        ident = house.state.new_id("ers")
        plan = {"subjects": list(subjects), "asked_as": self._marks(refs), "found": found.to_json()}
        with house.state.transaction() as tx:
            tx.run(
                "erasure_add", id=ident, project=house.project, subject=" ".join(subjects), state="asked",
                what="person" if found.persons else "document", plan=json.dumps(plan), asked_by=asker.principal,
                asked_ms=house.state.now_ms(),
            )  # fmt: skip
            tx.append(
                erasure_asked(
                    house.journal.stamp(asker.principal), erasure=ident, person=asker.principal, about=subjects,
                    answers=len(found.answers), keys=len(found.keys),
                )
            )  # fmt: skip
        return self._row(ident)

    def _decide(self, row: Row, person: str, *, allow: bool) -> str:
        house = self._house
        decision, run = house.state.new_id("dec"), house.state.new_id("run") if allow else ""
        now = house.state.now_ms()
        with house.state.transaction() as tx:
            if not tx.run(
                "erasure_decide", id=row["id"], state="erasing" if allow else "denied", approver=person,
                decision=decision, run=run, decided_ms=now,
            ):  # fmt: skip
                raise UsageError("somebody else decided meanwhile", code="not_asked")
            stamp = house.journal.stamp(person)
            verdict = "allow" if allow else "deny"
            tx.append(
                entries.decision_made(
                    stamp, decision=decision, person=person, on=row["id"], action="erase", verdict=verdict
                )
            )
            if allow:
                tx.run(
                    "run_add", id=run, project=house.project, kind="erase", subject=row["id"], state="running",
                    why="approved", created_ms=now, total=len(json.loads(row["plan"])["subjects"]),
                )  # fmt: skip
                tx.append(entries.run_started(house.journal.stamp(house.system), run=run, step="erase", on=row["id"]))
        return decision

    def _subjects(self, refs: Sequence[str]) -> list[str]:
        """Ids of what is to be erased. Raises UnknownName."""
        labels = Labels(self._house.state, self._house.keys)
        found = list(dict.fromkeys(resolve(self._house.state, ref, labels.find)[0] for ref in refs))
        for one in found:
            key = self._house.state.rows("subject_key_get", subject=one)
            if not key or key[0]["wrapped"] is None:
                raise UnknownName(f"{one} is not there any more", hint="it was erased with something else")
        return found

    def _asked_before(self, refs: Sequence[str]) -> Row | None:
        """The newest erasure asked for in these words, or of just these ids; one that is done may hold more."""
        marks, ids = self._marks(refs), {ref.rpartition("/")[2] for ref in refs}
        for row in self._house.state.rows("erasures_of_project", project=self._house.project):
            plan = json.loads(row["plan"])
            over = row["state"] == "done"
            same = plan["asked_as"] == marks or set(plan["subjects"]) == ids or {row["id"]} == ids
            same |= over and (set(marks) <= set(plan["asked_as"]) or ids <= set(plan["subjects"]))
            if same and not (over and self._is_new(refs, plan["subjects"])):
                return row
        return None

    def _open(self, refs: Sequence[str]) -> Row | None:
        """One that waits, asked for by somebody else a moment ago."""
        before = self._asked_before(refs)
        return before if before is not None and before["state"] == "asked" else None

    def _is_new(self, refs: Sequence[str], subjects: Sequence[str]) -> bool:
        """Whether the same words mean something else by now: a new file at that path, a new person of that name."""
        try:
            return not set(self._subjects(refs)) <= set(subjects)
        except UnknownName:
            return False

    def _marks(self, refs: Sequence[str]) -> list[str]:
        """What finds the words again in which somebody asked; they may be a name or a path."""
        mac = self._house.keys.project_mac
        return sorted(mac(self._house.project, "erasure", ref.encode()).hex() for ref in refs)

    def _labels(self, subjects: Sequence[str]) -> list[str]:
        labels = Labels(self._house.state, self._house.keys)
        return [labels.name_of(one) for one in subjects]

    def _told(self, row: Row | None, subjects: Sequence[str], asker: Asker) -> Mapping[str, Any]:
        house = self._house
        found = None
        if row is None or row["state"] in {"asked", "denied"}:
            found = find(house.state, house.project, subjects)
        who = self.approvers(row["asked_by"] if row is not None else asker.principal)
        return told(house, row, found, who)

    def _row(self, ident: str) -> Row:
        rows = self._house.state.rows("erasure_get", id=ident)
        if not rows:
            raise UnknownName(f"there is no erasure {ident}", hint="`colonnade approve` lists what waits")
        return rows[0]

    def _list(self) -> Any:
        house = self._house
        return erased.log_path(house.places.keys, str(house.state.rows("meta_get", key="log_id")[0]["value"]))
