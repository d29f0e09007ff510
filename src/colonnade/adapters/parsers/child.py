# SPDX-License-Identifier: Apache-2.0
"""The process in which files are parsed: `python -m colonnade.adapters.parsers.child LIFELINE IDLE_S`.

It reads requests on descriptor 0, answers on 1, and knows nothing else: no secrets in its environment, no network, no
state. What a hostile file can do to it is bounded by the kernel: address space, CPU per file, no core dump, no new
file past a size; and by `confine`: no new rights, no other program, no network, no change to the file tree. It dies
with its parent: LIFELINE is the reading end of a pipe whose writing end only the parent
holds; when the kernel closes that, however the parent ended, it sends SIGIO, whose default is to terminate.
(PR_SET_PDEATHSIG would fire as well when the
*thread* that started it ends, which is why it is not used.)
"""

from __future__ import annotations

import os
import resource
import select
import sys

import msgspec

from colonnade.adapters.parsers.confine import confine
from colonnade.adapters.parsers.formats import parse_raw
from colonnade.adapters.parsers.lifeline import die_with_parent
from colonnade.adapters.parsers.opening import open_source, read_all
from colonnade.adapters.parsers.wire import Answer, Ask, Gone, encode, pack, read_frame, write_all
from colonnade.core.errors import Unreadable
from colonnade.ports.outside.parsers import ParseLimits


def main() -> int:
    """Serve until the parent closes the pipe, or nothing comes for IDLE_S seconds: the next file starts a new child."""
    die_with_parent(int(sys.argv[1]))
    idle_s = float(sys.argv[2])
    requests, answers = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    confine()
    while select.select([requests], [], [], idle_s)[0]:
        try:
            ask = msgspec.msgpack.decode(read_frame(requests), type=Ask)
            write_all(answers, framed(ask))
        except Gone:
            return 0
    return 0


def framed(ask: Ask) -> bytes:
    """The frame that answers; an answer too large for the memory left becomes a refusal."""
    try:
        return encode(answer(ask))
    except MemoryError:
        return encode(Answer(code="bomb", message=f"Its text needs more than {ask.limits.memory_mib} MiB of memory."))


def answer(ask: Ask) -> Answer:
    """Parse one file within its limits; what goes wrong becomes a code."""
    try:
        bound(ask.limits)
        fd, size = open_source(os.fsdecode(ask.path), ask.suffix, ask.limits)
        try:
            raw = read_all(fd, size)
        finally:
            os.close(fd)
        return Answer(packed=pack(parse_raw(raw, ask.suffix, ask.limits)))
    except Unreadable as error:
        return Answer(code=error.code, message=error.message, hint=error.hint)
    except FileNotFoundError:
        return Answer(code="gone")
    except MemoryError:
        return Answer(code="bomb", message=f"It needs more than {ask.limits.memory_mib} MiB of memory.")
    except RecursionError:
        return Answer(code="bomb", message="It is nested deeper than the limit.")
    except Exception as error:
        if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > ask.limits.memory_mib * 1024 * 0.85:
            return Answer(code="bomb", message=f"It needs more than {ask.limits.memory_mib} MiB of memory.")
        return Answer(code="corrupt", message=f"It is damaged, or is not what its name says ({type(error).__name__}).")


def bound(limits: ParseLimits) -> None:
    """Set the kernel's limits for the next file: address space, and CPU counted from what is used by now."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    cpu = int(usage.ru_utime + usage.ru_stime) + limits.cpu_s
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, resource.RLIM_INFINITY))
    space = (limits.memory_mib - 32) << 20
    resource.setrlimit(resource.RLIMIT_AS, (space, resource.RLIM_INFINITY))


if __name__ == "__main__":
    sys.exit(main())
