# SPDX-License-Identifier: Apache-2.0
"""Understand a follow-up question: give it the words that it leaves to the conversation. Pure text; no language
model, no index.

A question that leans on what was said before ("and at night?", "how long does it take?") finds nothing alone. The
signs are few and
regular: a pronoun without its noun, a connective at the start, or no verb and few words. Then the content words
of the last question that stood alone are put before it, so that lexical and dense search both see the topic. A
question that stands alone is left as it is: adding words to it would only blur it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_PRONOUNS_WORDS = """
it its they them their theirs he him his she her hers this that these those one ones there then same such former
latter
"""
_PRONOUNS = frozenset(_PRONOUNS_WORDS.split())
_STARTS = re.compile(
    r"^\s*(?:and|but|or|so|also|what about|how about|what if|why not|why so|why\?|since when|until when|even|only|else"
    r"|otherwise|instead)\b",
    re.IGNORECASE,
)
_FUNCTION_WORDS = """
a an the of in on at by for to from with and or is are was were be been do does did what which who whom whose
when where why how many much i me my we us our you your may can could would should will shall must have has had
not no yes please tell show if so but about also any some more most else than as into over per need
"""
_FUNCTION = frozenset(_FUNCTION_WORDS.split())
_VERBS_WORDS = """
is are was were be do does did can could may might must will would should shall has have had need get gets cost
costs take takes mean means work works apply applies say says happen happens
"""
_VERBS = frozenset(_VERBS_WORDS.split())
_DEMONSTRATIVES = frozenset(("this", "that", "these", "those", "such", "same"))
_ASKING = frozenset(("what", "who", "whom", "whose", "which", "when", "where", "why", "how"))
SHORT = 3
"""Content words up to which a question without a verb counts as a fragment."""


def leans_on_context(question: str) -> bool:
    """Whether the question cannot be understood without what was said before.

    >>> leans_on_context("And on Sundays?"), leans_on_context("How much may a hotel night cost?")
    (True, False)
    """
    words = [w.lower() for w in _WORD.findall(question)]
    if not words:
        return False
    if _STARTS.match(question):
        return True
    if _bare_pronoun(words):
        return True
    content = [w for w in words if w not in _FUNCTION and w not in _PRONOUNS]
    if not content:
        return True
    if words[0] in _ASKING and len(content) >= 2:
        return False
    return len(content) <= SHORT and not any(w in _VERBS for w in words) and not _imperative(words)


def _bare_pronoun(words: Sequence[str]) -> bool:
    """A pronoun that nothing in the question itself stands for."""
    for place, word in enumerate(words):
        if word not in _PRONOUNS:
            continue
        before = [w for w in words[:place] if w not in _FUNCTION and w not in _PRONOUNS]
        after = words[place + 1] if place + 1 < len(words) else ""
        if word in _DEMONSTRATIVES:
            # "this rule" leans on the conversation; "the rule that forbids" does not.
            if word == "that" and before:
                continue
            return True
        if word in ("there", "then", "one", "ones"):
            if word == "there" and _existential(words, place):
                continue
            if word == "one" and after and after not in _FUNCTION:
                continue
            return word != "then" or not before
        if len(before) < 2:
            return True
    return False


def _existential(words: Sequence[str], place: int) -> bool:
    """ "is there a...", "there are": names no place."""
    forms = ("is", "are", "was", "were")
    before = words[place - 1] if place else ""
    after = words[place + 1] if place + 1 < len(words) else ""
    return before in forms or after in (*forms, "a", "an")


def _imperative(words: Sequence[str]) -> bool:
    """ "list hotel prices" stands alone though it has no verb that we know."""
    return words[0] in {
        "list",
        "show",
        "give",
        "find",
        "explain",
        "describe",
        "summarise",
        "summarize",
        "compare",
        "define",
        "name",
        "tell",
    }


def standalone(question: str, history: Sequence[Mapping[str, str]]) -> str:
    """The question as it must be asked of the index.

    Args:
        question: the last user message.
        history: earlier messages, oldest first, each with `role` and `content`; only the user's are looked at,
            because an answer's words come from documents and would pull those documents up again.

    >>> standalone("And for a senior?", [{"role": "user", "content": "What does an engineer earn?"}])
    'What does an engineer earn? And for a senior?'
    >>> standalone("How do I book a train?", [{"role": "user", "content": "What does an engineer earn?"}])
    'How do I book a train?'
    """
    if not leans_on_context(question):
        return question
    context: list[str] = []
    for message in reversed(history):
        if message.get("role") != "user":
            continue
        earlier = message.get("content", "").strip()
        if not earlier:
            continue
        context.insert(0, earlier)
        if not leans_on_context(earlier) or len(context) == 3:
            break
    return " ".join([*context, question])
