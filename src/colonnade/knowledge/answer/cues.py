# SPDX-License-Identifier: Apache-2.0
"""What a question asks for, and whether a sentence has such a thing that the question does not name itself.

Patterns over English words and over numbers; another language matches none of them and gets the kind `other`, which
expects nothing. No statistics and no model here.
"""

from __future__ import annotations

import re
from typing import Literal

Kind = Literal["person", "date", "place", "count", "reason", "manner", "other"]

_ASKS: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    (
        "count",
        re.compile(
            r"\bhow (many|much|long|old|far|fast|tall|large|big|often|high|deep|wide)\b"
            r"|\b(what|which) (\w+ )?(percent\w*|number|amount|proportion|fraction|population|price|cost"
            r"|rate|size|length|height|age|distance|temperature|score|total)\b|\b(price|cost) of\b"
        ),
    ),
    (
        "date",
        re.compile(
            r"\bwhen\b|\b(what|which) (\w+ )?(year|date|day|month|century|decade|time|era|period|deadline)s?\b"
            r"|\bhow long ago\b"
        ),
    ),
    (
        "place",
        re.compile(
            r"\bwhere\b|\b(what|which) (\w+ )?(city|cities|country|countries|state|place|region|area|location"
            r"|town|county|continent|river|building|street|province|island|office|room|nation)\b"
        ),
    ),
    (
        "person",
        re.compile(
            r"\b(who|whom|whose)\b|\b(what|which) (\w+ )?(person|man|woman|king|queen|president|author|scientist"
            r"|leader|emperor|general|actor|singer|theorist|physicist|mathematician|company|group|organi[sz]ation|people|team)\b"
        ),
    ),
    ("reason", re.compile(r"\bwhy\b|\bwhat (\w+ )?(reason|purpose|cause|caused|motiv\w+)\b")),
    ("manner", re.compile(r"\bhow\b")),
)
_NUMBER_WORDS = (
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen "
    "twenty thirty forty fifty sixty seventy eighty ninety hundred hundreds thousand thousands million millions "
    "billion billions dozen half third quarter twice once"
)
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*%?|\b(?:" + "|".join(_NUMBER_WORDS.split()) + r")\b", re.IGNORECASE)
_DATE = re.compile(
    r"\b1\d{3}s?\b|\b20\d\ds?\b|\b\d{1,2}(?:st|nd|rd|th)? centur|\bcenturi?(?:y|es)\b|\b\d{4}-\d\d-\d\d\b"
    r"|\b(?:january|february|march|april|may|june|july|august|september|october|november|december)\b"
    r"|\b(?:monday|tuesday|wednesday|thursday|friday|saturday|sunday)\b|\b\d+ (?:bc|bce|ad|ce)\b|\b\d{1,2}:\d\d\b",
    re.IGNORECASE,
)
_NAME = re.compile(r"(?<![.!?]\s)(?<!^)\b[A-Z][\w'’.-]*(?:\s+(?:of|de|van|von|the|la|du|and)?\s*[A-Z][\w'’.-]*)*")
_CODE = re.compile(r"\b[A-Za-z]+[-_]?\d[\w-]*")
_PLACE = re.compile(
    r"\b(?:in|at|from|near|to|of|into|across|around|between|outside|within|through|on|north|south|east|west)\s+"
    r"(?:the\s+|modern\s+|central\s+|southern\s+|northern\s+|eastern\s+|western\s+)*[A-Z]\w+"
)
_REASON = re.compile(
    r"\b(?:because|since|due to|owing|in order|so that|therefore|thus|reasons?|caus\w+|lead\w*|led|as a result"
    r"|result\w*|to \w+|for \w+ing)\b"
)
_MANNER = re.compile(r"\b(?:by|through|via|using|with|when|method|process|means)\b")


def kind_of(question: str) -> Kind:
    """What the question asks for; the first kind whose words stand in it.

    >>> kind_of("In what year did it open?"), kind_of("Who opened it?"), kind_of("What is it?")
    ('date', 'person', 'other')
    """
    low = question.lower()
    return next((kind for kind, pattern in _ASKS if pattern.search(low)), "other")


def names(text: str) -> list[str]:
    """Capitalised words and their sequences, without the one that merely begins the sentence."""
    return [match.group().rstrip(".") for match in _NAME.finditer(text)]


def codes(text: str) -> list[str]:
    """Identifiers of letters and digits, as articles and faults have them, lower case.

    >>> codes("Does the P400 show E07 in the 1990s?")
    ['p400', 'e07']
    """
    return [match.group().lower() for match in _CODE.finditer(text)]


def numbers(text: str) -> list[str]:
    """Numbers, in digits without their separators or in words, lower case."""
    return [match.group().lower().replace(",", "").rstrip(".") for match in _NUMBER.finditer(text)]


def dates(text: str) -> list[str]:
    """Years, months, weekdays, centuries, clock times, lower case."""
    return [match.group().lower() for match in _DATE.finditer(text)]


def offers(kind: Kind, sentence: str, question: str) -> bool:
    """Whether the sentence has something of that kind that the question does not already say."""
    low = question.lower()
    if kind == "person":
        return any(name.lower() not in low for name in [*names(sentence), *sentence.split()[:1]] if name[:1].isupper())
    if kind == "place":
        return any(match.group().split()[-1].lower() not in low for match in _PLACE.finditer(sentence))
    if kind == "date":
        return any(date not in low for date in dates(sentence))
    if kind == "count":
        asked = set(numbers(question))
        return any(number not in asked for number in numbers(sentence))
    if kind == "reason":
        return bool(_REASON.search(sentence))
    if kind == "manner":
        return bool(_MANNER.search(sentence))
    return True
