# SPDX-License-Identifier: Apache-2.0
"""The reports that there are, as data, and how one is written. What each says stands in its own file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from colonnade.govern.reports.annex_iv import annex_iv
from colonnade.govern.reports.art_12 import art_12
from colonnade.govern.reports.data_sheet import data_sheet
from colonnade.govern.reports.making import Maker
from colonnade.govern.reports.model_card import model_card
from colonnade.govern.reports.statements import Report
from colonnade.govern.reports.subject import Case, Live, Named


@dataclass(frozen=True, slots=True)
class ReportKind:
    """A report: its title, what writes it, whether it is of one model, where it is asked for."""

    title: str
    write: Callable[[Case], None]
    of_model: bool
    law: str = ""


AI_ACT = "Regulation (EU) 2024/1689"
KINDS: Mapping[str, ReportKind] = {
    "annex-iv": ReportKind("Technical documentation", annex_iv, True, f"{AI_ACT}, Article 11(1) and Annex IV"),
    "art-12": ReportKind("Record-keeping", art_12, False, f"{AI_ACT}, Article 12"),
    "model-card": ReportKind("Model card", model_card, True),
    "data-sheet": ReportKind("Data sheet", data_sheet, True),
}


def write(
    kind: str, make: Maker, named: Named, live: Live, *, about: Mapping[str, Any], made_ms: int,
    checkpoint: Mapping[str, Any], notes: Sequence[str],
) -> Report:  # fmt: skip
    """The report of this kind."""
    one = KINDS[kind]
    one.write(Case(make, named, live))
    told = {**about, **({"law": one.law} if one.law else {})}
    return Report(
        kind, one.title, told, made_ms, checkpoint, make.sections, make.statements, make.openings.kept, make.sets, notes
    )
