# SPDX-License-Identifier: Apache-2.0
"""Where an OpenAI-compatible endpoint is and how it is addressed: URL, key, and errors without secrets in them.

Pure but for reading the key's variable at the moment of the call, so that a key is never kept, printed or logged.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from colonnade.core.errors import UpstreamDown, UsageError

_QUOTED_CHARS = 200


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One upstream.

    Attributes:
        url: base, as `https://host/v1`.
        model: the name that the upstream knows.
        key_env: name of the environment variable that holds the key, or None for no key.
        environ: where that variable is looked up.
    """

    url: str
    model: str
    key_env: str | None = None
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError(f"{self.url!r} is not an http or https URL", hint="write it as https://host/v1")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise UsageError(
                "an endpoint's URL carries no user, password, query or fragment",
                hint="put the key into an environment variable and name it with `key_env`",
            )

    @property
    def host(self) -> str:
        """Host and port, as a person knows the upstream."""
        return urlsplit(self.url).netloc

    def path(self, name: str) -> str:
        """Path of an operation, as `/v1/embeddings`."""
        return f"{urlsplit(self.url).path.rstrip('/')}/{name}"

    def headers(self) -> dict[str, str]:
        """What every request carries. Raises `UpstreamDown` when the key's variable is not set."""
        out = {"content-type": "application/json", "user-agent": "colonnade"}
        if self.key_env is not None:
            key = (self.environ.get(self.key_env) or "").strip()
            if not key or not key.isascii() or not key.isprintable():
                raise UpstreamDown(
                    f"the environment variable {self.key_env} holds no key for {self.host}",
                    hint=f"export {self.key_env}=... where Colonnade starts",
                    code="upstream_key_missing",
                )
            out["authorization"] = f"Bearer {key}"
        return out

    def refused(self, status: int, body: bytes) -> UpstreamDown:
        """The error for an answer other than 200, with the upstream's own words, cut short and without the key."""
        words = self.without_key(_message(body))
        hint = ""
        if status in (401, 403):
            hint = f"check the key in {self.key_env}" if self.key_env else "this upstream wants a key: set `key_env`"
        elif status == 404:
            hint = f"check that {self.url} serves the model {self.model!r}"
        return UpstreamDown(f"{self.host} answered {status}{': ' if words else ''}{words}", hint=hint)

    def without_key(self, words: str) -> str:
        """The words, with the key struck out should an upstream echo it."""
        key = (self.environ.get(self.key_env) or "").strip() if self.key_env else ""
        return words.replace(key, "***") if key else words


def _message(body: bytes) -> str:
    try:
        value = json.loads(body)
        error = value.get("error", value)
        text = error.get("message", "") if isinstance(error, dict) else error
    except (ValueError, AttributeError):
        text = body.decode("utf-8", "replace")
    return " ".join(str(text).split())[:_QUOTED_CHARS]
