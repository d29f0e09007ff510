# SPDX-License-Identifier: Apache-2.0
"""One run of bytes, judged as the pickles that it may be: one, several in a row, torch's five, or none at all.

Anything can be tried as a pickle, so what counts is how far a real unpickler would get. Bytes that only might be one
(no name says so, no protocol mark begins them) and at which it fails before it has imported anything are no pickle. No
containers here, and no names of files.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from colonnade.observe.security.blobs import Damaged, TooMuch
from colonnade.observe.security.machine import Machine
from colonnade.observe.security.opcodes import PROTO
from colonnade.observe.security.stream import Cut, Source, Stream
from colonnade.observe.security.symbols import Name
from colonnade.observe.security.values import Broken
from colonnade.observe.security.verdicts import Findings, Limits

CLAIMED, POSSIBLE, UNLIKELY = "claimed", "possible", "unlikely"
"""A name says that it is a pickle; nothing says; it is text or a tensor's raw data, which may look like one."""
TORCH_MAGIC = 0x1950A86A20F9469CFC6C
TORCH_PICKLES = 5
"""torch before 1.6: magic number, version, system, the object, its keys; raw storages follow."""


@dataclass(slots=True)
class Walked:
    """How far the walk got: whole pickles, and what the last one had done when it failed."""

    pickles: int = 0
    imports: int = 0
    calls: int = 0
    foreign: tuple[Name, ...] = ()
    problem: str = ""
    torch: bool = False
    rest: bool = False
    two_readings: bool = False


def judge_pickles(
    opened: Callable[[], Source],
    where: str,
    found: Findings,
    limits: Limits,
    *,
    likely: str = POSSIBLE,
    embedded: Callable[[bytes, str], None] | None = None,
) -> str:
    """Judge what `opened` gives, into `found`. The format's name, or "" when it is no pickle at all."""
    here = Findings()
    stream = Stream(opened())
    marked = _begins_as_pickle(stream.peek(2))
    try:
        walked = walk(stream, where, here, limits, embedded=embedded)
        if walked.two_readings:
            walk(Stream(opened()), where, here, limits, joblib=False, embedded=embedded)
    except (Damaged, TooMuch):
        found.add(here)
        raise
    if likely == UNLIKELY:
        return _unlikely(walked, here, found)
    if not (walked.imports or here.bad or marked or likely == CLAIMED) and (walked.problem or walked.rest):
        return ""
    if walked.problem:
        here.unreadable(where, f"not a whole pickle: {walked.problem}")
    elif walked.rest:
        here.unreadable(where, "data follows the last pickle that is none itself")
    found.add(here)
    return "torch (before 1.6)" if walked.torch else "pickle"


def walk(
    stream: Stream,
    where: str,
    found: Findings,
    limits: Limits,
    *,
    joblib: bool = True,
    embedded: Callable[[bytes, str], None] | None = None,
) -> Walked:
    """Walk one pickle after another to the end of the stream, or to where an unpickler would fail."""
    done = Walked()
    while True:
        machine = Machine(stream, where, found, limits, joblib=joblib, embedded=embedded)
        start = stream.offset
        try:
            machine.run()
        except Broken as error:
            done.problem = f"at {stream.offset}, {error}"
        except Cut:
            done.problem = f"it is cut short at {stream.offset}"
        done.imports += machine.imports
        done.calls += machine.calls
        done.foreign += tuple(machine.foreign)
        done.two_readings |= machine.two_readings
        if done.problem:
            if done.pickles and not (machine.imports or machine.calls):
                done.rest, done.problem = not _is_padding(stream, start), ""
            return done
        done.pickles += 1
        done.torch |= done.pickles == 1 and machine.result == TORCH_MAGIC
        if done.torch and done.pickles == TORCH_PICKLES:
            return done
        if not stream.peek(1):
            return done


def _unlikely(walked: Walked, here: Findings, found: Findings) -> str:
    """Text and raw numbers may begin like an import by chance; only a plausible name that is also used is held against
    them.
    """
    plausible = any(_is_dotted(name.module) and _is_dotted(name.name) for name in walked.foreign)
    used = walked.calls or walked.pickles
    if here.bad and used and (plausible or not walked.foreign):
        found.add(here)
        return "pickle"
    return ""


def _is_dotted(name: str) -> bool:
    return all(part.isidentifier() for part in name.split("."))


def _begins_as_pickle(head: bytes) -> bool:
    return len(head) == 2 and head[0] == PROTO and head[1] <= 5


def _is_padding(stream: Stream, start: int) -> bool:
    """Whether what follows the last pickle is only white space or zeros; the first byte has been read already."""
    seen = stream.offset - start
    if seen > 1:
        return False
    while block := stream.read(1 << 16):
        if block.strip(b"\0 \t\r\n"):
            return False
    return True
