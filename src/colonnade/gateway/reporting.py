# SPDX-License-Identifier: Apache-2.0
"""What the console asks for on its page of use cases: the register, and reports as files. Nothing is written here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class ReportingBackend(Protocol):
    """The register of use cases and reports from evidence, for owners. Reads only; a report may take seconds."""

    def use_cases(self) -> Mapping[str, Mapping[str, Any]]:
        """`use_cases` of the declaration in force: name -> what is declared of it."""
        ...

    def report(self, kind: str, model: str) -> str:
        """A report as one HTML file, an ML-BOM as JSON. Raises UnknownName, UsageError, StateError."""
        ...
