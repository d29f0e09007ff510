# SPDX-License-Identifier: Apache-2.0
"""The JSON bodies that the API takes, as msgspec structs, and their decoding with errors that name the parameter.

Unknown fields are ignored, as OpenAI's API does; wrong types are refused. No behaviour beyond that.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct, field

from colonnade.gateway.failures import ApiError

S = TypeVar("S")
Text = Annotated[str, Meta(max_length=100_000)]


class ContentPart(Struct):
    """One part of a message: only text parts are understood; others are passed to a language model as they are."""

    type: str
    text: str | None = None


class ChatMessage(Struct):
    """A message of the conversation."""

    role: str
    content: str | list[ContentPart] | None = None


class StreamOptions(Struct):
    """What a stream carries beside the text."""

    include_usage: bool | None = None


class Extension(Struct):
    """Our own parameters, under `extra_body={"colonnade": {...}}` in OpenAI's clients."""

    as_of: str | int | None = None


class ChatRequest(Struct, rename={"as_": "as"}):
    """`POST /v1/chat/completions`; further fields go to a language model unread."""

    model: str
    messages: list[ChatMessage]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: int | None = None
    logprobs: bool | None = None
    response_format: dict[str, Any] | None = None
    tool_choice: str | dict[str, Any] | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    seed: int | None = None
    reasoning_effort: str | None = None
    colonnade: Extension | None = None
    as_: str | None = None


class EmbeddingsRequest(Struct):
    """`POST /v1/embeddings`."""

    model: str
    input: str | list[str | int | list[int]]
    encoding_format: str | None = None
    dimensions: int | None = None


class AskRequest(Struct, rename={"as_": "as"}):
    """`POST /v1/ask`: `service` may be left out when there is one with knowledge; `as_of` is RFC 3339 or ms since
    1970.
    """

    question: Text
    service: str | None = None
    as_: str | None = None
    as_of: str | int | None = None
    history: list[ChatMessage] = field(default_factory=list)


class SearchRequest(Struct, rename={"as_": "as"}):
    """`POST /v1/search`: `knowledge` may be left out when there is one."""

    query: Text
    knowledge: str | None = None
    k: Annotated[int, Meta(ge=1, le=100)] = 10
    mode: str = "hybrid"
    as_: str | None = None
    as_of: str | int | None = None


class FeedbackRequest(Struct, rename={"as_": "as"}):
    """`POST /v1/feedback`: `verdict` is right or wrong."""

    ref: str
    verdict: str
    note: Annotated[str, Meta(max_length=4000)] = ""
    as_: str | None = None


class ApplyRequest(Struct):
    """`POST /admin/apply`: the declaration's text and the folder that its paths are relative to."""

    declaration: str
    folder: str


class KeyRequest(Struct):
    """`POST /admin/keys`: a key for a declared person; `expires_ms` in the store's time, or none."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    person: str
    expires_ms: int | None = None


class RevokeRequest(Struct):
    """`POST /admin/keys/revoke`."""

    id: str


_decoders: dict[type, msgspec.json.Decoder[Any]] = {}
_PATH = re.compile(r"(?: - at `\$\.?(?P<path>[^`]*)`)$")
_FIELD = re.compile(r"missing required field `(\w+)`")


def decode(body: bytes, kind: type[S]) -> S:
    """A body as its struct. Raises `ApiError` 400 `invalid_json` for what is no JSON, `invalid_type` with the
    parameter otherwise.
    """
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.json.Decoder(kind)
    try:
        return decoder.decode(body)  # type: ignore[no-any-return]
    except msgspec.ValidationError as wrong:
        raise wrong_type(str(wrong)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
        raise ApiError(400, f"The body is not valid JSON: {_plain(str(wrong))}", code="invalid_json") from None


def _plain(message: str) -> str:
    return message.removeprefix("JSON is malformed: ") + ("" if message.endswith(".") else ".")


def wrong_type(message: str) -> ApiError:
    """msgspec's complaint as an error that names the parameter: `messages[0].role`."""
    found = _PATH.search(message)
    path = found.group("path") if found else ""
    text = message[: found.start()] if found else message
    missing = _FIELD.search(text)
    if missing:
        name = f"{path}.{missing.group(1)}" if path else missing.group(1)
        return ApiError(400, f"The parameter {name} is missing.", code="missing_required_parameter", param=name)
    return ApiError(400, f"{text} for {path or 'the body'}.", code="invalid_type", param=path or None)


def instant_ms(value: str | int | None, param: str) -> int | None:
    """RFC 3339, or ms since 1970, to ms. Raises `ApiError` 400.

    >>> instant_ms("1970-01-01T00:00:01Z", "as_of")
    1000
    """
    if value is None or isinstance(value, int):
        return value
    if value.isdigit():
        return int(value)
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        message = f"{param} must be a time as in 2026-11-24T10:00:00Z."
        raise ApiError(400, message, code="invalid_value", param=param) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1000)
