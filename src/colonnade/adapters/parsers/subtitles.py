# SPDX-License-Identifier: Apache-2.0
"""WebVTT transcripts (.vtt): what is said, in order; numbers, times, styles and notes left out, repeated lines once."""

from __future__ import annotations

import re

from colonnade.adapters.parsers.build import TextBuilder
from colonnade.adapters.parsers.sniff import decode
from colonnade.core.documents import Parsed
from colonnade.core.errors import Unreadable
from colonnade.ports.outside.parsers import ParseLimits

_TIMES = re.compile(r"(?:\d+:)?\d{2}:\d{2}[.,]\d{3}\s*-->")
_VOICE = re.compile(r"<v(?:\.[^\s>]*)?\s+([^>]{1,80})>")
_TAG = re.compile(r"<[^>\n]{0,200}>")
_ENTITIES = {"&amp;": "&", "&lt;": "<", "&gt;": ">", "&nbsp;": " ", "&lrm;": "", "&rlm;": ""}
_ENOUGH = 400


def parse_vtt(raw: bytes, limits: ParseLimits) -> Parsed:
    """The words of a transcript, as paragraphs of some hundred characters that end with a cue."""
    text, _ = decode(raw)
    if not text.lstrip("\ufeff").startswith("WEBVTT"):
        raise Unreadable("It does not begin as WebVTT does.", code="corrupt")
    builder = TextBuilder(limits.text_mib << 20)
    said: list[str] = []
    for cue in re.split(r"\n[ \t]*\n", text.replace("\r\n", "\n").replace("\r", "\n")):
        lines = cue.split("\n")
        at = next((i for i, line in enumerate(lines[:3]) if _TIMES.match(line.strip())), None)
        for line in lines[at + 1 :] if at is not None else ():
            words = _plain(line)
            if words and (not said or said[-1] != words):
                said.append(words)
        if sum(map(len, said)) > _ENOUGH:
            builder.paragraph(" ".join(said))
            said.clear()
    builder.paragraph(" ".join(said))
    return builder.result()


def _plain(line: str) -> str:
    line = _TAG.sub("", _VOICE.sub(r"\1: ", line)).strip()
    for entity, sign in _ENTITIES.items():
        line = line.replace(entity, sign)
    return line
