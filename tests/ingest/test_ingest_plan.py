# SPDX-License-Identifier: Apache-2.0
"""What to read and what is gone, by tables."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from colonnade.knowledge.ingest.plan import Known, Plan, plan_ingest, settled
from colonnade.knowledge.sources import Seen

A = Known("docs", "docs/a.md", 10, 100, 7, "", "", "doc_a", "text/1")
B = Known("docs", "docs/sub/b.md", 20, 200, 8, "", "", "doc_b", "text/1")


def seen(known: Known, **other: Any) -> Seen:
    about = Seen(known.source, known.path, "/x", known.size, known.mtime_ns, known.inode, known.code, known.reason)
    return replace(about, **other)


@pytest.mark.parametrize(
    ("known", "found", "read", "gone"),
    [
        pytest.param([], [seen(A)], ["docs/a.md"], [], id="new"),
        pytest.param([A], [seen(A)], [], [], id="as it was"),
        pytest.param([A], [seen(A, size=11)], ["docs/a.md"], [], id="another size"),
        pytest.param([A], [seen(A, mtime_ns=101)], ["docs/a.md"], [], id="another time"),
        pytest.param([A], [seen(A, mtime_ns=99)], ["docs/a.md"], [], id="an older file in its place"),
        pytest.param([A], [seen(A, inode=9)], ["docs/a.md"], [], id="replaced by another file"),
        pytest.param([A], [seen(A, source="other")], ["docs/a.md"], [], id="now of another source"),
        pytest.param([replace(A, parser="text/0")], [seen(A)], ["docs/a.md"], [], id="a newer parser"),
        pytest.param([A], [seen(A, code="outside")], ["docs/a.md"], [], id="may not be read any more"),
        pytest.param([replace(A, code="outside")], [seen(A, code="outside")], [], [], id="still may not be read"),
        pytest.param([replace(A, code="corrupt")], [seen(A)], [], [], id="unreadable and unchanged"),
        pytest.param([A, B], [seen(B)], [], ["docs/a.md"], id="gone"),
        pytest.param([A, B], [], [], ["docs/a.md", "docs/sub/b.md"], id="all gone, in order"),
        pytest.param(
            [A, B],
            [seen(A), Seen("docs", "docs/sub", "/x", 0, 0, 0, "permission", "", folder=True)],
            ["docs/sub"],
            [],
            id="beneath a folder that cannot be listed nothing is gone",
        ),
    ],
)
def test_what_is_read_and_what_is_gone(known: list[Known], found: list[Seen], read: list[str], gone: list[str]) -> None:
    plan = plan_ingest({k.path: k for k in known}, found, lambda _: "text/1")
    assert ([f.path for f in plan.read], [f.path for f in plan.gone]) == (read, gone)


@pytest.mark.parametrize(
    ("age_ns", "now", "later"),
    [
        (200, ["docs/a.md"], []),
        (199, [], ["docs/a.md"]),
        (0, [], ["docs/a.md"]),
        pytest.param(-1, ["docs/a.md"], [], id="a time stamp of the future"),
    ],
)
def test_a_file_written_just_now_waits(age_ns: int, now: list[str], later: list[str]) -> None:
    plan, young = settled(Plan((seen(A, mtime_ns=1000 - age_ns),), ()), 1000, 200)
    assert ([f.path for f in plan.read], [f.path for f in young]) == (now, later)


def test_while_a_file_is_young_nothing_is_gone_because_it_may_be_a_rename() -> None:
    plan, young = settled(Plan((seen(A, mtime_ns=1000),), (B,)), 1000, 200)
    assert (plan.read, plan.gone, len(young)) == ((), (), 1)
