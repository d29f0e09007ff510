# SPDX-License-Identifier: Apache-2.0
"""Who asks: an API key, or a signed-in browser. And whether the request may come from where it says it comes from.

A key is looked up by its SHA-256 in the snapshot, so time tells nothing about keys. A browser's session is a random
id in memory, bound to its key's hash: revoking the key ends it at once. No store is touched.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import secrets
from dataclasses import replace

from colonnade.core.answers import Asker
from colonnade.gateway.backend import Snapshot
from colonnade.gateway.failures import ApiError
from colonnade.gateway.http import Request

COOKIE = "colonnade_session"
MOST_SESSIONS = 10_000
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class Sessions:
    """Signed-in browsers: SHA-256 of the cookie's value -> SHA-256 of the key. The oldest goes when there are too
    many.
    """

    def __init__(self) -> None:
        self._keys: dict[bytes, bytes] = {}

    def open(self, key_hash: bytes) -> str:
        """A new session's cookie value."""
        while len(self._keys) >= MOST_SESSIONS:
            del self._keys[next(iter(self._keys))]
        value = secrets.token_urlsafe(32)
        self._keys[_digest(value)] = key_hash
        return value

    def key_of(self, value: str) -> bytes | None:
        """The hash of the key that opened it."""
        return self._keys.get(_digest(value))

    def close(self, value: str) -> None:
        """Forget it."""
        self._keys.pop(_digest(value), None)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def presented_key(request: Request) -> bytes:
    """The API key that the request carries (`Authorization: Bearer`, or `x-api-key`), or b""."""
    given = request.raw_header(b"authorization")
    if given[:7].lower() == b"bearer ":
        return given[7:].strip()
    return request.raw_header(b"x-api-key").strip()


def password_asker(request: Request, snapshot: Snapshot, now_ms: int) -> Asker | None:
    """Who asks by HTTP's Basic scheme, whose password is the key, or None. Raises `ApiError` 401 for a wrong one."""
    given = request.raw_header(b"authorization")
    if given[:6].lower() != b"basic ":
        return None
    with contextlib.suppress(ValueError):
        key = base64.b64decode(given[6:].strip(), validate=True).partition(b":")[2]
        if asker := by_hash(hashlib.sha256(key).digest(), snapshot, now_ms):
            return asker
    raise ApiError(401, "This key is not valid here: unknown, revoked, or past its end.", code="invalid_key")


def by_hash(key_hash: bytes, snapshot: Snapshot, now_ms: int) -> Asker | None:
    """Whom a key's SHA-256 stands for, unless it is unknown, revoked or past its end."""
    holder = snapshot.keys.get(key_hash)
    if holder is None or (holder.expires_ms is not None and holder.expires_ms <= now_ms):
        return None
    return holder.asker


def identify(request: Request, snapshot: Snapshot, now_ms: int, sessions: Sessions) -> Asker | None:
    """Who asks, or None when the request carries neither key nor session. Raises `ApiError` 401 for a wrong key.

    A session counts only for requests that a page of ours can have made: see `check_origin`.
    """
    key = presented_key(request)
    if key:
        asker = by_hash(hashlib.sha256(key).digest(), snapshot, now_ms)
        if asker is None:
            raise ApiError(401, "This key is not valid here: unknown, revoked, or past its end.", code="invalid_key")
        return asker
    if not request.raw_header(b"cookie"):
        return None
    value = request.cookies.get(COOKIE, "")
    key_hash = sessions.key_of(value) if value else None
    if key_hash is None:
        return None
    asker = by_hash(key_hash, snapshot, now_ms)
    if asker is None:
        sessions.close(value)
        return None
    if request.method not in SAFE and not same_site(request):
        raise ApiError(403, "A page of another site sent this request.", code="origin_not_allowed")
    return asker


def same_site(request: Request) -> bool:
    """Whether a browser says that a page of ours sent it. `check_origin` has compared Origin already."""
    fetch = request.raw_header(b"sec-fetch-site")
    return fetch in (b"same-origin", b"none") if fetch else bool(request.raw_header(b"origin"))


def acting_as(asker: Asker, name: str, snapshot: Snapshot) -> Asker:
    """The person that an owner asks as, marked with who does so. Raises `ApiError` 403 for others, 400 for an unknown
    name.
    """
    if not asker.owner:
        raise ApiError(403, "Only an owner may ask as somebody else.", code="not_owner")
    person = snapshot.people.get(name.removeprefix("person/"))
    if person is None:
        message = f"There is no person {name[:80]!r} here."
        raise ApiError(400, message, code="unknown_person", param="as", hint="Groups name people: access.groups.")
    return replace(person, owner=False, key=asker.key, acting_for=asker.principal)


def check_origin(request: Request, hosts: frozenset[str]) -> None:
    """Refuse a Host that is not ours (DNS rebinding) with 421, two of them with 400, and a foreign Origin with 403."""
    if request.repeats and sum(name == b"host" for name, _ in request.scope["headers"]) > 1:
        raise ApiError(400, "A request has one Host.", code="invalid_value", param="host")
    host = request.raw_header(b"host").decode("latin-1").lower()
    if not _ours(host, hosts):
        message = "This host name is not one that this gateway answers to."
        raise ApiError(421, message, code="host_not_allowed", hint="gateway.hosts lists the names.")
    origin = request.raw_header(b"origin")
    if origin:
        scheme, _, authority = origin.decode("latin-1").lower().partition("://")
        if scheme not in ("http", "https") or not _ours(authority, hosts):
            raise ApiError(403, "A page of another site sent this request.", code="origin_not_allowed")


def _ours(authority: str, hosts: frozenset[str]) -> bool:
    """A name without a port in `hosts` answers on any port."""
    if authority in hosts:
        return True
    name, _, port = authority.rpartition(":")
    return name in hosts and port.isdigit()
