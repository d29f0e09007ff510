# SPDX-License-Identifier: Apache-2.0
"""One batch of rows to the gateway and back: an answer, or the reason why there is none, for each row.

A batch that is refused because of a row is halved until that row stands alone. "Not now" (429, 503 with Retry-After, a
daemon that restarts) is waited out, and everybody waits: whoever was told to stay away speaks for all.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from colonnade.core.errors import NeedsDaemon, Unavailable
from colonnade.sdk.transport import error_of

PATIENCE_S = 120.0
"""How long nothing but "not now" is taken for an answer."""
TIMEOUT_S = 60.0
MOST_WAIT_S = 30.0
Where = Callable[[], tuple[str, str]]
"""The daemon's address and the owner's key, as they are now."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Of one row: the model's value and the version that gave it; or what is wrong."""

    value: Any = None
    version: str = ""
    wrong: str = ""


class Asking:
    """Asks a service; one object for all threads, a connection for each."""

    def __init__(self, where: Where, service: str, sleep: Callable[[float], None] = time.sleep) -> None:
        self._where, self._service, self._sleep = where, service, sleep
        self._own = threading.local()
        self._lines: list[http.client.HTTPConnection] = []
        self._not_before = 0.0
        self.waits = 0

    def ask(self, rows: Sequence[Any]) -> list[Answer]:
        """One answer a row. Raises ColonnadeError when asking on makes no sense: a wrong key, no such service."""
        if not rows:
            return []
        body = json.dumps({"service": self._service, "rows": list(rows)}).encode()
        status, data = self._patiently(body)
        if status == 200:
            done = json.loads(data)
            return [Answer(value, done["version"]) for value in done["predictions"]]
        error = error_of(status, data)
        if status in {401, 403, 404, 421}:
            raise error
        if len(rows) == 1:
            return [Answer(wrong=error.message)]
        half = len(rows) // 2
        return self.ask(rows[:half]) + self.ask(rows[half:])

    def close(self) -> None:
        """Once nobody asks any more."""
        for line in self._lines:
            line.close()

    def _patiently(self, body: bytes) -> tuple[int, bytes]:
        """Status and body of the first answer that is no "not now". Raises Unavailable once that took too long."""
        began, last = time.monotonic(), ""
        while time.monotonic() - began < PATIENCE_S:
            if (pause := self._not_before - time.monotonic()) > 0:
                self._sleep(pause)
            try:
                status, again_s, data = self._once(body)
            except (OSError, http.client.HTTPException, NeedsDaemon) as error:
                self._drop()
                status, again_s, data = 0, 0.5, str(error).encode()
            if again_s is None:
                return status, data
            self.waits += 1
            self._not_before = max(self._not_before, time.monotonic() + min(again_s, MOST_WAIT_S))
            last = error_of(status, data).message if status else data.decode("utf-8", "replace")
        message = f"{self._service} took nothing for {PATIENCE_S:.0f} s: {last}"
        raise Unavailable(message, hint="the same command goes on where it stopped")

    def _once(self, body: bytes) -> tuple[int, float | None, bytes]:
        """(status, seconds after which to ask again or None, body)."""
        line: http.client.HTTPConnection | None = getattr(self._own, "line", None)
        if line is None:
            url, key = self._where()
            parts = urlsplit(url)
            line = self._own.line = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=TIMEOUT_S)
            self._own.key = key
            self._lines.append(line)
        headers = {"authorization": f"Bearer {self._own.key}", "content-type": "application/json"}
        line.request("POST", "/v1/predict", body, headers)
        response = line.getresponse()
        data = response.read()
        wait = response.getheader("retry-after") if response.status in {429, 503} else None
        return response.status, _seconds(wait), data

    def _drop(self) -> None:
        """This thread's connection is of no use any more."""
        line: http.client.HTTPConnection | None = getattr(self._own, "line", None)
        if line is not None:
            line.close()
            self._lines.remove(line)
            self._own.line = None


def _seconds(text: str | None) -> float | None:
    """Of a Retry-After; a date, which our gateway never sends, counts as a second."""
    if text is None:
        return None
    return float(text) if text.isdigit() else 1.0
