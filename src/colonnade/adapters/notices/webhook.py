# SPDX-License-Identifier: Apache-2.0
"""One POST to a declared URL, over and done within `TIMEOUT_S`. Follows no redirect, uses no proxy, reads no answer.

What is sent, to whom and how often again is decided elsewhere.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
from collections.abc import Mapping
from urllib.parse import urlsplit

from colonnade.ports.outside.notices import NotTold

TIMEOUT_S = 10.0
GONE = 410


def post(url: str, headers: Mapping[str, str], body: bytes, *, timeout_s: float = TIMEOUT_S) -> None:
    """Implements `ports.outside.notices.Post`. The time is for all of it: one who answers byte by byte is cut off."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(str(parts.hostname), parts.port, timeout=timeout_s)
    late = threading.Timer(timeout_s, _cut, [connection])
    late.daemon = True
    late.start()
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", path, body, dict(headers))
        status = connection.getresponse().status
    except TimeoutError:
        raise NotTold(f"no answer within {timeout_s:g} s") from None
    except OSError as error:
        raise NotTold(error.strerror or type(error).__name__) from None
    except (http.client.HTTPException, ValueError) as error:
        raise NotTold(f"no HTTP answer ({type(error).__name__})") from None
    finally:
        late.cancel()
        connection.close()
    if 300 <= status < 400:
        raise NotTold(f"answers {status}, and redirects are not followed")
    if not 200 <= status < 300:
        raise NotTold(f"answers {status}", final=status == GONE)


def _cut(connection: http.client.HTTPConnection) -> None:
    with contextlib.suppress(OSError, AttributeError):
        connection.sock.shutdown(socket.SHUT_RDWR)
