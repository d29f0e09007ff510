# SPDX-License-Identifier: Apache-2.0
"""Which attributes of a client's span are kept: names, numbers and short words, never what was asked or answered.

Text of prompts, answers and documents would outlive the erasure of a person or a document whose text it is, so it is
not kept at all. The names are those of the GenAI conventions (1.41), of what came before them, of OpenInference and of
OpenLLMetry; any other attribute is kept when it is short.
"""

from __future__ import annotations

import re
from typing import Any

from colonnade.core.ids import is_id

CONTENT = re.compile(
    r"gen_ai\.(input\.messages|output\.messages|system_instructions|tool\.definitions|tool\.call\.(arguments|result)"
    r"|retrieval\.(documents|query\.text)|prompt|completion|content|event\.content|memory\.|evaluation\.explanation)"
    r"|(input|output)\.value|llm\.(input_messages|output_messages|prompts|prompt_template|completions|invocation)"
    r"|(retrieval|reranker|embedding)\.|traceloop\.entity\.(input|output)|traceloop\.prompt"
    r"|db\.(query|statement|operation\.parameter)|url\.(full|query)|http\.(url|target|request\.header|response\.header)"
    r"|exception\.(message|stacktrace)|message\.content|metadata|(user|enduser)\.(email|name|full_name)"
)
"""Attributes whose name begins so."""
MOST_TEXT, MOST_ATTRIBUTES = 256, 64
_REF = re.compile(r"(?:answer/)?(ans_[0-9a-z]{36})(?![0-9a-z])|(request/[0-9a-f]{24})(?![0-9a-f])")


def kept(attributes: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """(what is kept, how many are not)."""
    found: dict[str, Any] = {}
    for name, value in attributes.items():
        if len(found) < MOST_ATTRIBUTES and len(name) <= MOST_TEXT and not CONTENT.match(name) and _short(value):
            found[clean(name)] = value
    return found, len(attributes) - len(found)


def refs_in(attributes: dict[str, Any]) -> tuple[str, ...]:
    """Answers and requests of ours that attributes name, whatever the attribute is called."""
    found: dict[str, None] = {}
    for value in attributes.values():
        for one in value if isinstance(value, list) else (value,):
            if isinstance(one, str):
                for match in _REF.finditer(one[:MOST_TEXT]):
                    if match[2] or is_id(match[1]):
                        found[match[2] or f"answer/{match[1]}"] = None
    return tuple(found)[:8]


def clean(text: str) -> str:
    """Text that can be written: JSON may hold halves of characters."""
    return text.encode("utf-8", "replace").decode()


def _short(value: Any) -> bool:
    if isinstance(value, list):
        return len(value) <= 16 and all(_short(one) and not isinstance(one, list) for one in value)
    if isinstance(value, str):
        return len(value) <= MOST_TEXT and value == clean(value)
    return isinstance(value, bool | float) or (isinstance(value, int) and -(1 << 63) <= value < 1 << 63)
