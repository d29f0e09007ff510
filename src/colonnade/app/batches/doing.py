# SPDX-License-Identifier: Apache-2.0
"""A file through a service: some batches are asked at once, and their answers written in the order of the rows."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from colonnade.app.batches.answers import Answers, Line, Standing
from colonnade.app.batches.asking import Asking, Where
from colonnade.app.batches.rows import Read, batches, digest_of, kind_of
from colonnade.core.errors import UsageError

Show = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be done. `keep`: columns of the input that go to the output; `stop`: at the first wrong row."""

    service: str
    file: Path
    out: Path
    batch: int = 256
    concurrency: int = 4
    keep: tuple[str, ...] = ()
    stop: bool = False


def predict_file(wanted: Wanted, where: Where, show: Show = lambda _label, _done, _total: None) -> dict[str, Any]:
    """Predictions for every row of a file: `colonnade.predict_file/1`.

    Raises:
        UsageError: files that cannot be used; `stop` and a row that is wrong (`invalid_value`).
        ColonnadeError: what asking on does not mend. The same call goes on where it stopped.
    """
    kind_of(wanted.out)
    began, (digest, total) = time.monotonic(), digest_of(wanted.file)
    answers = Answers(wanted.out, Standing(digest, wanted.service, list(wanted.keep)))
    asking = Asking(where, wanted.service)
    whole = False
    try:
        _through(wanted, answers, asking, lambda: show("predicting", answers.standing.rows, total))
        whole = True
    finally:
        answers.close(whole=whole)
        asking.close()
    seconds, standing = time.monotonic() - began, answers.standing
    return {
        "schema": "colonnade.predict_file/1", "service": wanted.service, "file": str(wanted.file),
        "out": str(wanted.out),
        "rows": standing.rows, "answered": standing.answered, "wrong": standing.wrong,
        "wrong_rows": standing.first_wrong, "versions": standing.versions, "resumed_at": answers.resumed_at,
        "waits": asking.waits, "seconds": round(seconds, 3),
        "rows_per_s": round((standing.rows - answers.resumed_at) / max(seconds, 1e-9)),
    }  # fmt: skip


def _through(wanted: Wanted, answers: Answers, asking: Asking, tell: Callable[[], None]) -> None:
    """All that is left of the input; never more than some batches are held."""
    under_way: deque[Future[list[Line]]] = deque()
    pool = ThreadPoolExecutor(wanted.concurrency, thread_name_prefix="predict")
    try:
        for batch in batches(wanted.file, wanted.batch, answers.standing.rows):
            under_way.append(pool.submit(_asked, wanted, asking, batch))
            if len(under_way) >= 2 * wanted.concurrency:
                _written(wanted, answers, under_way.popleft().result())
                tell()
        while under_way:
            _written(wanted, answers, under_way.popleft().result())
            tell()
    finally:
        pool.shutdown(cancel_futures=True)


def _asked(wanted: Wanted, asking: Asking, batch: Sequence[Read]) -> list[Line]:
    good = [read for read in batch if read.values is not None]
    found = dict(zip([read.line for read in good], asking.ask([read.values for read in good]), strict=True))
    lines = []
    for read in batch:
        values = read.values or {}
        kept = {name: values.get(name) for name in wanted.keep}
        answer = found.get(read.line)
        if answer is None:
            lines.append(Line(read.line, kept, None, "", read.wrong))
        else:
            lines.append(Line(read.line, kept, answer.value, answer.version, answer.wrong))
    return lines


def _written(wanted: Wanted, answers: Answers, lines: Sequence[Line]) -> None:
    first = next((place for place, line in enumerate(lines) if line.wrong), None) if wanted.stop else None
    answers.put(lines[:first])
    if first is not None:
        line = lines[first]
        raise UsageError(
            f"{wanted.file.name}, line {line.line}: {line.wrong}", code="invalid_value",
            hint="--on-error skip keeps the reason in the output and goes on",
        )  # fmt: skip
