# SPDX-License-Identifier: Apache-2.0
"""Statements about data: what was taken in, from which files, what stayed out, how it was divided, its columns."""

from __future__ import annotations

from typing import Any

from colonnade.govern.reports.facts_model import NOT_COMMITTED
from colonnade.govern.reports.log import Entry
from colonnade.govern.reports.making import Maker
from colonnade.govern.reports.subject import Live, Named

CONTENT = ("mac", "content")


def taken_in(make: Maker) -> None:
    """All data sets of a model."""
    about: dict[str, Any] = {"kind": "dataset.snapshotted", "subject": "@datasets"}
    make.measure("datasets", "Times that data were taken in", "count", **about)
    make.measure("rows-each", "Rows each time", "each", "n.rows", unit="rows", **about)
    make.measure(
        "quarantined",
        "Files that broke the contract and stayed out, in what was taken in",
        "sum",
        "n.quarantined",
        **about,
    )
    make.missing(
        "refused",
        "Batches that were refused as a whole, because nothing but broken files was new",
        "No entry tells it: `colonnade status` shows them, with the rows that broke it.",
    )
    make.measure("last-taken", "Last taken in", "last", "at_ms", unit="at_ms", **about)


def of_live(make: Maker, live: Live) -> None:
    """The data that the live version was made of."""
    data = live.dataset
    if data is None:
        make.missing("rows", "Data of the live version", "Nothing is live yet.")
        return
    subject = data.fields["subject"]
    make.measure(
        "rows",
        "Rows that the live version was made of",
        "last",
        "n.rows",
        unit="rows",
        kind="dataset.snapshotted",
        subject=subject,
    )
    make.measure("files", "Files that they came in", "last", "n.files", kind="dataset.snapshotted", subject=subject)
    contents(make, data)
    for side, title in (("train", "Rows trained on"), ("test", "Rows held out, which training never saw")):
        make.opened(side, title, live.steps.get("split"), CONTENT, [], ["about", side], unit="rows", fill=NOT_COMMITTED)


def contents(make: Maker, data: Entry) -> None:
    """What the manifest of a data set says."""
    make.opened("digest", "Digest of the data set", data, CONTENT, [])
    make.opened("provenance", "Its files: path, SHA-256, bytes", data, CONTENT, [], ["files"], unit="files")
    make.opened("columns", "Columns", data, CONTENT, [], ["about", "columns", "#"])
    make.opened(
        "unlabelled",
        "Rows without a label, which trained nothing",
        data,
        CONTENT,
        [],
        ["about", "unlabelled"],
        unit="rows",
    )
    found = make.way(data, CONTENT, [], ["about"])
    label = found[1].get("label") if found else None
    if label:
        make.opened(
            "labels",
            f"Rows with each value of the label ({label}), as far as it is one of few",
            data,
            CONTENT,
            [],
            ["about", "columns", label, "top"],
            unit="rows",
        )


def columns(make: Maker, data: Entry) -> None:
    """Every column: type, empty values, different values, range, quantiles."""
    found = make.way(data, CONTENT, [], ["about", "columns"])
    if found is None:
        make.missing("columns-told", "Columns", NOT_COMMITTED)
        return
    for name in sorted(found[1]):
        make.opened(f"column-{name}", f"Column {name}", data, CONTENT, [], ["about", "columns", name])


def rules(make: Maker, named: Named) -> None:
    """What is declared of the data."""
    path = ("models", named.name)
    make.declared("sources", "Where the data come from", *path, "data")
    make.declared("contract", "Contract that every file must keep; a file that breaks it stays out", *path, "contract")
    make.declared(
        "time",
        "Column that sorts by time: the newest rows are held out",
        *path,
        "time",
        fill="Declare `time:`; without it, rows are held out at random.",
    )
    make.declared("holdout", "Share held out", *path, "holdout")
    make.declared(
        "delay",
        "How long after that a label is known",
        *path,
        "label_delay",
        fill="Declare `label_delay:` if labels are known later than their rows.",
    )
