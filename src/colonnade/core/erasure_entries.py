# SPDX-License-Identifier: Apache-2.0
"""Entries about erasing and sweeping: what each kind may carry, and its builder. Pure; no name and no path comes in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from colonnade.core.building import Stamp, leaf_of, some
from colonnade.core.kind import Kind
from colonnade.core.leaf import Leaf

LISTED_AT_ONCE = 1000
"""So many refs stand in one entry; an erasure of more has several that list."""

ERASURE_KINDS: Mapping[str, Kind] = {
    "erasure.asked": Kind(
        "Somebody asks that something be erased; a second person is to decide.",
        "ers",
        ("by", "about"),
        n={"answers": "answers whose text would go", "keys": "keys that would be destroyed"},
    ),
    "erasure.listed": Kind("A part of what an erasure took away.", "ers", ("erased",)),
    "erasure.done": Kind(
        "Keys were destroyed: what they sealed opens no more, and the sealed bytes go with them.",
        "ers",
        ("by", "decided_by", "about", "erased"),
        n={"answers": "answers whose text went", "keys": "keys destroyed", "contents": "texts of files that went"},
        status={"way": ("approved", "replayed")},
    ),
    "state.swept": Kind(
        "What was kept long enough, and what nothing needs any more, went.",
        "prj",
        ("by",),
        n={
            "answers": "answers whose text went",
            "captures": "pieces of captured requests",
            "runs": "folders of runs",
            "steps": "results of steps",
            "artifacts": "artifacts",
            "blobs": "sealed files",
            "bytes": "bytes that they took",
        },
    ),
}


def erasure_asked(stamp: Stamp, *, erasure: str, person: str, about: Sequence[str], answers: int, keys: int) -> Leaf:
    """Somebody asks; `about`: documents and persons."""
    refs = [*some(by=person), *(("about", one) for one in about)]
    return leaf_of(stamp, "erasure.asked", erasure, refs, n={"answers": answers, "keys": keys})


def erasure_listed(stamp: Stamp, *, erasure: str, erased: Sequence[str]) -> Leaf:
    """A part of what went: answers, contents, runs."""
    return leaf_of(stamp, "erasure.listed", erasure, [("erased", one) for one in erased])


def erasure_done(
    stamp: Stamp,
    *,
    erasure: str,
    run: str | None,
    decision: str | None,
    about: Sequence[str],
    erased: Sequence[str],
    answers: int,
    keys: int,
    contents: int,
    way: str,
) -> Leaf:
    """Keys were destroyed; way: approved, replayed (after a restore)."""
    refs = [
        *some(by=run, decided_by=decision),
        *(("about", one) for one in about),
        *(("erased", one) for one in erased),
    ]
    n = {"answers": answers, "contents": contents, "keys": keys}
    return leaf_of(stamp, "erasure.done", erasure, refs, n=n, status={"way": way})


def state_swept(stamp: Stamp, *, person: str, counts: Mapping[str, int]) -> Leaf:
    """What went, in numbers (keys of the kind's `n`)."""
    return leaf_of(stamp, "state.swept", stamp.project, some(by=person), n=dict(counts))
