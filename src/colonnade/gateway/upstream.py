# SPDX-License-Identifier: Apache-2.0
"""Connections to language models: one aiohttp session for all, and what may go wrong told apart. No OpenAI shapes here.

A language model's key is put into the request here and nowhere else; no error's text carries it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from colonnade.core.errors import UpstreamDown
from colonnade.gateway.backend import Upstream

if TYPE_CHECKING:
    import aiohttp

CONNECT_MS = 5_000
LONGEST_ANSWER = 64 * 1024 * 1024
"""Bytes of a whole (not streamed) answer that are held; a longer one is refused."""

TIMED_OUT = "upstream_timeout"


class UpstreamTimeout(UpstreamDown):
    """The language model did not answer, or did not go on, in time."""

    code = TIMED_OUT
    http_status = 504


class Upstreams:
    """One pool of connections, made in the loop that first uses it."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._urls: dict[str, str] = {}

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            import aiohttp

            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=True,
                headers={"accept-encoding": "identity", "user-agent": "colonnade", "content-type": "application/json"},
            )
        return self._session

    @staticmethod
    def warm() -> None:
        """Import the client ahead of the first request: a house without language models never pays its 12 MB."""
        import aiohttp  # noqa: F401

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _url(self, base: str) -> str:
        url = self._urls.get(base)
        if url is None:
            url = self._urls[base] = chat_url(base)
        return url

    @asynccontextmanager
    async def chat(self, upstream: Upstream, body: bytes) -> AsyncIterator[aiohttp.ClientResponse]:
        """The response to a chat request, its status whatever it is. Leaving the block ends it.

        Raises `UpstreamDown` when it cannot be reached, breaks off, or answers nonsense; `UpstreamTimeout` when it
        takes too long: `first_byte_ms` without a byte, before the first or between two, or `timeout_ms` in all.
        """
        headers = {"authorization": f"Bearer {upstream.key}"} if upstream.key else None
        import aiohttp

        timeout = aiohttp.ClientTimeout(
            total=upstream.timeout_ms / 1000,
            sock_connect=min(CONNECT_MS, upstream.first_byte_ms) / 1000,
            sock_read=upstream.first_byte_ms / 1000,
        )
        try:
            async with self._open().post(
                self._url(upstream.url), data=body, headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                yield response
        except TimeoutError as late:
            raise UpstreamTimeout("The language model did not answer in time.") from late
        except (aiohttp.ClientConnectorError, ConnectionRefusedError) as down:
            raise UpstreamDown("The language model cannot be reached.") from down
        except (aiohttp.ClientError, ConnectionError) as broken:
            raise UpstreamDown("The language model broke off its answer.") from broken


def chat_url(base: str) -> str:
    """Where chat completions are, from a base URL as OpenAI's clients take it.

    >>> chat_url("http://127.0.0.1:9000/v1/")
    'http://127.0.0.1:9000/v1/chat/completions'
    """
    base = base.rstrip("/")
    return base if base.endswith("/chat/completions") else base + "/chat/completions"
