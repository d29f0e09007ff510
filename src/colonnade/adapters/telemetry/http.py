# SPDX-License-Identifier: Apache-2.0
"""Telemetry by HTTP POST: OTLP/HTTP collectors and OpenLineage endpoints alike. One connection at a time, in the
caller's thread; the standard library is enough for a body a second.
"""

from __future__ import annotations

import gzip
import http.client
import ssl
from urllib.parse import urlsplit

from colonnade.core.errors import Refused, Unavailable

TIMEOUT_S = 5.0
SMALL = 1024
"""Bodies below it are not compressed."""
AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses after which the same body may be sent again (OTLP names 429, 502, 503, 504; the others are passing, too)."""


class HttpTelemetry:
    """Implements `ports.outside.telemetry.Telemetry`.

    Args:
        key: goes into `header`, after the word Bearer where that is `authorization`; "" for none.
        packed: whether bodies may be sent in gzip: every OTLP collector takes it, not every other endpoint.
    """

    def __init__(self, url: str, *, key: str = "", header: str = "authorization", packed: bool = False) -> None:
        self._parts, self._packed = urlsplit(url), packed
        self._headers = {"user-agent": "colonnade"}
        if key:
            self._headers[header] = f"Bearer {key}" if header.lower() == "authorization" else key

    def send(self, body: bytes, content_type: str) -> None:
        """See `Telemetry.send`."""
        headers = {**self._headers, "content-type": content_type}
        if self._packed and len(body) >= SMALL:
            body = gzip.compress(body, 1)
            headers["content-encoding"] = "gzip"
        connection = self._connection()
        try:
            path = self._parts.path or "/"
            connection.request("POST", f"{path}?{self._parts.query}" if self._parts.query else path, body, headers)
            response = connection.getresponse()
            response.read(64 * 1024)
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(f"{self._parts.hostname} does not take telemetry: {error}") from error
        finally:
            connection.close()
        if response.status in AGAIN:
            raise Unavailable(f"{self._parts.hostname} takes no telemetry now: status {response.status}")
        if response.status >= 300:
            raise Refused(f"{self._parts.hostname} refused telemetry: status {response.status}")

    def _connection(self) -> http.client.HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        if self._parts.scheme == "https":
            return http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=ssl.create_default_context())
        return http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
