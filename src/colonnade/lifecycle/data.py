# SPDX-License-Identifier: Apache-2.0
"""Take a model's data in as it is now: batches that keep the contract become a data set, the others are quarantined.

Everything is laid down in a folder of ours first: what is judged is what is kept, whatever happens to the original.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from colonnade.core.errors import StateError, StorageFull, UsageError
from colonnade.core.quantities import rfc3339
from colonnade.core.tables import Breach
from colonnade.lifecycle.artifacts import Artifact, Artifacts, Entry
from colonnade.lifecycle.wanted import Wanted
from colonnade.lifecycle.watching.due import Window
from colonnade.lifecycle.watching.telling import TOLD, Telling, nothing_told
from colonnade.ports.outside.sources import Sources
from colonnade.ports.outside.tables import FORMATS, Batch, Division, Judged, Judgement, Tables

MOST_BYTES = 64 << 30
"""All data of a model together; the disk is the nearer bound."""
COPIES = 4
"""Times its size that data need while they are taken in: a copy, what is sealed, and both sides of the division."""

ALL = Window()


@dataclass(frozen=True)
class Quarantined:
    """A batch that stays out, and why."""

    path: str
    breaches: Sequence[Breach]


@dataclass(frozen=True)
class Snapshot:
    """What was taken in.

    Attributes:
        artifact: the data set; None when no batch keeps the contract, or when the newest row is too old.
        rows: in it; `unlabelled`: of them, those whose label is not known yet. They train nothing.
    """

    artifact: Artifact | None
    rows: int
    quarantined: Sequence[Quarantined]
    unlabelled: int = 0
    stale: str = ""

    def told(self) -> dict[str, Any]:
        """For the step's row, `status` and the console."""
        told = {
            "rows": self.rows,
            "unlabelled": self.unlabelled,
            "quarantined": [
                {"path": one.path, "breaches": [breach.to_json() for breach in one.breaches]}
                for one in self.quarantined
            ],
        }
        return (
            told
            if self.artifact is None
            else {**told, "dataset": self.artifact.digest, "columns": self.artifact.about["columns"]}
        )

    def why(self) -> str:
        """Why there is no data set."""
        return self.stale or "every batch broke the contract"

    def said(self) -> str:
        """One line."""
        bad = [f"{one.path}: {', '.join(b.rule for b in one.breaches)}" for one in self.quarantined]
        return "; ".join([*([self.stale] if self.stale else []), *bad])


@dataclass(frozen=True)
class Intake:
    """What data are taken in with.

    Attributes:
        folder: ours to fill and to empty.
    """

    tables: Tables
    sources: Sources
    artifacts: Artifacts
    folder: Path
    now_ms: int
    told: Telling = nothing_told


def take_snapshot(wanted: Wanted, intake: Intake) -> Snapshot:
    """Lay every batch down, judge it, keep those that are good.

    Raises UsageError (too much; a query that is wrong), Unavailable (an upstream is dead), StorageFull, MissingExtra.
    """
    shutil.rmtree(intake.folder, ignore_errors=True)
    intake.folder.mkdir(parents=True)
    try:
        _bounded(wanted, intake.folder)
        batches, lost = _laid_down(wanted, intake)
        judgement = intake.tables.judge(batches, wanted.rules, wanted.label)
        return _kept(wanted, intake, *_with_told(wanted, intake, batches, judgement), lost)
    finally:
        shutil.rmtree(intake.folder, ignore_errors=True)


def divide_dataset(wanted: Wanted, dataset: Artifact, intake: Intake, window: Window = ALL) -> Artifact:
    """The data set's two sides; of a window, where an alarm is what they are about. Raises UsageError where one of them
    would be empty, or a time has no order.
    """
    shutil.rmtree(intake.folder, ignore_errors=True)
    out = intake.folder / "out"
    out.mkdir(parents=True)
    try:
        batches = []
        for number, entry in enumerate(dataset.files):
            path = intake.folder / f"{number}"
            intake.artifacts.write(entry, path)
            batches.append(Batch(entry.path, path, format_of(entry.path)))
        types = {name: told["type"] for name, told in dataset.about["columns"].items()}
        types |= {name: rule.type for name, rule in wanted.rules.columns.items() if rule.type}
        division = Division(
            label=wanted.label, holdout=wanted.holdout, time=wanted.time, delay=wanted.label_delay,
            known_at=wanted.known_at, format=wanted.format_for([batch.format for batch in batches]), types=types,
            recent=window.recent, whole=window.whole,
        )  # fmt: skip
        found = intake.tables.divide(batches, division, out)
        if not found.train or not found.test:
            hint = "rows without a label, and rows whose label came too late, do not count"
            raise UsageError("there are too few rows to hold some out", hint=hint, code="data_missing")
        files: dict[str, bytes | Path | Entry] = {path.name: path for path in out.iterdir() if path.is_file()}
        return intake.artifacts.put("split", files, {"train": found.train, "test": found.test})
    finally:
        shutil.rmtree(intake.folder, ignore_errors=True)


def side(split: Artifact, name: str) -> Entry:
    """The file of a side ("train" or "test") that a script gets."""
    paths = {entry.path: entry for entry in split.files}
    return paths.get(f"{name}.parquet") or paths[f"{name}.csv"]


def format_of(name: str) -> str:
    """csv, jsonl or parquet, by the end of a name."""
    return FORMATS.get(Path(name).suffix.lower(), "csv")


def _laid_down(wanted: Wanted, intake: Intake) -> tuple[list[Batch], list[Judged]]:
    """(batches, files that could not be read)."""
    batches: list[Batch] = []
    lost: list[Judged] = []
    for number, path in enumerate(wanted.files()):
        name = path.relative_to(wanted.folder).as_posix() if path.is_relative_to(wanted.folder) else path.name
        try:
            batches.append(Batch(name, _copied(path, intake.folder / f"{number}"), format_of(name)))
        except OSError as error:
            lost.append(Judged(name, 0, 0, (Breach(error.strerror or "it cannot be read", 1),)))
    for number, source in enumerate(wanted.sources):
        folder = intake.folder / f"source-{number}"
        folder.mkdir()
        batches += intake.sources.fetch(source, folder)
    return batches, lost


def _with_told(
    wanted: Wanted, intake: Intake, batches: list[Batch], judgement: Judgement
) -> tuple[list[Batch], Judgement]:
    """The batches with one more: rows that were predicted and whose truth was told. They keep the same contract."""
    good = {one.name for one in judgement.judged if not one.breaches}
    path = intake.folder / TOLD
    if not good or not intake.told(wanted, list(judgement.columns), [one for one in batches if one.name in good], path):
        return batches, judgement
    batch = Batch(TOLD, path, "csv")
    rules = replace(wanted.rules, rows_at_least=0, unique_together=(), fresh=None)
    more = intake.tables.judge([batch], rules, wanted.label)
    return [*batches, batch], replace(judgement, judged=(*judgement.judged, *more.judged))


def _copied(path: Path, to: Path) -> Path:
    """A copy that no longer changes. Raises StateError for a file that changed meanwhile: it is tried again."""
    before = path.stat()
    try:
        shutil.copyfile(path, to)
    except OSError as error:
        if to.exists() and shutil.disk_usage(to.parent).free < before.st_size:
            raise StorageFull(f"no space left for a copy of {path.name}", hint="free some space") from error
        raise
    after = path.stat()
    if (before.st_size, before.st_mtime_ns, before.st_ino) != (after.st_size, after.st_mtime_ns, after.st_ino):
        raise StateError(f"{path.name} changed while it was read", hint="write aside, then rename")
    return to


def _kept(
    wanted: Wanted, intake: Intake, batches: Sequence[Batch], judgement: Judgement, lost: Sequence[Judged]
) -> Snapshot:
    bad = [Quarantined(one.name, one.breaches) for one in (*judgement.judged, *lost) if one.breaches]
    names = {one.path for one in bad}
    good: dict[str, bytes | Path | Entry] = {batch.name: batch.path for batch in batches if batch.name not in names}
    if not good:
        return Snapshot(None, 0, bad)
    rows = sum(one.rows for one in judgement.judged if not one.breaches)
    stale = _stale(wanted, judgement, intake.now_ms)
    if stale:
        return Snapshot(None, rows, bad, stale=stale)
    unlabelled = sum(one.unlabelled for one in judgement.judged if not one.breaches)
    about: Mapping[str, Any] = {
        "columns": judgement.columns, "rows": rows, "unlabelled": unlabelled, "label": wanted.label
    }  # fmt: skip
    return Snapshot(intake.artifacts.put("dataset", good, about), rows, bad, unlabelled)


def _stale(wanted: Wanted, judgement: Judgement, now_ms: int) -> str:
    """What is said when the newest row is too old; "" when it is not, or nothing is asked."""
    fresh = wanted.rules.fresh
    if fresh is None:
        return ""
    if judgement.newest_ms is None:
        return f"no row has a date in {fresh.column!r}, which must be fresh"
    if now_ms - judgement.newest_ms <= fresh.within_ms:
        return ""
    hours = fresh.within_ms / 3_600_000
    return f"the newest {fresh.column} is of {rfc3339(judgement.newest_ms)}, more than {hours:g} hours ago"


def _bounded(wanted: Wanted, folder: Path) -> None:
    size = sum(_sizes(wanted))
    if size > MOST_BYTES:
        raise UsageError(
            f"its data are {size >> 20:,} MiB, and at most {MOST_BYTES >> 20:,} MiB are read at once",
            hint="take a part of the rows: the newest, or some drawn at random",
            code="data_too_large",
        )
    free = shutil.disk_usage(folder).free
    if size * COPIES > free:
        raise StorageFull(
            f"taking {size >> 20:,} MiB of data in needs {size * COPIES >> 20:,} MiB of disk, {free >> 20:,} are free",
            hint="free some space; the data are looked at again when they change, or by `colonnade train`",
        )


def _sizes(wanted: Wanted) -> Iterator[int]:
    for path in wanted.files():
        try:
            yield path.stat().st_size
        except OSError:
            continue
