# SPDX-License-Identifier: Apache-2.0
"""A data sheet: of the data of a model, as they were taken in each time, and column by column for the newest.

After Gebru et al., Datasheets for Datasets, CACM 2021, https://arxiv.org/abs/1803.09010. What only people know
(motivation, collection, consent, uses) is declared or a hole.
"""

from __future__ import annotations

from typing import Any

from colonnade.govern.reports import facts_data
from colonnade.govern.reports.annex_iv import says, use_case
from colonnade.govern.reports.making import Maker
from colonnade.govern.reports.subject import Case

SHEETS = 20
"""So many of the newest data sets are told."""


def data_sheet(case: Case) -> None:
    """A model's data, all headings and one section for each data set; then every knowledge base."""
    if case.named.model:
        _of_model(case)
    for name, base in sorted(case.named.bases.items()):
        knowledge_sheet(case.make, base, name)


def _of_model(case: Case) -> None:
    case.make.section("1", "Motivation")
    use_case(case, "purpose", "What the data are used for")
    use_case(case, "data", "Other data that the use case speaks of")
    case.make.section("2d", "Collection, selection, labelling, cleaning", law="Annex IV 2(d), Article 10")
    facts_data.rules(case.make, case.named)
    says(case, "2d")
    case.make.section("3", "Data taken in")
    facts_data.taken_in(case.make)
    sets = case.make.select(kind="dataset.snapshotted", subject="@datasets")
    for number, entry in enumerate(reversed(sets[-SHEETS:]), start=1):
        fields = entry.fields
        case.make.section(f"4.{number}", f"Data set {fields['subject']}" + (", the newest" if number == 1 else ""), 2)
        case.make.of_entry("taken", "Taken in", entry, "at_ms", unit="at_ms")
        case.make.of_entry("rows", "Rows", entry, "n.rows", unit="rows")
        case.make.of_entry("files", "Files", entry, "n.files")
        case.make.of_entry("quarantined", "Files that broke the contract and stayed out", entry, "n.quarantined")
        facts_data.contents(case.make, entry)
        if number == 1:
            facts_data.columns(case.make, entry)


def knowledge_sheet(make: Maker, base: str, name: str) -> None:
    """The section of a knowledge base: what its documents are, of which the log knows numbers alone."""
    make.section(f"knowledge-{name}", f"Knowledge base {name}")
    about: dict[str, Any] = {"kind": "document.added", "refs": {"into": base}}
    make.measure("added", "Documents that came in", "count", **about)
    make.measure("chars", "Characters in them", "sum", "n.chars", **about)
    make.measure("chunks", "Passages", "sum", "n.chunks", **about)
    make.measure("first", "First one", "first", "at_ms", unit="at_ms", **about)
    make.measure("last", "Last one", "last", "at_ms", unit="at_ms", **about)
    make.declared("sources", "Sources and who may read them", "knowledge", name, "sources")
