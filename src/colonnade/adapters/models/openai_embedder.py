# SPDX-License-Identifier: Apache-2.0
"""Vectors from an OpenAI-compatible endpoint. Implements the `Embedder` port, synchronously, by `http.client`.

Nothing is cached and nothing is embedded locally. That a text's vector does not depend on its neighbours is the
endpoint's promise, not ours.
"""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from colonnade.adapters.models.endpoint import Endpoint
from colonnade.core.errors import UpstreamDown

_BATCH_TEXTS, _BATCH_CHARS = 64, 100_000
_TRIES, _LONGEST_PAUSE_S = 3, 5.0
_AGAIN = {429, 500, 502, 503, 504}
_MOST_BYTES = 64 << 20


class OpenAIEmbedder:
    """Safe for several threads; connections are kept and used again.

    Args:
        endpoint: where, and which model.
        dimensions: length of a vector; None to learn it from the first answer.
        send_dimensions: whether to ask the endpoint for that length (models that can shorten).
        timeout_s: for connecting, and for each wait while reading.
        pause: how to wait before trying again.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        dimensions: int | None = None,
        send_dimensions: bool = False,
        timeout_s: float = 60.0,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._endpoint, self._dimensions, self._timeout_s, self._pause = endpoint, dimensions, timeout_s, pause
        self._asked = {"dimensions": dimensions} if send_dimensions and dimensions else {}
        self._idle: list[http.client.HTTPConnection] = []
        self._lock = threading.Lock()

    @property
    def id(self) -> str:
        """As `text-embedding-3-small@api.openai.com/endpoint`: as exact as an endpoint lets us be."""
        size = f"/{self._asked['dimensions']}" if self._asked else ""
        return f"{self._endpoint.model}@{self._endpoint.host}/endpoint{size}"

    @property
    def dimensions(self) -> int:
        """Length of a vector. Asks the endpoint once if it is not known yet."""
        if self._dimensions is None:
            self._dimensions = self._batch(["dimensions"]).shape[1]
        return self._dimensions

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """[len(texts), dimensions] float32, rows of length 1. Raises `UpstreamDown`."""
        if not texts:
            return np.empty((0, self.dimensions), np.float32)
        return np.concatenate([self._batch(batch) for batch in _batches(texts)])

    def close(self) -> None:
        """Close the connections; the next `embed` opens others."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _batch(self, texts: Sequence[str]) -> NDArray[np.float32]:
        # Endpoints refuse an empty text; a space means the same.
        body = {"model": self._endpoint.model, "input": [text or " " for text in texts], "encoding_format": "base64"}
        raw = self._post(json.dumps(body | self._asked).encode())
        try:
            rows = _rows(json.loads(raw), len(texts))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UpstreamDown(f"{self._endpoint.host} answered no embeddings: {error}") from error
        if self._dimensions is not None and rows.shape[1] != self._dimensions:
            raise UpstreamDown(
                f"{self._endpoint.host} answered vectors of {rows.shape[1]} numbers, not {self._dimensions}",
                hint="if the model was changed, declare it under its new name",
            )
        self._dimensions = rows.shape[1]
        return rows

    def _post(self, body: bytes) -> bytes:
        for left in range(_TRIES - 1, -1, -1):
            status, answer, wait_s = self._exchange(body)
            if status == http.HTTPStatus.OK:
                return answer
            if status not in _AGAIN or left == 0:
                break
            self._pause(min(wait_s, _LONGEST_PAUSE_S))
        raise self._endpoint.refused(status, answer)

    def _exchange(self, body: bytes) -> tuple[int, bytes, float]:
        """Status, answer, and how long to wait before the next try. A kept connection that went stale is replaced."""
        headers = self._endpoint.headers()
        while True:
            connection, fresh = self._connection()
            try:
                connection.request("POST", self._endpoint.path("embeddings"), body, headers)
                response = connection.getresponse()
                answer = response.read(_MOST_BYTES + 1)
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                if not fresh and not isinstance(error, TimeoutError):
                    continue
                reason = str(error) or type(error).__name__
                raise UpstreamDown(
                    f"{self._endpoint.host} did not answer: {reason}", hint=f"is {self._endpoint.url} up and reachable?"
                ) from error
            if len(answer) > _MOST_BYTES:
                connection.close()
                raise UpstreamDown(f"{self._endpoint.host} answered more than {_MOST_BYTES >> 20} MiB")
            with self._lock:
                self._idle.append(connection)
            return response.status, answer, _seconds(response.getheader("retry-after"))

    def _connection(self) -> tuple[http.client.HTTPConnection, bool]:
        with self._lock:
            if self._idle:
                return self._idle.pop(), False
        parts = urlsplit(self._endpoint.url)
        host = parts.hostname or ""
        if parts.scheme == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(host, parts.port, timeout=self._timeout_s, context=context), True
        return http.client.HTTPConnection(host, parts.port, timeout=self._timeout_s), True


def _batches(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    start = chars = 0
    for index, text in enumerate(texts):
        if index > start and (index - start == _BATCH_TEXTS or chars + len(text) > _BATCH_CHARS):
            yield texts[start:index]
            start, chars = index, 0
        chars += len(text)
    yield texts[start:]


def _rows(answer: dict[str, Any], count: int) -> NDArray[np.float32]:
    """Unit rows in the order asked, whatever order they came in; base64 (float32 little-endian) or lists."""
    items = sorted(answer["data"], key=lambda item: int(item["index"]))
    if [int(item["index"]) for item in items] != list(range(count)):
        raise ValueError(f"{len(items)} vectors for {count} texts")
    values = [item["embedding"] for item in items]
    rows: NDArray[np.float32] = np.array(
        [
            np.frombuffer(base64.b64decode(value, validate=True), "<f4") if isinstance(value, str) else value
            for value in values
        ],
        np.float32,
    )
    if rows.ndim != 2 or rows.shape[1] == 0 or not np.isfinite(rows).all():
        raise ValueError("vectors of unequal length, or not numbers")
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if not lengths.all():
        raise ValueError("a vector of length 0")
    rows /= lengths
    return rows


def _seconds(header: str | None) -> float:
    try:
        return max(float(header), 0.0) if header else 0.5
    except ValueError:
        return 0.5
