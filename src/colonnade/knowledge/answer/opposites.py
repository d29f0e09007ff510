# SPDX-License-Identifier: Apache-2.0
"""English words that turn a statement around: negations, and pairs of opposites. A table, no rule."""

from __future__ import annotations

import re

NEGATION = re.compile(
    r"\b(?:not|never|no|none|without|except|nor|neither|cannot|besides|other than|fail\w*|refus\w*|lack\w*|prevent\w*"
    r"|avoid\w*|declin\w*|reject\w*|unable|hardly|least|excluding|stop\w*)\b|n['’]t\b",
    re.IGNORECASE,
)
PLAIN_NOT = re.compile(r"\bnot\b|\bnever\b|n['’]t\b", re.IGNORECASE)

_PAIRS = """
first last, most least, more less, more fewer, before after, increase decrease, increased decreased, increasing
decreasing, north south, east west, northern southern, eastern western, maximum minimum, high low, higher lower,
highest lowest, old new, older newer, oldest newest, start end, started ended, begin end, began ended, best worst,
better worse, large small, larger smaller, largest smallest, big small, biggest smallest, always never, all none, many
few, early late, earlier later, earliest latest, win lose, won lost, wins losses, victory defeat, join leave, joined
left, enter exit, above below, inside outside, internal external, positive negative, strong weak, stronger weaker,
strongest weakest, male female, men women, man woman, father mother, son daughter, brother sister, king queen, husband
wife, rich poor, public private, open closed, opened closed, accept reject, accepted rejected, allow prohibit, allowed
prohibited, allow forbid, allow prevent, legal illegal, include exclude, included excluded, import export, buy sell,
bought sold, attack defend, attacked defended, support oppose, supported opposed, supporters opponents, success
failure, successful unsuccessful, fail succeed, failed succeeded, possible impossible, simple complex, easy difficult,
easiest hardest, short long, shorter longer, shortest longest, fast slow, faster slower, fastest slowest, hot cold,
warm cold, wet dry, light heavy, young old, youngest oldest, majority minority, similar different, same different,
like dislike, love hate, agree disagree, agreed disagreed, gain lose, gained lost, rise fall, rose fell, rising
falling, up down, top bottom, left right, upper lower, major minor, good bad, create destroy, created destroyed, build
destroy, built destroyed, constructed demolished, cause prevent, caused prevented, useful useless, effective
ineffective, active inactive, necessary unnecessary, likely unlikely, common rare, known unknown, popular unpopular,
appointed removed, hired fired, alive dead, birth death, born died, modern ancient, rural urban, domestic foreign,
local foreign, direct indirect, formal informal, efficient inefficient, limited unlimited, add remove, added removed,
expand shrink, expanded shrank, encourage discourage, encouraged discouraged, superior inferior, peace war, friend
enemy, ally enemy, allies enemies, arrive leave, arrived left, send receive, sent received, give take, gave took,
civil military, promote demote, protect harm, protected harmed, approve disapprove, approved rejected, united divided,
voluntary forced, independent dependent, finite infinite, prime composite, even odd, real fake, true false, lack have,
lacked had
"""


def _table() -> dict[str, frozenset[str]]:
    table: dict[str, set[str]] = {}
    for pair in _PAIRS.replace("\n", " ").split(","):
        one, other = pair.split()
        table.setdefault(one, set()).add(other)
        table.setdefault(other, set()).add(one)
    return {word: frozenset(others) for word, others in table.items()}


OPPOSITES = _table()
"""A word, lower case, to those that say the opposite."""


def turned(question_words: list[str], said: frozenset[str]) -> int:
    """How many words of the question are missing in what is said, while an opposite of theirs stands there."""
    return sum(1 for word in question_words if word not in said and OPPOSITES.get(word, frozenset()) & said)
