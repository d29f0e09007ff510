# SPDX-License-Identifier: Apache-2.0
"""Streamed completions from an OpenAI-compatible upstream. Implements the `ChatModel` port, on aiohttp.

For our own prompts. The gateway passes its clients' requests on by itself, byte for byte; no prompt and no citation
enters here.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from colonnade.adapters.models.endpoint import Endpoint
from colonnade.adapters.models.sse import Events
from colonnade.core.errors import ColonnadeError, UpstreamDown

if TYPE_CHECKING:
    import aiohttp

_MOST_ERROR_BYTES = 64 << 10
_MOST_ANSWER_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Ending:
    """How a completion ended.

    Attributes:
        reason: the upstream's `finish_reason`: "stop", "length", ...
        prompt_tokens: as the upstream counted, or None if it did not say.
        completion_tokens: likewise.
    """

    reason: str
    prompt_tokens: int | None
    completion_tokens: int | None


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds to wait before an upstream counts as down: to connect, for the first piece, and between pieces."""

    connect_s: float = 5.0
    first_s: float = 60.0
    between_s: float = 30.0


class OpenAIChat:
    """One upstream model. For one event loop; many streams at once.

    Args:
        endpoint: where, and which model.
        waits: when to give up.
        most_connections: streams at once; more wait.
    """

    def __init__(self, endpoint: Endpoint, *, waits: Waits | None = None, most_connections: int = 100) -> None:
        self._endpoint, self._waits, self._most_connections = endpoint, waits or Waits(), most_connections
        self._session: aiohttp.ClientSession | None = None

    @property
    def model(self) -> str:
        """The name that the upstream knows."""
        return self._endpoint.model

    async def stream(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        on_end: Callable[[Ending], None] | None = None,
        **options: Any,
    ) -> AsyncIterator[str]:
        """Pieces of text as they arrive; `on_end` is called once, after the last.

        Args:
            messages: as the API has them.
            on_end: told how it ended and what it cost.
            options: passed on, as `temperature` or `max_tokens`.

        Raises `UpstreamDown`, before the first piece or amid the stream; a stream cut before its end counts.
        """
        body = {"stream_options": {"include_usage": True}} | options
        body |= {"model": self._endpoint.model, "messages": list(messages), "stream": True}
        reading = _Reading(self._endpoint)
        async with aclosing(self._receive(body, reading)) as arriving:
            async for data in arriving:
                for piece in reading.take(data):
                    yield piece
        for piece in reading.rest():
            yield piece
        ending = reading.ending()
        if on_end is not None:
            on_end(ending)

    async def close(self) -> None:
        """Close the connections; the next `stream` opens others."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _receive(self, body: Mapping[str, Any], reading: _Reading) -> AsyncGenerator[bytes, None]:
        import aiohttp

        session, headers = self._open(), self._endpoint.headers()
        request: Any = None
        try:
            async with asyncio.timeout(self._waits.first_s):
                request = await session.post(
                    self._endpoint.url.rstrip("/") + "/chat/completions",
                    data=json.dumps(body).encode(),
                    headers=headers,
                    allow_redirects=False,
                )
                if request.status != 200:
                    raise self._endpoint.refused(request.status, await request.content.read(_MOST_ERROR_BYTES))
                reading.streamed = request.content_type == "text/event-stream"
                data = await request.content.readany()
            while data:
                yield data
                async with asyncio.timeout(self._waits.between_s):
                    data = await request.content.readany()
        except ColonnadeError:
            raise
        except TimeoutError as error:
            raise UpstreamDown(f"{self._endpoint.host} kept us waiting too long", code="upstream_timeout") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            reason = self._endpoint.without_key(str(error) or type(error).__name__)
            hint = f"is {self._endpoint.url} up and reachable?"
            raise UpstreamDown(f"{self._endpoint.host} did not answer: {reason}", hint=hint) from error
        finally:
            if request is not None:
                request.close()

    def _open(self) -> aiohttp.ClientSession:
        import aiohttp

        if self._session is None or self._session.closed:
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=self._waits.connect_s)
            connector = aiohttp.TCPConnector(limit=self._most_connections)
            self._session = aiohttp.ClientSession(
                connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()
            )
        return self._session


class _Reading:
    """What has been read of one answer: events of a stream, or one JSON object where the upstream does not stream."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self.streamed = True
        self._events = Events()
        self._whole = bytearray()
        self._reason = ""
        self._done = False
        self._usage: Mapping[str, Any] = {}

    def take(self, data: bytes) -> list[str]:
        """The pieces of text that these bytes complete."""
        if not self.streamed:
            self._whole += data
            if len(self._whole) > _MOST_ANSWER_BYTES:
                raise UpstreamDown(f"{self._endpoint.host} answered more than {_MOST_ANSWER_BYTES >> 20} MiB")
            return []
        try:
            events = self._events.take(data)
        except ValueError as error:
            raise UpstreamDown(f"{self._endpoint.host} does not speak the protocol: {error}") from error
        return [piece for event in events for piece in self._event(event)]

    def rest(self) -> list[str]:
        """The text of an answer that was not streamed."""
        return self._event(bytes(self._whole)) if self._whole else []

    def _event(self, event: bytes) -> list[str]:
        if event == b"[DONE]":
            self._done = True
            return []
        try:
            value = json.loads(event)
            if value.get("error"):
                raise self._endpoint.refused(200, event)
            self._usage = value.get("usage") or self._usage
            choice = (value.get("choices") or [{}])[0]
            self._reason = choice.get("finish_reason") or self._reason
            content = (choice.get("delta") or choice.get("message") or {}).get("content")
        except (ValueError, AttributeError, TypeError, IndexError, KeyError) as error:
            raise UpstreamDown(f"{self._endpoint.host} does not speak the protocol: {error}") from error
        return [content] if isinstance(content, str) and content else []

    def ending(self) -> Ending:
        """How it ended. Raises `UpstreamDown` when it did not end but broke off."""
        if not self._reason and not self._done:
            raise UpstreamDown(
                f"{self._endpoint.host} broke off in the middle of its answer", code="upstream_broke_off"
            )
        counts = [self._usage.get(name) for name in ("prompt_tokens", "completion_tokens")]
        prompt, completion = (count if isinstance(count, int) else None for count in counts)
        return Ending(self._reason or "stop", prompt, completion)
