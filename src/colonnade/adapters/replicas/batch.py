# SPDX-License-Identifier: Apache-2.0
"""Several requests answered at once, each as if it had been alone: what fails together is tried one by one."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from colonnade.adapters.replicas import tensors
from colonnade.adapters.replicas.model import Loaded, Unusable
from colonnade.core.predicting import ANSWERED, FAILED, ROWS, WRONG, Item

_rows = msgspec.json.Decoder(list[dict[str, Any] | list[Any]]).decode
_encode = msgspec.json.Encoder(enc_hook=lambda value: _plain(value)).encode


def answer(model: Loaded, items: Sequence[Item], about: Mapping[str, Any]) -> list[Item]:
    """An answer to each request, in order."""
    made: dict[int, Item] = {}
    rows = [place for place, item in enumerate(items) if item.kind == ROWS]
    if rows:
        made |= _all_rows(model, items, rows)
    for place, item in enumerate(items):
        if place not in made:
            made[place] = _guarded(lambda item=item: _tensors(model, item, about))  # type: ignore[misc]
    return [made[place] for place in range(len(items))]


def _all_rows(model: Loaded, items: Sequence[Item], places: Sequence[int]) -> dict[int, Item]:
    """All rows of all requests in one call, if the model may be asked so and it does not fail."""
    if len(places) > 1 and model.batches:
        try:
            parts = [_rows(items[place].data) for place in places]
            values = model.rows([row for part in parts for row in part])
            made, at = {}, 0
            for place, part in zip(places, parts, strict=True):
                made[place] = Item(ANSWERED, 0, _encode(values[at : at + len(part)]))
                at += len(part)
            return made
        except Exception:  # noqa: S110  (somebody's request is wrong, or fails: each alone tells whose)
            pass
    return {place: _guarded(lambda place=place: _one(model, items[place])) for place in places}  # type: ignore[misc]


def _one(model: Loaded, item: Item) -> Item:
    try:
        rows = _rows(item.data)
    except msgspec.MsgspecError as wrong:
        raise Unusable(f"rows must be a list of objects, or of lists: {wrong}") from wrong
    if not rows:
        return Item(ANSWERED, 0, b"[]")
    if model.batches:
        return Item(ANSWERED, 0, _encode(model.rows(rows)))
    return Item(ANSWERED, 0, _encode([model.rows([row])[0] for row in rows]))


def _tensors(model: Loaded, item: Item, about: Mapping[str, Any]) -> Item:
    asked, given = tensors.read(item.data, item.mark)
    mark, body = tensors.write(asked, model.tensors(given), about)
    return Item(ANSWERED, mark, body)


def _guarded(call: Callable[[], Item]) -> Item:
    """The answer; or whose fault it is that there is none."""
    try:
        return call()
    except Unusable as wrong:
        return Item(WRONG, 0, str(wrong)[:500].encode())
    except Exception as error:
        traceback.print_exc(file=sys.stderr)
        return Item(FAILED, 0, f"the model failed on this request ({type(error).__name__})".encode())


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is no JSON value")
