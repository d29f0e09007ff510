# SPDX-License-Identifier: Apache-2.0
"""The index as one file: arrays behind a header, checksummed, replaced whole. A cache: losing it costs a rebuild,
nothing else.

Layout: `MAGIC`, 8 bytes little-endian length of the header, the header (JSON: version, key check, stamp, names,
shapes), the arrays in the header's order each at a multiple of 64 bytes, SHA-256 of all before. Terms stand in it only
as keyed hashes, sketches under a keystream. What the arrays mean is `index`'s business.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colonnade.core.errors import StateError, StorageFull

MAGIC = b"COLONNADE INDEX\n"
VERSION = 2
_ALIGN = 64
_SUM = 32


def write(path: Path, meta: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], secret: bytes) -> None:
    """Write the file beside its place, flush it to the disk, and move it there.

    Raises:
        StorageFull: no space left; what stood there before still stands.
    """
    whole = {name: np.ascontiguousarray(a) for name, a in arrays.items()}
    described = [[name, a.dtype.str, list(a.shape)] for name, a in whole.items()]
    head = {"version": VERSION, "key": _key_check(secret), "meta": dict(meta), "arrays": described}
    text = json.dumps(head, separators=(",", ":")).encode()
    text += b" " * (-(len(MAGIC) + 8 + len(text)) % _ALIGN)
    beside = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with beside.open("wb") as file:
            digest = hashlib.sha256()
            for part in (MAGIC, len(text).to_bytes(8, "little"), text, *_padded(whole)):
                file.write(part)
                digest.update(part)
            file.write(digest.digest())
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise StorageFull(f"The index could not be written: {error.strerror}.", hint="Free some space.") from error


def read(path: Path, secret: bytes) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """What `write` was given: meta and arrays (views of one buffer, not to be written to).

    Raises:
        StateError: absent, damaged, of another version or another secret: build the index from the rows instead.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise unusable(f"cannot be read: {error.strerror}") from error
    body = memoryview(data)[:-_SUM]
    if data[: len(MAGIC)] != MAGIC or hashlib.sha256(body).digest() != data[-_SUM:]:
        raise unusable("is damaged")
    begin = len(MAGIC) + 8
    size = int.from_bytes(data[len(MAGIC) : begin], "little")
    head = json.loads(data[begin : begin + size])
    if head["version"] != VERSION or head["key"] != _key_check(secret):
        raise unusable("is of another version or another key")
    arrays, at = {}, begin + size
    for name, kind, shape in head["arrays"]:
        count = int(np.prod(shape, dtype=np.int64))
        arrays[name] = np.frombuffer(body, np.dtype(kind), count, at).reshape(shape)
        at += arrays[name].nbytes + -arrays[name].nbytes % _ALIGN
    return head["meta"], arrays


def sealed(values: NDArray[np.uint64], secret: bytes) -> NDArray[np.uint64]:
    """The values under a keystream of the secret; the same again undoes it."""
    stream = hashlib.shake_256(b"colonnade.index.sketches\0" + secret).digest(values.nbytes)
    return values ^ np.frombuffer(stream, np.uint64).reshape(values.shape)


def _padded(arrays: Mapping[str, NDArray[Any]]) -> list[memoryview | bytes]:
    parts: list[memoryview | bytes] = []
    for array in arrays.values():
        parts += [array.reshape(-1).view(np.uint8).data, b"\0" * (-array.nbytes % _ALIGN)]
    return parts


def _key_check(secret: bytes) -> str:
    return hashlib.blake2b(b"colonnade.index.check", key=hashlib.sha256(secret).digest(), digest_size=16).hexdigest()


def unusable(why: str) -> StateError:
    """The error for a file that cannot be used, with the reason."""
    return StateError(
        f"The stored index {why}.", hint="It is built again from the stored chunks.", code="index_unusable"
    )
