# SPDX-License-Identifier: Apache-2.0
"""The static files: read once, addressed by the hash of their content, so that a browser may keep them for ever.

Serves exactly the files listed at start; a path in a request is a key of that list and never touches the file system.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path

from colonnade.gateway.console.visit import Reply

ROOT = Path(__file__).parents[1] / "static"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_FOREVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Asset:
    """A file and the short hash of its content."""

    body: bytes
    content_type: str
    digest: str


@functools.cache
def assets() -> dict[str, Asset]:
    """Every static file by its path below `static/`."""
    found = {}
    for path in sorted(ROOT.rglob("*")):
        if path.suffix in _TYPES:
            body = path.read_bytes()
            digest = hashlib.sha256(body).hexdigest()[:12]
            found[path.relative_to(ROOT).as_posix()] = Asset(body, _TYPES[path.suffix], digest)
    return found


def url(name: str) -> str:
    """The address of a static file, with its hash."""
    return f"/static/{name}?v={assets()[name].digest}"


def serve(name: str, version: str) -> Reply | None:
    """The file; kept for ever by the browser when the address carries its hash. None when there is no such file."""
    asset = assets().get(name)
    if asset is None:
        return None
    keep = _FOREVER if version == asset.digest else "no-cache"
    return Reply(asset.body, 200, asset.content_type, (("cache-control", keep),))
