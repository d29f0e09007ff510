# SPDX-License-Identifier: Apache-2.0
"""What we ask of the places that data come from: whether something changed, and the data as files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from colonnade.ports.outside.tables import Batch


@dataclass(frozen=True)
class Source:
    """One source of a model's data. No secret stands here, only the names of environment variables.

    Attributes:
        kind: files, sqlite, postgres or s3.
        where: a pattern relative to the declaration; a query; or `s3://BUCKET/PREFIX/*.parquet`.
        url: of a database; `url_env`: the variable that holds it.
        changes: a cheap query whose result changes when the data do.
        every_ms: how often it is looked at.
        timeout_s: of one query.
    """

    kind: str
    where: str
    url: str = ""
    url_env: str = ""
    password_env: str = ""
    changes: str = ""
    endpoint: str = ""
    region: str = ""
    key_env: str = ""
    secret_env: str = ""
    every_ms: int = 0
    timeout_s: int = 600

    def name(self) -> str:
        """For people: no URL, so no secret."""
        return self.where if self.kind != "sqlite" and self.kind != "postgres" else f"{self.kind} query"


class Sources(Protocol):
    """Looks at sources outside, and fetches from them. Thread-safe."""

    def fingerprint(self, source: Source) -> str:
        """Changes whenever the data may have; as old as `every_ms` at most. An upstream that does not answer has a
        fingerprint, too: the digest then says why.
        """
        ...

    def digest(self, source: Source) -> str:
        """Equal for equal data; reads as little as it can. Raises Unavailable (upstream dead, credentials refused),
        UsageError (the query is wrong), MissingExtra.
        """
        ...

    def fetch(self, source: Source, folder: Path) -> Sequence[Batch]:
        """Lay the data down in `folder`. Raises as `digest` does, and StorageFull."""
        ...
