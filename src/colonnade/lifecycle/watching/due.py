# SPDX-License-Identifier: Apache-2.0
"""When a cause to train a model anew leads to a pipeline, when it waits, and what an alarm's pipeline is trained on.

Pure: reads what stood in the store, and decides. By hand always, the first pipeline always; everything else within the
budget of device time and the count of the last 24 hours. An alarm is a cause once the rows are there that are worth
waiting for (`lifecycle.renewal` says how many), and once its cool-down is over after retrainings that did not help
(doubled each time, at most a day); until then other causes lead to pipelines that are none of its own. Many changes at
once are one pipeline: whoever calls waits until files have stood still.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

DAY_MS = 86_400_000
Reason = Literal["budget", "count", "cooldown", "rows"]


@dataclass(frozen=True, slots=True)
class RetrainRule:
    """What is declared under `models.NAME.retrain`; defaults are the declaration's.

    Attributes:
        on: data, code, declaration, alarm.
        every_ms, at_minute: a schedule: so often; daily at this minute of the day in UTC.
        settle_ms: files must have stood still for so long.
        gpu_ms_per_day, per_day: of any 24 hours.
        window: what an alarm trains on: recent, all, auto (recent, then all, in turns).
        rows: since a change, that an alarm waits for where the harm is ten points.
    """

    on: frozenset[str] = frozenset({"data", "code", "declaration", "alarm"})
    every_ms: int | None = None
    at_minute: int | None = None
    settle_ms: int = 800
    cooldown_ms: int = 600_000
    gpu_ms_per_day: int | None = None
    per_day: int = 200
    window: str = "auto"
    rows: int = 1000


@dataclass(frozen=True, slots=True)
class Alarmed:
    """An open alarm of wrong answers.

    Attributes:
        id: of the alarm; words: for people.
        rows: with known truth since the change; wanted: so many are worth waiting for.
        tried: pipelines that it caused and that did not help; last_ms: when the last of them ended.
    """

    id: str
    words: str
    at_ms: int
    rows: int
    wanted: int
    tried: int = 0
    last_ms: int = 0


@dataclass(frozen=True, slots=True)
class Spent:
    """One use of devices: milli of a device, from, to (None: still)."""

    milli: int
    from_ms: int
    to_ms: int | None


@dataclass(frozen=True, slots=True)
class Past:
    """What a model's pipelines did: when those of the last 24 hours began, what they held, when the last one began."""

    begun_ms: Sequence[int] = ()
    spent: Sequence[Spent] = ()
    last_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """What an alarm's pipeline is about: the newest `recent` rows with a label (0: all of them). Rows are held out of
    those; trained is on the rest of them, or, `whole`, on everything before as well.
    """

    recent: int = 0
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Go:
    """Begin: why, in words and in the ledger's words; the alarm among the causes, or ""."""

    words: str
    kinds: tuple[str, ...]
    alarm: str = ""
    window: Window = field(default_factory=Window)


@dataclass(frozen=True, slots=True)
class Hold:
    """There is a cause, and it waits: until when, if that is known."""

    words: str
    reason: Reason
    why: str
    until_ms: int | None = None
    alarm: str = ""


CHANGES = {"data": "new data", "code": "changed code", "declaration": "changed declaration"}


def decide(
    rule: RetrainRule,
    past: Past,
    now_ms: int,
    *,
    changed: Sequence[str] = (),
    alarm: Alarmed | None = None,
    by_hand: bool,
) -> Go | Hold | None:
    """Whether a pipeline begins now; None without a cause.

    Args:
        changed: what differs from the last pipeline: data, code, declaration.
        alarm: the open one, if any.

    >>> decide(RetrainRule(), Past(last_ms=0), 10, changed=["data", "code"], by_hand=False).words
    'new data, changed code'
    """
    if past.last_ms is None:
        return Go("first", ("first",))
    kinds = [kind for kind in changed if kind in rule.on]
    if is_due(rule, past.last_ms, now_ms):
        kinds.append("schedule")
    rings = alarm if alarm is not None and "alarm" in rule.on else None
    waits = _not_yet(rule, rings, now_ms) if rings else None
    joins = rings if rings and (waits is None or (by_hand and waits[0] != "rows")) else None
    said = [CHANGES.get(kind, kind) for kind in kinds] + ([joins.words] if joins else [])
    if by_hand:
        return _go(rule, said or ["by hand"], [*kinds, "hand"], joins)
    if not said and (rings is None or waits is None):
        return None
    if (held := _held(rule, past, now_ms)) is not None:
        return Hold(", ".join(said or ([rings.words] if rings else [])), *held, alarm=rings.id if rings else "")
    if said:
        return _go(rule, said, [*kinds, "alarm"] if joins else kinds, joins)
    assert rings is not None
    assert waits is not None
    return Hold(rings.words, *waits, alarm=rings.id)


def is_due(rule: RetrainRule, last_ms: int, now_ms: int) -> bool:
    """Whether the schedule asks for a pipeline, the last of which began at `last_ms`."""
    if rule.every_ms is not None:
        return now_ms - last_ms >= rule.every_ms
    if rule.at_minute is not None:
        at = rule.at_minute * 60_000
        return (now_ms - at) // DAY_MS > (last_ms - at) // DAY_MS
    return False


def cooldown_ms(rule: RetrainRule, tried: int) -> int:
    """The pause after so many retrainings for one alarm that did not help."""
    return min(DAY_MS, rule.cooldown_ms * 2 ** min(tried - 1, 30)) if tried else 0


def rows_wanted(alarm: Alarmed) -> int:
    """Rows since the change that the next try waits for: twice as many after each that did not help."""
    return int(alarm.wanted * 2 ** min(alarm.tried, 20))


def spent_ms(spent: Sequence[Spent], now_ms: int) -> int:
    """Milliseconds of a whole device within the last 24 hours."""
    begin = now_ms - DAY_MS
    used = 0
    for one in spent:
        end = now_ms if one.to_ms is None else min(one.to_ms, now_ms)
        used += one.milli * max(0, end - max(one.from_ms, begin))
    return used // 1000


def _go(rule: RetrainRule, said: Sequence[str], kinds: Sequence[str], alarm: Alarmed | None) -> Go:
    """A pipeline; of an alarm that is among its causes on the time since the change."""
    if alarm is None:
        return Go(", ".join(said), tuple(kinds))
    whole = rule.window == "all" or (rule.window == "auto" and alarm.tried % 2 == 1)
    return Go(", ".join(said), tuple(kinds), alarm.id, Window(alarm.rows, whole))


def _not_yet(rule: RetrainRule, alarm: Alarmed, now_ms: int) -> tuple[Reason, str, int | None] | None:
    """Why an alarm trains nothing yet."""
    until = alarm.last_ms + cooldown_ms(rule, alarm.tried)
    if alarm.rows < (wanted := rows_wanted(alarm)):
        why = f"{alarm.rows} of {wanted} rows with known truth since the change"
        return "rows", why, until if alarm.tried and now_ms < until else None
    if alarm.tried and now_ms < until:
        times = "" if alarm.tried == 1 else f" {alarm.tried} times"
        return "cooldown", f"a retraining did not help{times}", until
    return None


def _held(rule: RetrainRule, past: Past, now_ms: int) -> tuple[Reason, str, int | None] | None:
    """(reason, why, until) where the last 24 hours were busy enough."""
    recent = sorted(at for at in past.begun_ms if at > now_ms - DAY_MS)
    if len(recent) >= rule.per_day:
        return "count", f"{len(recent)} pipelines in 24 hours", recent[-rule.per_day] + DAY_MS
    if rule.gpu_ms_per_day is not None and (used := spent_ms(past.spent, now_ms)) >= rule.gpu_ms_per_day:
        hours = f"{used / 3_600_000:.3g} of {rule.gpu_ms_per_day / 3_600_000:.3g} device-hours in 24 hours"
        return "budget", hours, _free_at(rule.gpu_ms_per_day, past.spent, now_ms)
    return None


def _free_at(budget_ms: int, spent: Sequence[Spent], now_ms: int) -> int:
    """When so much has left the last 24 hours that the budget is not used up any more."""
    low, high = now_ms, now_ms + DAY_MS
    ended = [one if one.to_ms is not None else Spent(one.milli, one.from_ms, now_ms) for one in spent]

    def used(at: int) -> int:
        begin = at - DAY_MS
        return sum(o.milli * max(0, (o.to_ms or 0) - max(o.from_ms, begin)) for o in ended) // 1000

    while low < high:
        middle = (low + high) // 2
        if used(middle) < budget_ms:
            high = middle
        else:
            low = middle + 1
    return low
