# SPDX-License-Identifier: Apache-2.0
"""Pages of a search: a bounded number of results and a token for the next. Pure."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from typing import TypeVar

from colonnade.lifecycle.tracking.checks import wrong

T = TypeVar("T")
MOST = 50_000


def page(found: Sequence[T], most: int | None, token: str | None, *, limit: int = MOST) -> tuple[Sequence[T], str]:
    """(results of this page, token of the next or ""). A token counts results: what is added meanwhile moves them."""
    size = bounded(most, limit)
    start = offset(token)
    shown = found[start : start + size]
    return shown, next_token(start + size) if start + size < len(found) else ""


def bounded(most: int | None, limit: int = MOST) -> int:
    """How many results are wanted. Raises UsageError."""
    size = limit if most is None else most
    if not 1 <= size <= limit:
        said = f"It must be a positive integer, at most {limit}"
        raise wrong(f"Invalid value {size} for parameter 'max_results' supplied: {said}")
    return size


def next_token(start: int) -> str:
    """A token for the results from there on."""
    return base64.urlsafe_b64encode(json.dumps({"offset": start}).encode()).decode()


def offset(token: str | None) -> int:
    """Where a token's page begins. Raises UsageError."""
    if not token:
        return 0
    try:
        start = json.loads(base64.urlsafe_b64decode(token.encode()))["offset"]
    except (ValueError, KeyError, TypeError, binascii.Error) as error:
        raise wrong("Invalid page token") from error
    if not isinstance(start, int) or not 0 <= start < 1 << 53:
        raise wrong("Invalid page token")
    return start
