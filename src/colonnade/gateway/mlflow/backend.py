# SPDX-License-Identifier: Apache-2.0
"""What the routes need of the house's tracking: one Protocol that `app` implements."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from colonnade.core.answers import Asker


class TrackingBackend(Protocol):
    """Runs, series, files, models and aliases, as MLflow's clients speak of them. Raises `ColonnadeError`: `not_found`,
    `exists`, `invalid_value`; for somebody who may not track, `not_found` whatever they ask.
    """

    @property
    def most_file_bytes(self) -> int:
        """The largest file that is taken; never waits."""
        ...

    def call(self, asker: Asker, operation: str, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """One operation (`runs/create`) with the fields of its request; the fields of its answer."""
        ...

    def put_file(self, asker: Asker, path: str, data: bytes) -> None:
        """Keep a file below `mlflow-artifacts:/`."""
        ...

    def get_file(self, asker: Asker, path: str) -> bytes:
        """A file's bytes."""
        ...

    def drop_file(self, asker: Asker, path: str) -> None:
        """Take a file or a folder away."""
        ...
