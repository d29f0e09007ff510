# SPDX-License-Identifier: Apache-2.0
"""`ConfinedTables`: the Tables port. What is large, binary or matched by a pattern is read in a child that a hostile
file can only end; small text is read in place, where a child would only cost time.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from colonnade.core.errors import ColonnadeError, MissingExtra, StateError, StorageFull, UsageError
from colonnade.core.tables import Breach, Rules
from colonnade.ports.outside.tables import Batch, Divided, Division, Judged, Judgement

if TYPE_CHECKING:
    from colonnade.adapters.tables.wire import Answer, Job

IN_PLACE_BYTES = 1 << 20
MEMORY_MIB = 2048
"""Address space of a child; what it holds is about a tenth of it."""
CPU_S, BYTES_A_CPU_S = 120, 1 << 20
_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE")
_ERRORS: dict[str, type[ColonnadeError]] = {
    one.__name__: one for one in (UsageError, MissingExtra, StateError, StorageFull)
}


class Ended(Exception):
    """The child gave no answer; the reason in words."""


class ConfinedTables:
    """Reads tables; thread-safe."""

    def __init__(self, *, memory_mib: int = MEMORY_MIB, cpu_s: int = CPU_S, in_place_bytes: int = IN_PLACE_BYTES):
        self._memory_mib, self._cpu_s, self._in_place = memory_mib, cpu_s, in_place_bytes

    def judge(self, batches: Sequence[Batch], rules: Rules, label: str) -> Judgement:
        """See `Tables.judge`. When a child ends over them, each batch gets one of its own, to find which it was."""
        plain = not any(column.pattern for column in rules.columns.values())
        if plain and self._small(batches):
            from colonnade.adapters.tables.judge import judge

            return judge(batches, rules, label)
        bad: list[Judged] = []
        try:
            return self._judged(batches, rules, label)
        except Ended as ended:
            bad = [Judged(batches[0].name, 0, 0, (Breach(str(ended), 1),))] if len(batches) == 1 else []
        for batch in batches if len(batches) > 1 else ():
            try:
                self._judged([batch], rules, label)
            except Ended as ended:
                bad.append(Judged(batch.name, 0, 0, (Breach(str(ended), 1),)))
        names = {one.name: one for one in bad}
        good = [batch for batch in batches if batch.name not in names]
        if len(good) == len(batches):
            raise StateError("the data could not be read at once, but each file could", hint="try again")
        whole = self._judged(good, rules, label) if good else Judgement((), {})
        found = {one.name: one for one in (*whole.judged, *bad)}
        return replace(whole, judged=tuple(found[batch.name] for batch in batches))

    def divide(self, batches: Sequence[Batch], division: Division, folder: Path) -> Divided:
        """See `Tables.divide`."""
        buckets = folder / "buckets"
        buckets.mkdir(parents=True, exist_ok=True)
        try:
            if division.format != "parquet" and self._small(batches):
                from colonnade.adapters.tables.divide import divide

                return divide(batches, division, folder)
            from colonnade.adapters.tables.wire import Job

            answer = self._asked(Job(batches=list(batches), division=division, folder=folder))
        except Ended as ended:
            raise UsageError(f"the data cannot be divided: {ended}", code="table_unreadable") from ended
        finally:
            shutil.rmtree(buckets, ignore_errors=True)
        assert answer.divided is not None
        return answer.divided

    def columns(self, batch: Batch, names: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """See `Tables.columns`."""
        from colonnade.adapters.tables.readers import open_batch

        reader = open_batch(batch)
        found: dict[str, list[str]] = {name: [] for name in names if name in reader.header}
        for chunk in reader.chunks() if found else ():
            for name, values in found.items():
                values.extend(chunk.column(name).texts())
        return found

    def _small(self, batches: Sequence[Batch]) -> bool:
        sizes = [_size(batch.path) for batch in batches if batch.format != "parquet"]
        return len(sizes) == len(batches) and sum(sizes) <= self._in_place

    def _judged(self, batches: Sequence[Batch], rules: Rules, label: str) -> Judgement:
        from colonnade.adapters.tables.wire import Job

        answer = self._asked(Job(batches=list(batches), label=label, rules=rules))
        assert answer.judgement is not None
        return answer.judgement

    def _asked(self, job: Job) -> Answer:
        from colonnade.adapters.tables.wire import decode_answer, encode

        cpu_s = self._cpu_s + sum(_size(batch.path) for batch in job.batches) // BYTES_A_CPU_S
        status, data = _run(encode(job), self._memory_mib, cpu_s)
        if status:
            raise Ended(_death(status, self._memory_mib, cpu_s))
        try:
            answer = decode_answer(data)
        except msgspec.DecodeError as error:
            raise Ended("the process that read it gave no answer") from error
        if answer.error:
            raise _ERRORS.get(answer.error, StateError)(answer.message, hint=answer.hint, code=answer.code or None)
        return answer


def _run(job: bytes, memory_mib: int, cpu_s: int) -> tuple[int, bytes]:
    """(exit status, what it said)."""
    lifeline, alive = os.pipe2(os.O_CLOEXEC)
    try:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "colonnade.adapters.tables.child", str(lifeline), str(memory_mib), str(cpu_s)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pass_fds=(lifeline,),
            env={
                **{name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
                **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
                "ARROW_DEFAULT_MEMORY_POOL": "system",
            },
            cwd="/",
            start_new_session=True,
        )
        os.close(lifeline)
        lifeline = -1
        try:
            data, _ = process.communicate(job, timeout=3 * cpu_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return -signal.SIGXCPU, b""
        return process.returncode, data
    finally:
        for end in (lifeline, alive):
            if end >= 0:
                os.close(end)


def _death(status: int, memory_mib: int, cpu_s: int) -> str:
    if status == -signal.SIGXCPU:
        return f"reading it took more than {cpu_s} s"
    if status in (-signal.SIGKILL, -signal.SIGABRT):
        return f"reading it needs more than {memory_mib} MiB of memory"
    return "it is damaged: its reader crashed on it"


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
