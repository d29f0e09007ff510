# SPDX-License-Identifier: Apache-2.0
"""The process in which tables are read: `python -m colonnade.adapters.tables.child LIFELINE MEMORY_MIB CPU_S`.

It reads one job on descriptor 0 and answers on 1. No secret is in its environment; it has no network, starts no other
program, and its memory and CPU are bounded by the kernel, so that a hostile Parquet file ends it and nothing else. It
dies with its parent (`parsers.lifeline`).
"""

from __future__ import annotations

import errno
import gc
import os
import resource
import sys

from colonnade.adapters.parsers.confine import confine
from colonnade.adapters.parsers.lifeline import die_with_parent
from colonnade.adapters.tables.divide import divide
from colonnade.adapters.tables.judge import judge
from colonnade.adapters.tables.wire import Answer, Job, decode_job, encode
from colonnade.core.errors import ColonnadeError

FULL = {errno.ENOSPC, errno.EDQUOT}


def main() -> int:
    """One job."""
    gc.disable()  # one job, without cycles: looking for them takes a third of the time
    lifeline, memory_mib, cpu_s = map(int, sys.argv[1:4])
    die_with_parent(lifeline)
    job = decode_job(sys.stdin.buffer.read())
    out = os.dup(1)
    os.dup2(2, 1)
    if any(batch.format == "parquet" for batch in job.batches) or (job.division and job.division.format == "parquet"):
        _warm()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (memory_mib << 20, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, resource.RLIM_INFINITY))
    confine()
    with open(out, "wb") as file:
        file.write(encode(answer(job)))
    return 0


def answer(job: Job) -> Answer:
    """Do it; what goes wrong becomes a code."""
    try:
        if job.rules is not None:
            return Answer(judgement=judge(job.batches, job.rules, job.label))
        assert job.division is not None
        assert job.folder is not None
        return Answer(divided=divide(job.batches, job.division, job.folder))
    except ColonnadeError as error:
        return Answer(error=type(error).__name__, code=error.code, message=error.message, hint=error.hint)
    except MemoryError:
        return Answer(error="UsageError", code="table_unreadable", message="reading it needs more memory than it may")
    except OSError as error:
        if error.errno in FULL:
            hint = "free some space; the step is done again"
            return Answer(error="StorageFull", code="storage_full", message="no space left for the data", hint=hint)
        return Answer(error="StateError", code="state", message=f"the data cannot be written: {error.strerror}")


def _warm() -> None:
    """Load pyarrow before anything is taken away; the job says it where it is missing."""
    try:
        from colonnade.adapters.tables.parquet import arrow

        arrow()
    except ColonnadeError:
        return


if __name__ == "__main__":
    sys.exit(main())
