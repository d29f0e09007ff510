# SPDX-License-Identifier: Apache-2.0
"""`OutsideSources`: the Sources port. It knows which engine reads a source, when to look again, and where secrets come
from: the environment, when they are needed, and nowhere else.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from colonnade.adapters.sources import sqlite
from colonnade.core.errors import ColonnadeError, Unavailable
from colonnade.ports.outside.sources import Source
from colonnade.ports.outside.tables import Batch

if TYPE_CHECKING:
    from colonnade.adapters.sources.s3 import Login


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look gave: a digest, or `error` and its words; when (monotonic seconds)."""

    value: str
    failed: bool
    at: float


class OutsideSources:
    """Databases and object stores; thread-safe.

    Args:
        folder: the declaration's, to which SQLite's files are relative.
        secret: the value of an environment variable; "" when it is not set.
        threaded: look again beside the caller, who gets the last look's answer meanwhile.
        clock: seconds that only grow.
    """

    def __init__(
        self, folder: Path, secret: Callable[[str], str], *, threaded: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._folder, self._secret, self._threaded, self._clock = folder, secret, threaded, clock
        self._looks: dict[Source, Looked] = {}
        self._looking: set[Source] = set()
        self._lock = threading.Lock()

    def fingerprint(self, source: Source) -> str:
        """See `Sources.fingerprint`. A SQLite file is looked at each time: that costs a system call."""
        if source.kind == "sqlite":
            return sqlite.fingerprint(sqlite.file_of(source.url, self._folder))
        with self._lock:
            here = self._looks.get(source)
            old = here is None or self._clock() - here.at >= source.every_ms / 1000
            if here is not None and (not old or source in self._looking):
                return here.value
            self._looking.add(source)
        if here is not None and self._threaded:
            threading.Thread(target=self._look, args=(source,), name="source", daemon=True).start()
            return here.value
        return self._look(source).value

    def digest(self, source: Source) -> str:
        """See `Sources.digest`. What the last look gave, unless it failed: then it is looked at now."""
        with self._lock:
            here = self._looks.get(source)
        fresh = here is not None and self._clock() - here.at < source.every_ms / 1000
        if source.kind != "sqlite" and here is not None and fresh and not here.failed:
            return here.value
        value = self._digest(source)
        with self._lock:
            self._looks[source] = Looked(value, False, self._clock())
        return value

    def fetch(self, source: Source, folder: Path) -> Sequence[Batch]:
        """See `Sources.fetch`."""
        if source.kind == "s3":
            from colonnade.adapters.sources import s3

            return s3.fetch(source, self._login(source), folder)
        name = f"query-{hashlib.sha256(source.where.encode()).hexdigest()[:12]}.csv"
        path = folder / "rows.csv"
        if source.kind == "sqlite":
            sqlite.fetch(source, sqlite.file_of(source.url, self._folder), path)
        else:
            from colonnade.adapters.sources import postgres

            postgres.fetch(source, *self._url(source), path)
        return [Batch(name, path, "csv")]

    def _look(self, source: Source) -> Looked:
        try:
            found = Looked(self._digest(source), False, self._clock())
        except ColonnadeError as error:
            found = Looked(f"error {error.code}: {error.message}", True, self._clock())
        with self._lock:
            self._looks[source] = found
            self._looking.discard(source)
        return found

    def _digest(self, source: Source) -> str:
        if source.kind == "sqlite":
            return sqlite.digest(source, sqlite.file_of(source.url, self._folder))
        if source.kind == "s3":
            from colonnade.adapters.sources import s3

            return s3.digest(source, self._login(source))
        from colonnade.adapters.sources import postgres

        return postgres.digest(source, *self._url(source))

    def _url(self, source: Source) -> tuple[str, str]:
        """(URL, password)."""
        url = self._named(source.url_env) if source.url_env else source.url
        return url, self._named(source.password_env) if source.password_env else ""

    def _login(self, source: Source) -> Login:
        from colonnade.adapters.sources.s3 import Login

        return Login(
            self._named(source.key_env) if source.key_env else self._secret("AWS_ACCESS_KEY_ID"),
            self._named(source.secret_env) if source.secret_env else self._secret("AWS_SECRET_ACCESS_KEY"),
            "" if source.key_env else self._secret("AWS_SESSION_TOKEN"),
            self._secret("AWS_REGION") or self._secret("AWS_DEFAULT_REGION"),
            self._secret("AWS_ENDPOINT_URL"),
        )

    def _named(self, name: str) -> str:
        value = self._secret(name)
        if not value:
            hint = f"set {name} where the daemon is started"
            raise Unavailable(f"the environment variable {name} is not set", hint=hint, code="source_refused")
        return value
