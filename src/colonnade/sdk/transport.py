# SPDX-License-Identifier: Apache-2.0
"""HTTP for the client: one request, one answer or one stream, and the gateway's errors as the error tree. No routes
here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from colonnade.core.errors import (
    ColonnadeError,
    Lost,
    NeedsDaemon,
    Refused,
    StorageFull,
    Unavailable,
    UnknownName,
    UpstreamDown,
    UsageError,
)

if TYPE_CHECKING:
    from http.client import HTTPConnection, HTTPResponse

_BY_STATUS: dict[int, type[ColonnadeError]] = {
    401: Refused,
    403: Refused,
    404: UnknownName,
    409: Lost,
    421: Refused,
    429: Unavailable,
    502: UpstreamDown,
    503: Unavailable,
    504: UpstreamDown,
    507: StorageFull,
}
_BY_CODE: dict[str, type[ColonnadeError]] = {"unknown_person": UnknownName, "upstream_down": UpstreamDown}


class Transport:
    """Requests to one gateway; a connection each, because the command line makes one call."""

    def __init__(self, url: str, key: str, timeout_s: float) -> None:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError(f"{url!r} is not an HTTP address.", hint="For example http://127.0.0.1:8700.")
        self._tls = parts.scheme == "https"
        self._host = parts.hostname
        self._port = parts.port
        self._base = parts.path.rstrip("/")
        self._key = key
        self._timeout_s = timeout_s

    def path_of(self, url: str) -> str:
        """The path of a URL of this gateway, without what the gateway's own address has."""
        return urlsplit(url).path.removeprefix(self._base)

    def _connect(self) -> HTTPConnection:
        import http.client

        kind = http.client.HTTPSConnection if self._tls else http.client.HTTPConnection
        return kind(self._host, self._port, timeout=self._timeout_s)

    def _send(self, connection: HTTPConnection, method: str, path: str, body: Any) -> HTTPResponse:
        """The response, once it is a good one. Raises the error tree."""
        headers = {"authorization": f"Bearer {self._key}"} if self._key else {}
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["content-type"] = "application/json"
        try:
            connection.request(method, self._base + path, data, headers)
            response = connection.getresponse()
        except TimeoutError as late:
            raise Unavailable("The gateway did not answer in time.", code="timeout") from late
        except OSError as gone:
            where = f"{self._host}:{self._port or (443 if self._tls else 80)}"
            raise NeedsDaemon(f"No daemon answers at {where}.", hint="Start it: colonnade up.") from gone
        if response.status >= 400:
            raise error_of(response.status, response.read())
        return response

    def call(self, method: str, path: str, body: Any = None) -> bytes:
        """The bytes of an answer."""
        import http.client

        with closing(self._connect()) as connection:
            try:
                return self._send(connection, method, path, body).read()
            except (http.client.HTTPException, ConnectionError) as broken:
                raise Unavailable("The gateway broke off its answer.") from broken

    def json(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """A JSON object."""
        value = json.loads(self.call(method, path, body))
        if not isinstance(value, dict):
            raise Unavailable("The gateway answered with something else than a JSON object.")
        return value

    def stream(self, method: str, path: str, body: Any = None) -> Iterator[bytes]:
        """Lines of an answer as they come."""
        with closing(self._connect()) as connection:
            response = self._send(connection, method, path, body)
            while line := response.readline():
                yield line

    def alive(self) -> bool:
        """Whether /healthz answers."""
        try:
            self.call("GET", "/healthz")
        except (NeedsDaemon, Unavailable, OSError):
            return False
        return True


def error_of(status: int, body: bytes) -> ColonnadeError:
    """The gateway's error as one of the tree.

    >>> error_of(401, b'{"error": {"message": "No.", "code": "no_key"}}').code
    'no_key'
    """
    try:
        said: Mapping[str, Any] = json.loads(body)["error"]
        text, code = str(said["message"]), str(said["code"])
    except (ValueError, KeyError, TypeError):
        text, code = f"The gateway answered with status {status}.", "unavailable"
    message, _, hint = text.partition(" Hint: ")
    kind = _BY_CODE.get(code) or _BY_STATUS.get(status) or (UsageError if status < 500 else ColonnadeError)
    return kind(message, hint=hint, code=code)


def events_of(lines: Iterator[bytes]) -> Iterator[dict[str, Any]]:
    """The JSON objects of a server-sent event stream, up to `[DONE]`. Raises for an error event."""
    for line in lines:
        if not line.startswith(b"data:"):
            continue
        data = line[5:].strip()
        if data == b"[DONE]":
            return
        event = json.loads(data)
        if isinstance(event.get("error"), dict):
            raise error_of(502, data)
        yield event
