# SPDX-License-Identifier: Apache-2.0
"""Answers into a file, one row for each row of the input, in order; and how far it is, so that a killed run goes on.

OUT.progress beside the output says how many rows stand in how many bytes of it, and of which input. It is written
after the rows, so whatever stands beyond its bytes is cut off and asked again: a row is there once, or not yet. Parquet
cannot grow, so JSON lines (OUT.rows) are gathered and turned into it at the end.
"""

from __future__ import annotations

import csv
import fcntl
import io
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from colonnade.app.batches.rows import kind_of
from colonnade.core.errors import UsageError

KEPT_WRONG = 20
SYNC_S = 1.0


@dataclass
class Standing:
    """How far a run is. `columns`: of a CSV, once they are known."""

    input: str
    service: str
    keep: list[str] = field(default_factory=list)
    rows: int = 0
    bytes: int = 0
    answered: int = 0
    wrong: int = 0
    first_wrong: list[dict[str, Any]] = field(default_factory=list)
    versions: list[str] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the output."""

    line: int
    kept: Mapping[str, Any]
    value: Any
    version: str
    wrong: str


class Answers:
    """The output. Raises UsageError when it cannot be gone on with."""

    def __init__(self, out: Path, fresh: Standing) -> None:
        self.out, self._kind = out, kind_of(out)
        self._file = out if self._kind != "parquet" else out.with_name(f"{out.name}.rows")
        self._progress = out.with_name(f"{out.name}.progress")
        self.standing = self._found(fresh)
        self.resumed_at = self.standing.rows
        self._held: list[Line] = []
        self._synced = time.monotonic()
        self._open = self._file.open("r+b" if self._file.exists() else "w+b")
        try:
            fcntl.flock(self._open, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as busy:
            raise UsageError(f"another run writes {out.name}") from busy
        self._open.truncate(self.standing.bytes)
        self._open.seek(self.standing.bytes)
        self._keep()

    def put(self, lines: Sequence[Line]) -> None:
        """The next rows. Raises UsageError where a CSV cannot hold them."""
        self._held += lines
        if self._kind == "csv" and not self.standing.columns:
            good = next((line for line in self._held if not line.wrong), None)
            if good is None:
                return
            self._head(list(_flat(good.value)))
        self._write()

    def close(self, *, whole: bool) -> None:
        """`whole`: the input has ended; nothing is left to go on with."""
        if whole:
            if self._kind == "csv" and not self.standing.columns:
                self._head([])
            self._write()
        os.fsync(self._open.fileno())
        self._open.close()
        if whole and self._kind == "parquet":
            from colonnade.app.wiring import parquet_records

            parquet_records().from_lines(self._file, self.out)
            self._file.unlink()
        if whole:
            self._progress.unlink()

    def _found(self, fresh: Standing) -> Standing:
        if not self._progress.exists():
            for path in {self.out, self._file}:
                if path.exists():
                    raise UsageError(f"{path} is there already", hint="give another --out, or take it away")
            return fresh
        try:
            found = Standing(**json.loads(self._progress.read_text("utf-8")))
        except (ValueError, TypeError) as wrong:
            raise UsageError(f"{self._progress} cannot be read: {wrong}", hint="take it and the output away") from wrong
        for what, mine, theirs in (
            ("input", fresh.input, found.input), ("service", fresh.service, found.service),
            ("--keep", fresh.keep, found.keep),
        ):  # fmt: skip
            if mine != theirs:
                raise UsageError(
                    f"{self.out.name} was begun with another {what}",
                    hint=f"give another --out, or take it and {self._progress.name} away",
                )
        if (self._file.stat().st_size if self._file.exists() else 0) < found.bytes:
            raise UsageError(f"{self._file.name} is shorter than {self._progress.name} says", hint="take both away")
        return found

    def _head(self, columns: list[str]) -> None:
        self.standing.columns = ["line", *self.standing.keep, *columns, "error", "version"]
        self._open.write(_csv(self.standing.columns))

    def _write(self) -> None:
        standing, text = self.standing, []
        for line in self._held:
            text.append(self._text(line))
            if line.wrong:
                standing.wrong += 1
                if len(standing.first_wrong) < KEPT_WRONG:
                    standing.first_wrong.append({"line": line.line, "error": line.wrong})
            else:
                standing.answered += 1
                if line.version not in standing.versions:
                    standing.versions.append(line.version)
        self._open.write(b"".join(text))
        self._open.flush()
        standing.rows += len(self._held)
        standing.bytes = self._open.tell()
        self._held = []
        if time.monotonic() - self._synced > SYNC_S:
            os.fsync(self._open.fileno())
            self._synced = time.monotonic()
        self._keep()

    def _keep(self) -> None:
        new = self._progress.with_name(f"{self._progress.name}.new")
        new.write_text(json.dumps(asdict(self.standing)), "utf-8")
        new.replace(self._progress)

    def _text(self, line: Line) -> bytes:
        version = line.version.removeprefix("sha256:")[:12]
        head = {"line": line.line, **line.kept}
        if self._kind == "jsonl":
            told = {"error": line.wrong} if line.wrong else {"prediction": line.value, "version": version}
            return json.dumps({**head, **told}, ensure_ascii=False).encode() + b"\n"
        flat = {} if line.wrong else _flat(line.value)
        row = {**head, **flat, "error": line.wrong or None, "version": version or None}
        if self._kind == "parquet":
            return json.dumps(row, ensure_ascii=False).encode() + b"\n"
        if strange := row.keys() - set(self.standing.columns):
            raise UsageError(
                f"line {line.line}: the model answers with {min(strange)!r} now, which the CSV has no column for",
                hint="write JSON lines: --out FILE.jsonl",
            )
        return _csv([_shown(row.get(name)) for name in self.standing.columns])


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    """One level of columns.

    >>> _flat(0.5), _flat({"label": "yes", "probabilities": {"no": 0.25, "yes": 0.75}})
    ({'prediction': 0.5}, {'label': 'yes', 'probabilities.no': 0.25, 'probabilities.yes': 0.75})
    """
    if isinstance(value, (dict, list)) and value:
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        prefix = f"{name}." if name else "" if isinstance(value, dict) else "prediction."
        return {key: one for part, inner in pairs for key, one in _flat(inner, f"{prefix}{part}").items()}
    return {name or "prediction": value}


def _shown(value: Any) -> Any:
    return "" if value is None else json.dumps(value) if isinstance(value, (bool, dict, list)) else value


def _csv(fields: Sequence[Any]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(fields)
    return text.getvalue().encode()
