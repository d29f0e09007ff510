# SPDX-License-Identifier: Apache-2.0
"""A checkpoint at a URL: PUT as text, GET gives the last one. An object store, a mirror's endpoint."""

from __future__ import annotations

import urllib.error
import urllib.request

from colonnade.core.errors import Unavailable

TIMEOUT_S = 20
MOST_BYTES = 65_536


class UrlPublishing:
    """Implements `ports.outside.publishing.Publishing`."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._shown = url.split("?", 1)[0]  # what follows may be a signature

    def last(self) -> str | None:
        """See `Publishing.last`."""
        try:
            with urllib.request.urlopen(self._url, timeout=TIMEOUT_S) as answer:  # noqa: S310
                return str(answer.read(MOST_BYTES).decode("utf-8", "replace"))
        except urllib.error.HTTPError as error:
            if error.code in {403, 404, 405}:
                return None  # nothing there yet, or a place that only takes
            raise self._failed(error) from None
        except OSError as error:
            raise self._failed(error) from None

    def put(self, note: str) -> str:
        """See `Publishing.put`."""
        asked = urllib.request.Request(  # noqa: S310  (the scheme was looked at when the target was chosen)
            self._url, note.encode(), {"content-type": "text/plain; charset=utf-8"}, method="PUT"
        )
        try:
            with urllib.request.urlopen(asked, timeout=TIMEOUT_S):  # noqa: S310
                return self._shown
        except OSError as error:
            raise self._failed(error) from None

    def _failed(self, error: OSError) -> Unavailable:
        return Unavailable(f"{self._shown}: {error}", code="publish_failed")
