# SPDX-License-Identifier: Apache-2.0
"""Trees of queues, their sums, and what was used."""

from __future__ import annotations

import pytest

from colonnade.fabric.queues.tree import BORROWED, GRACE_MS, INSIDE, LENT, Queue, Tree, Usage
from colonnade.fabric.queues.usage import HOUR_MS, Bill, Held, bills

ML = [
    Queue("ml", guaranteed_milli=8000, limit_milli=10_000, grace_ms=5000),
    Queue("ml.research", "ml", 2000, 4000),
    Queue("ml.serving", "ml", 6000),
]


@pytest.mark.parametrize(
    ("queues", "words"),
    [
        ([Queue("a"), Queue("a")], "declared twice"),
        ([Queue("a.b", "a")], "there is no queue a"),
        ([Queue("a"), Queue("a.b", "a"), Queue("a.b.c", "a.b")], "two levels"),
        ([Queue("a", guaranteed_milli=2000, limit_milli=1000)], "limit of 1 GPUs is below its guarantee of 2"),
        ([Queue("a", guaranteed_milli=1000), Queue("a.b", "a", 1500)], "its teams are guaranteed 1.5 GPUs"),
        ([Queue("a", guaranteed_milli=-1)], "below zero"),
    ],
)
def test_queues_that_contradict_one_another_are_refused_in_words(queues: list[Queue], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Tree(queues)


def test_what_a_team_uses_counts_in_its_department_and_against_both_limits() -> None:
    usage = Usage(Tree(ML))
    usage.add("ml.research", 3000)
    usage.add("ml.serving", 6000)
    assert usage.held == {"ml.research": 3000, "ml.serving": 6000, "ml": 9000}
    assert usage.allows("ml.research", 1000)
    assert not usage.allows("ml.research", 1001)
    assert not usage.allows("ml.serving", 1001)


def test_what_is_releasing_still_counts_against_limits_but_not_as_held() -> None:
    usage = Usage(Tree(ML))
    usage.add("ml.research", 4000)
    usage.leave("ml.research", 4000)
    assert not usage.allows("ml.research", 1)
    assert usage.will_allow("ml.research", 4000)


def test_a_claim_is_inside_lent_by_its_department_or_borrowed() -> None:
    usage = Usage(Tree(ML))
    assert usage.standing("ml.research", 2000) == INSIDE
    assert usage.standing("ml.research", 3000) == LENT
    assert usage.standing("ml.research", 9000) == BORROWED
    assert usage.standing("default", 1) == BORROWED
    assert usage.standing("default", 0) == INSIDE


def test_whoever_names_no_queue_or_one_that_is_gone_is_in_default() -> None:
    tree = Tree(ML)
    assert tree.path("was declared once") == ("default",)
    assert tree.grace_ms("default") == GRACE_MS
    assert tree.grace_ms("ml.research") == 5000


def test_it_is_said_when_more_is_guaranteed_than_there_is() -> None:
    assert Tree(ML).overpromised(8000) == ""
    assert Tree(ML).overpromised(4000) == "the queues are guaranteed 8 GPUs, and there are 4"


def test_use_is_counted_within_the_window_from_grant_to_end_and_rounded_once() -> None:
    held = [
        Held("p", "q", "H100", 1000, -HOUR_MS, HOUR_MS),
        Held("p", "q", "H100", 333, HOUR_MS, None),
        Held("p", "q", "L4", 1000, 0, 1),
        Held("p", "q", "L4", 1000, 3 * HOUR_MS, None),
    ]
    assert bills(held, 0, 2 * HOUR_MS, {"H100": 1_000_000}) == [
        Bill("p", "q", "H100", HOUR_MS + 333 * HOUR_MS // 1000, 1_333_000, 2),
        Bill("p", "q", "L4", 1, None, 1),
    ]


def test_two_windows_that_meet_add_up_to_the_whole() -> None:
    held = [Held("p", "q", "H100", 250, 100, 9100), Held("p", "q", "H100", 1000, 5000, None)]
    whole, first, second = (sum(b.gpu_ms for b in bills(held, *w)) for w in ((0, 10_000), (0, 4100), (4100, 10_000)))
    assert whole == first + second
