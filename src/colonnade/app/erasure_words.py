# SPDX-License-Identifier: Apache-2.0
"""An erasure as a document: what goes, what stays and why, who may decide, and the proof once it is done."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from colonnade.app.lineage import Labels
from colonnade.core.lineage import ref_of
from colonnade.core.quantities import rfc3339
from colonnade.govern.erasure.finding import Found
from colonnade.ports.outside.state import Row

if TYPE_CHECKING:
    from colonnade.app.house import House


def told(house: House, row: Row | None, found: Found | None, approvers: Sequence[str]) -> dict[str, Any]:
    """`colonnade.erasure/1`. `row`: None for a dry run; `found`: None when the row tells what went."""
    if found is None:
        assert row is not None
        found = Found.of_json(json.loads(row["plan"])["found"])
    state = row["state"] if row is not None else "planned"
    names = house.people.names()
    document: dict[str, Any] = {
        "schema": "colonnade.erasure/1",
        "ref": f"erasure/{row['id']}" if row is not None else None,
        "state": state,
        "subjects": [ref_of(one, "") for one in found.subjects],
        "keys": len(set(found.keys)),
        "contents": [f"content/{one}" for one in found.contents],
        "answers": [f"answer/{one}" for one in found.answers],
        "runs": [f"run/{one}" for one in found.runs],
        "feedback": found.feedback,
        "blobs": len(found.blobs),
        "indexes": [{"knowledge": f"knowledge/{one}", "chunks": found.chunks} for one in found.knowledge],
    }
    if state in {"planned", "asked"}:
        document["files"] = _files(house, found)
        document["approvers"] = [names.get(one, one) for one in approvers]
    document["left"] = _left(house, found, state)
    if row is not None:
        document["asked_by"] = names.get(row["asked_by"], "(erased)")
        document["asked"] = rfc3339(row["asked_ms"])
        if row["approver"]:
            document["decided_by"] = names.get(row["approver"], "(erased)")
            document["decision"] = f"decision/{row['decision']}"
        if state == "asked":
            document["approve"] = f"colonnade approve erasure/{row['id']}"
        if state == "done":
            document["proof"] = _proof(house, row)
    return document


def _files(house: House, found: Found) -> list[str]:
    """Paths of the files that lie in the sources still: their owner deletes them."""
    labels = Labels(house.state, house.keys)
    return [labels.name_of(one).removeprefix("document/") for one in found.documents]


def _proof(house: House, row: Row) -> dict[str, Any]:
    proof: dict[str, Any] = json.loads(row["proof"])
    done = [one for one in house.state.rows("entries_of_subject", subject=row["id"]) if one["kind"] == "erasure.done"]
    if done:
        proof |= {"entry": f"event/{done[0]['id']}", "index": done[0]["idx"]}
    return {**proof, "done": rfc3339(row["ended_ms"])}


def _left(house: House, found: Found, state: str) -> list[str]:
    """What is not erased by this, in words."""
    left = [
        f"{', '.join(f'document/{one}' for one in holders)} holds the same bytes as document/{document}: they stay "
        "readable there. To erase them too, name it as well"
        for _, document, holders in found.shared
    ]
    if found.documents:
        left.append("the files in the source folders are yours: delete them. Until then they are listed as `erased`")
    if found.persons and state != "done":
        names = house.people.names()
        declared = [names[one] for one in found.persons if one in names and house.declaration is not None]
        named = [one for one in declared if house.declaration and one in house.declaration.people()]
        left += [
            f"{one} stands in the declaration: take the name out of `access:`, then `colonnade up`" for one in named
        ]
    left.append("copies outside of this state: backups, exports of evidence, whatever was sent to a language model")
    return left
