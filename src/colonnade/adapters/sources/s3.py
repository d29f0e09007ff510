# SPDX-License-Identifier: Apache-2.0
"""S3 as a source: objects that match a pattern, by their entity tags. Needs obstore (extra `s3`)."""

from __future__ import annotations

import errno
import fnmatch
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from colonnade.core.errors import MissingExtra, StorageFull, Unavailable, UsageError
from colonnade.ports.outside.sources import Source
from colonnade.ports.outside.tables import FORMATS, Batch

PIECE = 8 << 20
REFUSED = re.compile(r"\b403 Forbidden\b|\bstatus:? 403\b|InvalidAccessKeyId", re.IGNORECASE)
"""Not any 403: an entity tag may hold these digits."""
MOST_OBJECTS = 100_000
FULL = {errno.ENOSPC, errno.EDQUOT}
_TRIES: Any = {"max_retries": 2, "retry_timeout": timedelta(seconds=20)}


@dataclass(frozen=True)
class Login:
    """Values from the environment; "" for what is not there."""

    key: str = ""
    secret: str = ""
    token: str = ""
    region: str = ""
    endpoint: str = ""


def digest(source: Source, login: Login) -> str:
    """Of names, sizes and entity tags: no object is read."""
    whole = hashlib.sha256()
    for one in _objects(source, _store(source, login)):
        whole.update(f"{one['path']}\0{one['size']}\0{one['e_tag']}\n".encode())
    return whole.hexdigest()


def fetch(source: Source, login: Login, folder: Path) -> list[Batch]:
    """Each object as a file; one that changed since it was listed is refused by its tag, and tried again."""
    store, batches = _store(source, login), list[Batch]()
    bucket = source.where.removeprefix("s3://").partition("/")[0]
    for number, one in enumerate(_objects(source, store)):
        path, key = folder / f"{number}", str(one["path"])
        _download(store, one, path)
        batches.append(Batch(f"{bucket}/{key}", path, FORMATS.get(Path(key).suffix.lower(), "csv")))
    return batches


def _objects(source: Source, store: Any) -> Sequence[Mapping[str, Any]]:
    """Those that match, by their names. A `*` stands for anything but a slash, `**` for anything."""
    import obstore

    pattern = source.where.removeprefix("s3://").partition("/")[2]
    fixed = pattern[: min((pattern.find(mark) for mark in "*?[" if mark in pattern), default=len(pattern))]
    found = []
    try:
        for part in obstore.list(store, prefix=fixed.rpartition("/")[0] or None):
            found += [one for one in part if _matches(str(one["path"]), pattern)]
            if len(found) > MOST_OBJECTS:
                raise UsageError(f"more than {MOST_OBJECTS:,} objects match {source.where}", code="data_too_large")
    except UsageError:
        raise
    except Exception as error:
        raise _plain(error, source.where) from None
    if not found:
        raise UsageError(f"no object matches {source.where}", hint="see the pattern", code="data_missing")
    return sorted(found, key=lambda one: str(one["path"]))


def _matches(path: str, pattern: str) -> bool:
    if "**" in pattern:
        return fnmatch.fnmatchcase(path, pattern)
    return path.count("/") == pattern.count("/") and fnmatch.fnmatchcase(path, pattern)


def _download(store: Any, one: Mapping[str, Any], to: Path) -> None:
    import obstore

    key = str(one["path"])
    if any(part in {"", ".", ".."} for part in key.split("/")):
        raise UsageError(f"the object {key!r} has a name that is no path", code="data_missing")
    try:
        options: Any = {"if_match": one["e_tag"]} if one["e_tag"] else {}
        with open(to, "wb") as file:
            for piece in obstore.get(store, key, options=options).stream(min_chunk_size=PIECE):
                file.write(piece)
    except OSError as error:
        if error.errno in FULL:
            raise StorageFull("no space left for objects from S3", hint="free some space") from error
        raise _plain(error, key) from None
    except Exception as error:
        raise _plain(error, key) from None


def _store(source: Source, login: Login) -> Any:
    try:
        from obstore.store import S3Store
    except ImportError as error:
        message = "S3 as a source needs obstore, which is not installed"
        raise MissingExtra(message, hint="pip install 'colonnade[s3]'") from error
    endpoint = source.endpoint or login.endpoint
    given = {
        "access_key_id": login.key, "secret_access_key": login.secret, "session_token": login.token,
        "region": source.region or login.region or "us-east-1", "endpoint": endpoint,
    }  # fmt: skip
    client: Any = {"timeout": "60s", "allow_http": endpoint.startswith("http://")}
    options: dict[str, Any] = {name: value for name, value in given.items() if value}
    bucket = source.where.removeprefix("s3://").partition("/")[0]
    return S3Store(bucket, client_options=client, retry_config=_TRIES, **options)


def _plain(error: Exception, what: str) -> Exception:
    said = " ".join(str(error).split())[:200]
    kind = type(error).__name__
    if kind == "PreconditionError":
        return Unavailable(f"{what} changed while it was read", hint="it is read again", code="source_down")
    if kind in {"PermissionDeniedError", "UnauthenticatedError"} or REFUSED.search(said):
        hint = "see the variables that key_env and secret_env name"
        return Unavailable(f"S3 refused {what}: {kind}", hint=hint, code="source_refused")
    return Unavailable(f"S3 does not give {what}: {said}", hint="it is asked again", code="source_down")
