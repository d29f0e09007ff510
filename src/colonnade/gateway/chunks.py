# SPDX-License-Identifier: Apache-2.0
"""Chat completions and their stream chunks in OpenAI's shape, made by us: for answers from knowledge.

Each chunk has `choices` with `index: 0`; the usage chunk has `choices: []` (what official clients need:
GATEWAY-UX 1.3). No transport here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from colonnade.core.answers import Answer
from colonnade.gateway.render import colonnade_part, url_citations

DONE = b"data: [DONE]\n\n"
KEEP_ALIVE = b": keep-alive\n\n"
PIECE = 24
"""Characters of one delta of an extractive answer, about; a marker is never cut."""


def estimated_tokens(text: str) -> int:
    """About four bytes a token: we have no language model's tokenizer, and say so in the docs."""
    return (len(text.encode()) + 3) // 4


def usage_object(tokens_in: int, tokens_out: int) -> dict[str, int]:
    """OpenAI's `usage`."""
    return {"prompt_tokens": tokens_in, "completion_tokens": tokens_out, "total_tokens": tokens_in + tokens_out}


class ChunkWriter:
    """Chunks of one streamed answer: `start`, `text`..., `finish`, and the frames that end it."""

    def __init__(self, ref: str, model: str, created_s: int, *, include_usage: bool) -> None:
        self._include_usage = include_usage
        self._head = {
            "id": completion_id(ref),
            "object": "chat.completion.chunk",
            "created": created_s,
            "model": model,
        }

    def _frame(self, choices: Sequence[Mapping[str, Any]], **more: Any) -> bytes:
        chunk: dict[str, Any] = {**self._head, "choices": list(choices), **more}
        if self._include_usage and "usage" not in chunk:
            chunk["usage"] = None
        return b"data: " + msgspec.json.encode(chunk) + b"\n\n"

    def _delta(self, delta: Mapping[str, Any], finish: str | None = None, **more: Any) -> bytes:
        return self._frame([{"index": 0, "delta": delta, "finish_reason": finish}], **more)

    def start(self) -> bytes:
        """The role, with no text yet."""
        return self._delta({"role": "assistant", "content": ""})

    def text(self, piece: str) -> bytes:
        """A piece of the answer."""
        return self._delta({"content": piece})

    def finish(self, answer: Answer, base: str, tokens_in: int, tokens_out: int) -> bytes:
        """The last chunk with what stands behind the answer, the usage chunk if it was asked for, and the end."""
        part = colonnade_part(answer, base)
        notes = url_citations(answer.answer, answer.citations, base)
        out = self._delta({"annotations": notes, "colonnade": part}, "stop", colonnade=part)
        if self._include_usage:
            out += self._frame([], usage=usage_object(tokens_in, tokens_out))
        return out + DONE


def completion_id(ref: str) -> str:
    """`chatcmpl-ans_...`."""
    return f"chatcmpl-{ref.removeprefix('answer/')}"


def completion(
    answer: Answer, model: str, created_s: int, base: str, tokens_in: int, tokens_out: int
) -> dict[str, Any]:
    """A whole chat completion."""
    part = colonnade_part(answer, base)
    message = {
        "role": "assistant",
        "content": answer.answer,
        "refusal": None,
        "annotations": url_citations(answer.answer, answer.citations, base),
        "colonnade": part,
    }
    return {
        "id": completion_id(answer.ref),
        "object": "chat.completion",
        "created": created_s,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}],
        "usage": usage_object(tokens_in, tokens_out),
        "colonnade": part,
    }


def pieces(text: str, size: int = PIECE) -> Iterator[str]:
    """A text in pieces that end after a space or a line, so that no word and no marker is cut; joined they give the
    text.

    >>> list(pieces("Up to 120 euros a night. [1]", 8))
    ['Up to 120 ', 'euros a ', 'night. [1]']
    """
    start = 0
    while start < len(text):
        cut = start + size
        while 0 < cut < len(text) and not text[cut - 1].isspace():
            cut += 1
        yield text[start:cut]
        start = cut
