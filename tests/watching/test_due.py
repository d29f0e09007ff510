# SPDX-License-Identifier: Apache-2.0
"""When a cause becomes a pipeline, when it waits and until when, and on which rows an alarm's pipeline is trained."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colonnade.lifecycle.watching.due import (
    DAY_MS,
    Alarmed,
    Go,
    Hold,
    Past,
    RetrainRule,
    Spent,
    Window,
    cooldown_ms,
    decide,
    is_due,
    spent_ms,
)

HOUR = 3_600_000
NOW = 100 * DAY_MS
RULE = RetrainRule()
PAST = Past(last_ms=NOW - HOUR)


def alarm(rows: int = 900, *, wanted: int = 800, tried: int = 0, last_ms: int = 0) -> Alarmed:
    return Alarmed("alm_1", "alarm: wrong answers", NOW - 10, rows, wanted, tried, last_ms)


def asked(rule: RetrainRule = RULE, past: Past = PAST, **causes: Any) -> Go | Hold | None:
    return decide(rule, past, NOW, **{"by_hand": False, **causes})


def test_the_first_pipeline_needs_no_cause_and_without_one_nothing_happens() -> None:
    assert asked(past=Past()) == Go("first", ("first",))
    assert asked() is None


@pytest.mark.parametrize(
    ("causes", "words", "kinds"),
    [
        ({"changed": ["data"]}, "new data", ("data",)),
        ({"changed": ["data", "declaration"]}, "new data, changed declaration", ("data", "declaration")),
        ({"by_hand": True}, "by hand", ("hand",)),
        ({"changed": ["code"], "by_hand": True}, "changed code", ("code", "hand")),
        ({"alarm": alarm()}, "alarm: wrong answers", ("alarm",)),
        ({"changed": ["data"], "alarm": alarm()}, "new data, alarm: wrong answers", ("data", "alarm")),
        ({"changed": ["data"], "alarm": alarm(rows=1)}, "new data", ("data",)),
        ({"by_hand": True, "alarm": alarm(rows=1)}, "by hand", ("hand",)),
        ({"by_hand": True, "alarm": alarm(tried=1, last_ms=NOW, rows=1600)}, "alarm: wrong answers", ("hand",)),
    ],
)  # fmt: skip
def test_many_causes_are_one_pipeline_and_each_is_said(
    causes: dict[str, Any], words: str, kinds: tuple[str, ...]
) -> None:
    found = asked(**causes)
    assert isinstance(found, Go)
    assert (found.words, found.kinds) == (words, kinds)


def test_what_is_not_declared_as_a_cause_is_none() -> None:
    quiet = RetrainRule(on=frozenset({"code"}))
    assert asked(quiet, changed=["data"], alarm=alarm()) is None
    assert isinstance(asked(quiet, changed=["data", "code"]), Go)


def test_a_schedule_is_read_from_the_last_pipeline_so_that_nothing_is_missed() -> None:
    weekly = RetrainRule(every_ms=7 * DAY_MS)
    assert not is_due(weekly, NOW - 7 * DAY_MS + 1, NOW)
    assert is_due(weekly, NOW - 7 * DAY_MS, NOW)
    at_three = RetrainRule(at_minute=180)
    assert not is_due(at_three, NOW + 3 * HOUR, NOW + 20 * HOUR)
    assert is_due(at_three, NOW + 3 * HOUR - 1, NOW + 3 * HOUR)
    assert is_due(at_three, NOW - 9 * DAY_MS, NOW)
    assert asked(weekly, Past(last_ms=0)) == Go("schedule", ("schedule",))


def test_the_budget_of_device_time_makes_wait_until_it_is_free_again() -> None:
    rule = RetrainRule(gpu_ms_per_day=2 * HOUR)
    spent = [Spent(1000, NOW - 20 * HOUR, NOW - 19 * HOUR), Spent(2000, NOW - HOUR, NOW - HOUR // 2)]
    assert spent_ms(spent, NOW) == 2 * HOUR
    held = asked(rule, Past((), spent, NOW - HOUR), changed=["data"])
    assert isinstance(held, Hold)
    assert (held.reason, held.why) == ("budget", "2 of 2 device-hours in 24 hours")
    assert held.until_ms is not None
    assert held.until_ms == pytest.approx(NOW + 4 * HOUR, abs=10)
    assert spent_ms(spent, held.until_ms) < 2 * HOUR
    assert isinstance(decide(rule, Past((), spent, 1), held.until_ms, changed=["data"], by_hand=False), Go)
    assert isinstance(asked(rule, Past((), spent, 1), by_hand=True), Go), "by hand never waits"


@given(
    st.lists(st.tuples(st.integers(1, 4000), st.integers(0, 30 * HOUR), st.integers(1, HOUR)), min_size=1, max_size=8)
)
def test_after_the_wait_there_is_budget_and_a_moment_before_there_is_none(parts: list[tuple[int, int, int]]) -> None:
    spent = [Spent(milli, NOW - ago - long, NOW - ago) for milli, ago, long in parts]
    used = spent_ms(spent, NOW)
    if used < 2:
        return
    held = asked(RetrainRule(gpu_ms_per_day=used), Past((), spent, 1), changed=["data"])
    assert isinstance(held, Hold)
    assert held.until_ms is not None
    assert spent_ms(spent, held.until_ms) < used <= spent_ms(spent, held.until_ms - 1)


def test_the_count_of_a_day_makes_wait_until_the_oldest_is_a_day_old() -> None:
    begun = [NOW - 30 * HOUR, NOW - 10 * HOUR, NOW - 5 * HOUR, NOW - HOUR]
    held = asked(RetrainRule(per_day=3), Past(begun, (), NOW - HOUR), changed=["code"])
    assert isinstance(held, Hold)
    assert (held.reason, held.until_ms) == ("count", NOW + 14 * HOUR)
    assert isinstance(asked(RetrainRule(per_day=4), Past(begun, (), NOW - HOUR), changed=["code"]), Go)


def test_an_alarm_waits_for_rows_then_cools_down_longer_after_each_retraining_that_did_not_help() -> None:
    few = asked(alarm=alarm(rows=120))
    assert isinstance(few, Hold)
    assert (few.reason, few.why) == ("rows", "120 of 800 rows with known truth since the change")
    rule = RetrainRule(cooldown_ms=1000)
    assert [cooldown_ms(rule, n) for n in (0, 1, 2, 3)] == [0, 1000, 2000, 4000]
    assert cooldown_ms(rule, 60) == DAY_MS
    hot = asked(rule, alarm=alarm(rows=10_000, tried=2, last_ms=NOW - 1999))
    assert isinstance(hot, Hold)
    assert (hot.reason, hot.until_ms) == ("cooldown", NOW + 1)
    more = asked(rule, alarm=alarm(rows=3000, tried=2, last_ms=NOW - 2000))
    assert isinstance(more, Hold)
    assert more.why == "3000 of 3200 rows with known truth since the change"
    assert isinstance(asked(rule, alarm=alarm(rows=3200, tried=2, last_ms=NOW - 2000)), Go)


@pytest.mark.parametrize(
    ("window", "tried", "found"),
    [
        ("auto", 0, Window(4000)),
        ("auto", 1, Window(4000, True)),
        ("recent", 1, Window(4000)),
        ("all", 0, Window(4000, True)),
    ],
)
def test_an_alarm_is_judged_on_rows_since_the_change(window: str, tried: int, found: Window) -> None:
    went = asked(RetrainRule(window=window), alarm=alarm(rows=4000, tried=tried))
    assert isinstance(went, Go)
    assert (went.window, went.alarm) == (found, "alm_1")
