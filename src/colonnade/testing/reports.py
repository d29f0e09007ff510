# SPDX-License-Identifier: Apache-2.0
"""A register of use cases in memory, with one report, for tests of the console."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from colonnade.core.errors import UnknownName


class TypedReports:
    """A `gateway.reporting.ReportingBackend`."""

    def __init__(self, cases: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        self.cases = cases or {}

    def use_cases(self) -> Mapping[str, Mapping[str, Any]]:
        """As given."""
        return self.cases

    def report(self, kind: str, model: str) -> str:
        """A page that names what it is of. Raises UnknownName without a model."""
        if not model and kind != "art-12":
            raise UnknownName(f"there is no model {model!r}", hint="name one")
        return f"<!doctype html><title>{kind} {model}</title>"
