# SPDX-License-Identifier: Apache-2.0
"""Numbers, times, sizes, ids and command lines as people read them. Pure; no markup."""

from __future__ import annotations

import re
import shlex
from datetime import UTC, datetime

from colonnade.core.quantities import rfc3339 as rfc3339

_UNITS = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1000, "s"))
_LOCAL = ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d")


def clock(ms: int) -> str:
    """A store time for reading, in UTC.

    >>> clock(1_790_000_000_000)
    '21 Sep 2026, 14:13:20 UTC'
    """
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%-d %b %Y, %H:%M:%S UTC")


def ago(ms: int, now_ms: int) -> str:
    """How long ago, in the largest unit. What is up to a minute ahead happened since the page began.

    >>> ago(0, 7_300_000), ago(5, 20)
    ('2 h ago', 'just now')
    """
    passed = now_ms - ms
    for unit, name in _UNITS:
        if passed >= unit:
            return f"{passed // unit} {name} ago"
    return "just now" if passed > -60_000 else clock(ms)


def duration(ms: int) -> str:
    """A length of time.

    >>> duration(42), duration(4_200), duration(125_000)
    ('42 ms', '4.2 s', '2 min 5 s')
    """
    if ms < 1000:
        return f"{ms} ms"
    if ms < 60_000:
        return f"{ms / 1000:.1f} s"
    minutes, seconds = divmod(ms // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"


def size(count: int) -> str:
    """Bytes in binary units.

    >>> size(900), size(48_213)
    ('900 B', '47 KiB')
    """
    value, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB"):
        if value < 1024:
            break
        value, unit = value / 1024, larger
    return f"{value:.0f} {unit}" if value >= 10 or unit == "B" else f"{value:.1f} {unit}"


def grouped(number: int) -> str:
    """A count with thin spaces between thousands.

    >>> grouped(1234567)
    '1\\u202f234\\u202f567'
    """
    return f"{number:,}".replace(",", "\u202f")


def short(ref: str) -> str:
    """An id with its middle left out, for places where the whole one can be copied.

    >>> short("doc_00d0rh86r000000000000000000000000001")
    'doc_00d0rh…0001'
    """
    kind, _, tail = ref.rpartition("/")
    cut = f"{tail[:10]}…{tail[-4:]}" if len(tail) > 20 else tail
    return f"{kind}/{cut}" if kind else cut


def parse_moment(text: str) -> int | None:
    """A typed time as store ms: RFC 3339, or a date with or without a time, taken as UTC. None when it is empty or no
    time.

    >>> parse_moment("2026-09-21T14:13:20Z"), parse_moment("2026-09-21"), parse_moment("soon")
    (1790000000000, 1789948800000, None)
    """
    text = text.strip()
    if re.fullmatch(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:\d\d)", text):
        return _ms(datetime.fromisoformat(text.upper()))
    for layout in _LOCAL:
        try:
            return _ms(datetime.strptime(text, layout).replace(tzinfo=UTC))
        except ValueError:
            continue
    return None


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def moment_field(ms: int | None) -> str:
    """A store time as the value of an input of type datetime-local, read as UTC."""
    return "" if ms is None else datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def command(*words: str) -> str:
    """A command line to paste into a shell: every word quoted where it must be.

    >>> command("colonnade", "ask", "who's there?", "--as", "anna")
    'colonnade ask \\'who\\'"\\'"\\'s there?\\' --as anna'
    """
    return shlex.join(words)


def ask_command(
    question: str, *, service: str | None = None, person: str | None = None, as_of_ms: int | None = None
) -> str:
    """The `colonnade ask` that gives the same answer."""
    words = []
    for flag, value in (("--service", service), ("--as", person)):
        words += [flag, value] if value else []
    if as_of_ms is not None:
        words += ["--as-of", rfc3339(as_of_ms)]
    if question.startswith("-"):  # else it would be read as an option
        return command("colonnade", "ask", *words, "--", question)
    return command("colonnade", "ask", question, *words)
