# SPDX-License-Identifier: Apache-2.0
"""Work that takes long, done beside the loop: it asks again and again, and goes on once the result is here.

What runs here changes no row that the loop decides by; killed, it is done again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")
AT_ONCE = 2
"""So much work goes on at once in a house."""


@dataclass
class _Work:
    done: threading.Event = field(default_factory=threading.Event)
    result: Any = None
    error: BaseException | None = None


class Aside:
    """Threads for long work. Not `threaded`: it is done at once, where it is asked for."""

    def __init__(self, *, threaded: bool = False) -> None:
        self._threaded = threaded
        self._slots = threading.BoundedSemaphore(AT_ONCE)
        self._works: dict[str, _Work] = {}
        self._lock = threading.Lock()

    def done(self, key: str, work: Callable[[], T]) -> T | None:
        """The result, once it is here; begins the work when it is asked for first. Raises what the work raised; asked
        again after that, or after the result was given, it is begun anew.
        """
        if not self._threaded:
            return work()
        with self._lock:
            here = self._works.get(key)
            if here is None:
                here = self._works[key] = _Work()
                threading.Thread(target=self._do, args=(here, work), name=f"aside/{key}", daemon=True).start()
            if not here.done.is_set():
                return None
            del self._works[key]
        if here.error is not None:
            raise here.error
        result: T = here.result
        return result

    def _do(self, here: _Work, work: Callable[[], Any]) -> None:
        with self._slots:
            try:
                here.result = work()
            except BaseException as error:
                here.error = error
        here.done.set()
