# SPDX-License-Identifier: Apache-2.0
"""Pages of a search: a bounded number of results and a token for the next. Pure."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from colonnade.lifecycle.tracking.checks import wrong

T = TypeVar("T")
MOST = 50_000


def page(
    found: Sequence[T], most: int | None, token: str | None, *, limit: int = MOST, of: Mapping[str, Any] | None = None
) -> tuple[Sequence[T], str]:
    """(results of this page, token of the next or ""). A token counts results: what is added meanwhile moves them.

    `of`: what was asked; a token of another question is refused.
    """
    size = bounded(most, limit)
    start = offset(token, of)
    shown = found[start : start + size]
    return shown, next_token(start + size, of) if start + size < len(found) else ""


def bounded(most: int | None, limit: int = MOST) -> int:
    """How many results are wanted. Raises UsageError."""
    size = limit if most is None else most
    if not 1 <= size <= limit:
        said = f"It must be a positive integer, at most {limit}"
        raise wrong(f"Invalid value {size} for parameter 'max_results' supplied: {said}")
    return size


def next_token(start: int, of: Mapping[str, Any] | None = None) -> str:
    """A token for the results from there on."""
    return base64.urlsafe_b64encode(json.dumps({**(of or {}), "offset": start}).encode()).decode()


def offset(token: str | None, of: Mapping[str, Any] | None = None) -> int:
    """Where a token's page begins. Raises UsageError."""
    if not token:
        return 0
    try:
        told = json.loads(base64.urlsafe_b64decode(token.encode()))
        start = told["offset"]
    except (ValueError, KeyError, TypeError, binascii.Error) as error:
        raise wrong("Invalid page token") from error
    if not isinstance(start, int) or not 0 <= start < 1 << 53:
        raise wrong("Invalid page token")
    for what, asked in (of or {}).items():
        if told.get(what) != asked:
            raise wrong(f"{what} in the page token do{'' if what[-1] == 's' else 'es'} not match what is asked for now")
    return start
