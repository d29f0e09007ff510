# SPDX-License-Identifier: Apache-2.0
"""A chat request's messages as a question with its history, and what a service from knowledge refuses. No answering
here.
"""

from __future__ import annotations

from collections.abc import Sequence

from colonnade.gateway.bodies import ChatMessage, ChatRequest
from colonnade.gateway.failures import ApiError

SPEAKERS = frozenset({"user", "assistant", "system", "developer"})


def text_of(message: ChatMessage) -> str:
    """The text of a message: its string, or its text parts joined."""
    if isinstance(message.content, str):
        return message.content
    return "\n".join(part.text for part in message.content or () if part.text)


def split(messages: Sequence[ChatMessage]) -> tuple[str, list[dict[str, str]]]:
    """The last user message, and what came before it, oldest first. Raises `ApiError` 400 when nobody asks anything."""
    last = next((n for n in range(len(messages) - 1, -1, -1) if messages[n].role == "user"), None)
    question = text_of(messages[last]).strip() if last is not None else ""
    if last is None or not question:
        raise ApiError(400, "messages must hold a user message with text.", code="invalid_value", param="messages")
    history = [{"role": m.role, "content": text_of(m)} for m in messages[:last] if m.role in SPEAKERS]
    return question, history


def refuse_unsupported(request: ChatRequest) -> None:
    """What cannot be honoured by an answer with citations is refused, not ignored. Raises `ApiError` 400."""
    if request.n is not None and request.n != 1:
        raise _unsupported("n", "Answers from knowledge come one at a time.")
    if request.logprobs:
        raise _unsupported("logprobs", "Answers from knowledge have no log probabilities.")
    kind = (request.response_format or {}).get("type", "text")
    if kind != "text":
        raise _unsupported("response_format", "Answers from knowledge are text with citations.")
    if request.tool_choice not in (None, "auto", "none"):
        raise _unsupported("tool_choice", "Answers from knowledge call no tools.")


def _unsupported(param: str, message: str) -> ApiError:
    return ApiError(400, message, code="unsupported_parameter", param=param)
