# SPDX-License-Identifier: Apache-2.0
"""The register of use cases as it is declared, and reports for whoever reads it in the console."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from colonnade.app.house import House
from colonnade.app.reportfiles import ML_BOM, written


class UseCases:
    """A `gateway.reporting.ReportingBackend` over a house."""

    def __init__(self, house: House) -> None:
        self._house = house

    def use_cases(self) -> Mapping[str, Mapping[str, Any]]:
        """Name -> what is declared of it."""
        declared = self._house.declaration
        return (
            {} if declared is None else {name: one.model_dump(mode="json") for name, one in declared.use_cases.items()}
        )

    def report(self, kind: str, model: str) -> str:
        """A report of what is signed now; see `app.reporting`."""
        return written(self._house.places, kind, "json" if kind == ML_BOM else "html", model=model)[0]
