# SPDX-License-Identifier: Apache-2.0
"""What waits for a person's word in a house, whoever asks for it, and the word itself: recorded, then acted upon.

One kind of ref, one desk. Whose word counts is the desk's to say; that it was said by that person's own key is ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from colonnade.core.answers import Asker
from colonnade.core.errors import Refused, UnknownName
from colonnade.core.quantities import rfc3339

if TYPE_CHECKING:
    from colonnade.app.house import House
    from colonnade.app.rollouts import Rollouts


class Desk(Protocol):
    """Whoever waits for words about one kind of thing."""

    def waiting(self) -> Sequence[Mapping[str, Any]]:
        """`{ref, kind, about, reason, persons (principal ids; empty: the owner's), since}` for each."""
        ...

    def decide(self, ident: str, person: str, *, allow: bool) -> Mapping[str, Any]:
        """Take the word of a principal: what came of it, with `decision`. Raises UnknownName, UsageError, Refused."""
        ...


class Approving:
    """Implements `gateway.approvals.ApprovingBackend`."""

    def __init__(self, house: House, erasing: Desk) -> None:
        self._house, self._erasing = house, erasing

    def waiting(self, asker: Asker) -> Sequence[Mapping[str, Any]]:
        """See `ApprovingBackend.waiting`."""
        names = self._house.people.names()
        found = []
        for desk in self._desks().values():
            for one in desk.waiting():
                mine = self._counts(asker, one["persons"])
                if mine or asker.owner:
                    found.append({**one, "persons": [names.get(who, who) for who in one["persons"]], "mine": mine})
        return found

    def approve(self, asker: Asker, ref: str, *, allow: bool) -> Mapping[str, Any]:
        """See `ApprovingBackend.approve`."""
        kind, _, ident = ref.partition("/")
        desk = self._desks().get(kind)
        if desk is None or not ident:
            known = ", ".join(f"{one}/ID" for one in self._desks()) or "nothing here asks for a word"
            raise UnknownName(f"{ref!r} waits for nobody", hint=f"what may wait: {known}")
        if asker.acting_for:
            raise Refused("`--as` looks, and never approves", code="may_not_approve")
        waits = next((one for one in desk.waiting() if one["ref"] == ref), None)
        if waits is None:
            raise UnknownName(f"{ref!r} waits for nobody", hint="`colonnade approve` lists what does")
        if not self._counts(asker, waits["persons"]):
            raise Refused(
                "your word does not count here", hint="`colonnade approve` says whose does", code="may_not_approve"
            )
        done = desk.decide(ident, asker.principal, allow=allow)
        return {"schema": "colonnade.approval/1", "ref": ref, "verdict": "allow" if allow else "deny", **done}

    def _counts(self, asker: Asker, persons: Sequence[str]) -> bool:
        return asker.principal in persons if persons else asker.owner

    def _desks(self) -> Mapping[str, Desk]:
        """Kind of ref -> its desk."""
        house = self._house
        rollouts = {} if house.rollouts is None else {"rollout": RolloutDesk(house, house.rollouts)}
        return {**rollouts, "erasure": self._erasing}


class RolloutDesk:
    """New versions of models that ask whether they may answer."""

    def __init__(self, house: House, rollouts: Rollouts) -> None:
        self._house, self._rollouts = house, rollouts

    def waiting(self) -> Sequence[Mapping[str, Any]]:
        """See `Desk.waiting`."""
        found = []
        for model in self._house.state.rows("models_of_project", project=self._house.project):
            now = self._rollouts.rolling.rows.open(model["id"])
            if now is not None and now.state == "asked":
                found.append({
                    "ref": f"rollout/{now.id}", "kind": "rollout",
                    "about": f"{now.challenger[7:19]} of the model {model['name']}", "reason": now.reason,
                    "persons": list(now.plan.approve), "since": rfc3339(now.stage_ms),
                })  # fmt: skip
        return found

    def decide(self, ident: str, person: str, *, allow: bool) -> Mapping[str, Any]:
        """See `Desk.decide`."""
        done = self._rollouts.decide(ident, person, allow=allow)
        return {"decision": f"decision/{done.decision}", "state": done.state, "reason": done.reason}
