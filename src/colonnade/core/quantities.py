# SPDX-License-Identifier: Apache-2.0
"""What people write for an amount ("20GiB", 0.5) into the integers that we count in. Exact: no binary fractions."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal, InvalidOperation

_MEMORY = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([KMGT]i?B?|)\s*\Z", re.IGNORECASE)
_UNITS = {"k": 1, "m": 2, "g": 3, "t": 4}
MIB = 1024 * 1024
_DURATION = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|h|d|w)\s*\Z")
_LONG_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}


def mib_of(text: str) -> int:
    """MiB, rounded up: "20GiB", "512MiB", "1.5 TiB"; "GB" is 10^9 bytes. A number alone is MiB. ValueError otherwise.

    >>> mib_of("20GiB"), mib_of("512"), mib_of("1GB")
    (20480, 512, 954)
    """
    match = _MEMORY.match(text)
    if match is None:
        raise ValueError(f"{text!r} is no amount of memory: write for example 20GiB or 512MiB")
    number, unit = Decimal(match[1]), match[2].lower()
    scale = Decimal(1024 if "i" in unit else 1000) ** _UNITS[unit[0]] if unit else Decimal(MIB)
    return int((number * scale / MIB).to_integral_value(ROUND_CEILING))


def ms_of(text: str) -> int:
    """Milliseconds: "90s", "15m", "12h", "30d", "2w", "1.5h". ValueError otherwise.

    >>> ms_of("90s"), ms_of("1.5h"), ms_of("30d")
    (90000, 5400000, 2592000000)
    """
    match = _DURATION.match(text)
    if match is None:
        raise ValueError(f"{text!r} is no length of time: write for example 90s, 15m, 12h or 30d")
    return int((Decimal(match[1]) * _LONG_MS[match[2]]).to_integral_value(ROUND_CEILING))


def milli_of(number: int | float | str) -> int:
    """Thousandths of a decimal number with at most three places. ValueError otherwise.

    >>> milli_of(0.5), milli_of("2.25"), milli_of(4)
    (500, 2250, 4000)
    """
    try:
        exact = Decimal(str(number)) * 1000
    except InvalidOperation as error:
        raise ValueError(f"{number!r} is no number") from error
    if not exact.is_finite() or exact != exact.to_integral_value():
        raise ValueError(f"{number} has more than three places after the point: the smallest step is 0.001")
    return int(exact)


def rfc3339(ms: int) -> str:
    """Milliseconds since 1970 in UTC, to the second where that is exact.

    >>> rfc3339(1_790_000_000_000), rfc3339(1_790_000_000_123)
    ('2026-09-21T14:13:20Z', '2026-09-21T14:13:20.123Z')
    """
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds" if ms % 1000 else "seconds").replace("+00:00", "Z")


def shown_milli(milli: int) -> str:
    """Thousandths as people write them.

    >>> shown_milli(500), shown_milli(4000), shown_milli(2250)
    ('0.5', '4', '2.25')
    """
    return format((Decimal(milli) / 1000).normalize(), "f")


def shown_percent(milli: int | None) -> str:
    """Thousandths as a whole percentage; "" for what is not known.

    >>> shown_percent(875), shown_percent(None)
    ('88 %', '')
    """
    return "" if milli is None else f"{milli / 10:.0f} %"


def shown_mib(mib: int) -> str:
    """MiB as people write them.

    >>> shown_mib(20480), shown_mib(100)
    ('20 GiB', '100 MiB')
    """
    return f"{mib // 1024} GiB" if mib >= 1024 and mib % 1024 == 0 else f"{mib} MiB"
