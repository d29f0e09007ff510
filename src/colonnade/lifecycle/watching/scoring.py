# SPDX-License-Identifier: Apache-2.0
"""How wrong an answer was, 0 to 1, once the truth is known. Also the rows and answers inside of what was sent. Pure.

`auto` means: a number in [0, 1] against a label 0 or 1 is a chance, and its squared error (Brier, Verification of
forecasts expressed in terms of probability, 1950) is how wrong it was: a proper score in [0, 1] which falls for better
chances, not only for other decisions; of answers 0 and 1 it is the error. Other numbers: their distance in units of a
scale, at most 1. Everything else: equal or not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from colonnade.core.exchanges import Exchange, Reply
from colonnade.core.predicting import ROWS

_decode = msgspec.json.Decoder().decode
TRUE, FALSE = {"true", "1"}, {"false", "0"}


def wrongness(predicted: Any, truth: Any, score: str, scale: float | None = None) -> float | None:
    """How wrong; None where the two cannot be held against each other (or the scale is missing).

    >>> wrongness(0.8, "1", "auto"), wrongness("cat", "dog", "auto"), wrongness(12.0, 10, "auto", 8.0)
    (0.03999999999999998, 1.0, 0.25)
    """
    if isinstance(predicted, Mapping):
        shares = predicted.get("probabilities")
        if score == "brier" and isinstance(shares, Mapping):
            return _shares(shares, truth)
        predicted = next((predicted[name] for name in ("prediction", "label", "value") if name in predicted), None)
    while isinstance(predicted, list) and len(predicted) == 1:
        predicted = predicted[0]
    if predicted is None or truth is None or isinstance(predicted, (list, Mapping)):
        return None
    number, label = _number(predicted), _number(truth)
    if score == "error" or number is None or label is None:
        return _error(predicted, truth, number, label)
    if not math.isfinite(number):
        return 1.0
    chance = 0 <= number <= 1 and label in (0, 1)
    if score == "brier" or (score == "auto" and chance and scale is None):
        return (number - label) ** 2 if chance else None
    return min(1.0, abs(number - label) / scale) if scale else None


def _error(predicted: Any, truth: Any, number: float | None, label: float | None) -> float:
    if number is not None and label is not None:
        cut = label in (0, 1) and 0 <= number <= 1
        return float((number >= 0.5) != (label == 1)) if cut else float(number != label)
    return float(str(predicted).strip() != str(truth).strip())


def same_label(one: Any, other: Any) -> bool:
    """Whether two labels say the same, however they are written.

    >>> same_label("1", 1), same_label(True, "true"), same_label("a", "b")
    (True, True, False)
    """
    first, second = _number(one), _number(other)
    if first is not None and second is not None:
        return first == second
    return str(one).strip() == str(other).strip()


def _shares(shares: Mapping[str, Any], truth: Any) -> float | None:
    """Brier's score over classes, halved: 0 for all of the chance on the right one, 1 for all of it on another."""
    if not all(isinstance(share, (int, float)) for share in shares.values()):
        return None
    right = str(truth).strip()
    rest = 0.0 if right in shares else 1.0
    total = rest + sum((share - (name == right)) ** 2 for name, share in shares.items())
    return min(1.0, total / 2) if math.isfinite(total) else 1.0


def _number(value: Any) -> float | None:
    """A number; words that mean true or false are 1 and 0."""
    if isinstance(value, (bool, int, float)):
        return float(value)
    if not isinstance(value, str):
        return None
    text = value.strip()
    try:
        return float(text)
    except ValueError:
        return 1.0 if text.lower() in TRUE else 0.0 if text.lower() in FALSE else None


def rows_of(exchange: Exchange) -> Sequence[Mapping[str, Any]]:
    """The rows of a request. Of tensors: those of JSON, a row for each place of the first axis. [] where none can be
    read.
    """
    try:
        body = _decode(exchange.body[: exchange.mark or len(exchange.body)])
        if exchange.kind == ROWS:
            return [row for row in body if isinstance(row, dict)] if isinstance(body, list) else []
        return _by_row(body["inputs"])
    except (msgspec.MsgspecError, UnicodeDecodeError, KeyError, TypeError):
        return []


def answers_of(exchange: Exchange, reply: Reply) -> Sequence[Any]:
    """The answer to each row; of tensors, the first output. [] where none can be read."""
    try:
        body = _decode(reply.data[: reply.mark or len(reply.data)])
        if exchange.kind == ROWS:
            return body if isinstance(body, list) else []
        first = body["outputs"][0]
        return [row[first["name"]] for row in _by_row([first])]
    except (msgspec.MsgspecError, UnicodeDecodeError, LookupError, TypeError):
        return []


def is_missing(data: bytes) -> bool:
    """Whether an answer holds null or NaN. A look at the bytes: a word that says null counts, too."""
    return b"null" in data or b"NaN" in data


def _by_row(tensors: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Row by row: name -> a number, or a list where a row has several; [] for tensors that are not in JSON."""
    found: list[dict[str, Any]] = []
    for tensor in tensors:
        if "data" not in tensor:
            return []
        flat, count = list(_flat(tensor["data"])), int(tensor["shape"][0])
        wide = len(flat) // count if count else 0
        for row in range(count):
            part = flat[row * wide : (row + 1) * wide]
            if len(found) <= row:
                found.append({})
            found[row][str(tensor["name"])] = part[0] if wide == 1 else part
    return found


def _flat(values: Sequence[Any]) -> Sequence[Any]:
    return [one for value in values for one in (_flat(value) if isinstance(value, list) else [value])]
