# SPDX-License-Identifier: Apache-2.0
"""What the engine for tables must say, worked out row by row in plain Python: slow, and short enough to be believed."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from colonnade.core.tables import FALSE, SHOWN, TRUE, ColumnRule, Rules

Row = Sequence[str]
Told = tuple[str, int, tuple[int, ...]]
"""(rule, how many rows, numbers of the first of them)."""


def number(text: str) -> float | None:
    try:
        found = float(text)
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def moment(text: str) -> datetime | None:
    if "-" not in text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def fits(kind: str, text: str) -> bool:
    if kind == "boolean":
        return text.lower() in TRUE | FALSE
    if kind == "integer":
        return number(text) is not None and "." not in text and "e" not in text.lower()
    if kind == "date":
        return moment(text) is not None
    return kind == "text" or number(text) is not None


def wrong(rule: ColumnRule, name: str, text: str) -> list[str]:
    """What is said of one filled value."""
    found, value = [], number(text)
    if rule.type and not fits(rule.type, text):
        found.append(f"{name} is no {rule.type}")
    if rule.values and text not in rule.values:
        found.append(f"{name} is none of {', '.join(rule.values)}")
    if rule.pattern and not re.fullmatch(rule.pattern, text):
        found.append(f"{name} does not match {rule.pattern}")
    if rule.max_length is not None and len(text) > rule.max_length:
        found.append(f"{name} has more than {rule.max_length} characters")
    if rule.min is not None and value is not None and value < rule.min:
        found.append(f"{name} is below {rule.min:g}")
    if rule.max is not None and value is not None and value > rule.max:
        found.append(f"{name} is above {rule.max:g}")
    return found


def breaches(header: Row, rows: Sequence[Row], rules: Rules) -> set[Told]:
    """Every way in which rows break a contract."""
    said: dict[str, list[int]] = {}
    for name, rule in rules.columns.items():
        texts = [row[header.index(name)].strip() for row in rows]
        empty = [place for place, text in enumerate(texts) if not text]
        if len(empty) > rule.nulls * len(rows):
            said[f"{name} is empty"] = empty
        for place, text in enumerate(texts):
            for words in wrong(rule, name, text) if text else ():
                said.setdefault(words, []).append(place)
    for name in rules.unique:
        seen: set[str] = set()
        for place, row in enumerate(rows):
            text = row[header.index(name)].strip()
            if text and text in seen:
                said.setdefault(f"{name} stands twice", []).append(place)
            seen.add(text)
    return {(words, len(places), tuple(places[:SHOWN])) for words, places in said.items()}


def divided(times: Sequence[Any], known: Sequence[Any], holdout: float, delay: float) -> tuple[set[int], set[int]]:
    """(rows that train, rows that are held out): `known`: when the label of each row became known, None for never."""
    ordered = sorted(times)
    cut = len(ordered) - max(1, round(len(ordered) * holdout))
    first = ordered[cut]
    if first == ordered[0]:
        first = next((one for one in ordered if one > first), first)
    test = {place for place, time in enumerate(times) if time >= first}
    train = set()
    for place, time in enumerate(times):
        later = timedelta(days=delay) if isinstance(time, datetime) else delay
        told = known[place]
        if time < first and time + later <= first and told is not None and told <= first:
            train.add(place)
    return train, test
