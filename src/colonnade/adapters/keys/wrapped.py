# SPDX-License-Identifier: Apache-2.0
"""The secrets of a log under a passphrase, in one file to keep elsewhere: scrypt (RFC 7914), then AES-256-GCM.

    {"schema": "colonnade.keys/1", "log": ID, "n": 65536, "r": 8, "p": 1, "salt": B64, "sealed": B64}

`sealed` is nonce (12 bytes), ciphertext and tag over {"root": B64, "sign": B64, "erased": TEXT}; the log's id is bound.
Nothing is prompted for or printed here.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from colonnade.adapters.keys.secrets import _MARKS, _write_once, read_secrets
from colonnade.core.errors import StateError

SCHEMA = "colonnade.keys/1"
N, R, P = 1 << 16, 8, 1
"""64 MiB and about a fifth of a second a guess."""
_MEMORY = 128 * N * R * 2


@dataclass(frozen=True, slots=True)
class Unwrapped:
    """What a file of keys holds. `erased`: the list of erasures as it was then."""

    log: str
    root: bytes = field(repr=False)
    seed: bytes = field(repr=False)
    erased: str = ""


def wrap(directory: Path, log: str, passphrase: str) -> bytes:
    """The secrets of a log under a passphrase. Raises StateError when they are not there."""
    secrets = read_secrets(directory, log)
    if secrets is None:
        raise StateError(f"the keys of {log} are not in {directory}", code="keys_missing")
    listed = directory / f"{log}.erased"
    body = {
        "root": base64.b64encode(secrets.root).decode(), "sign": base64.b64encode(secrets.seed).decode(),
        "erased": listed.read_text("utf-8") if listed.exists() else "",
    }  # fmt: skip
    salt, nonce = os.urandom(16), os.urandom(12)
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    sealed = nonce + AESGCM(_key(passphrase, salt, N, R, P)).encrypt(nonce, json.dumps(body).encode(), log.encode())
    told = {"schema": SCHEMA, "log": log, "n": N, "r": R, "p": P}
    both = {"salt": base64.b64encode(salt).decode(), "sealed": base64.b64encode(sealed).decode()}
    return (json.dumps({**told, **both}) + "\n").encode()


def unwrap(data: bytes, passphrase: str) -> Unwrapped:
    """Open a file of keys. Raises StateError for a wrong passphrase or another file."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        told: dict[str, Any] = json.loads(data)
        if told["schema"] != SCHEMA or (told["n"], told["r"], told["p"]) != (N, R, P):
            raise ValueError(told["schema"])
        sealed, salt = base64.b64decode(told["sealed"]), base64.b64decode(told["salt"])
        key = _key(passphrase, salt, N, R, P)
        body = json.loads(AESGCM(key).decrypt(sealed[:12], sealed[12:], str(told["log"]).encode()))
    except InvalidTag:
        raise StateError("the passphrase does not open the keys", code="keys_locked") from None
    except (ValueError, KeyError, TypeError) as error:
        raise StateError(
            "that is no file of keys", hint="`colonnade backup --with-keys` writes one", code="keys_damaged"
        ) from error
    return Unwrapped(told["log"], base64.b64decode(body["root"]), base64.b64decode(body["sign"]), body["erased"])


def lay_down(directory: Path, keys: Unwrapped) -> None:
    """Write the secrets where a house looks for them; what is there already must be the same. Raises StateError."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for kind, value in (("root", keys.root), ("sign", keys.seed)):
        line = f"{_MARKS[kind]} {base64.b64encode(value).decode()}\n"
        _write_once(directory / f"{keys.log}.{kind}", line)
    held = read_secrets(directory, keys.log)
    if held is None or (held.root, held.seed) != (keys.root, keys.seed):
        raise StateError(
            f"{directory} holds other keys of {keys.log}",
            hint="set COLONNADE_KEYS to another folder",
            code="keys_damaged",
        )


def _key(passphrase: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(passphrase.encode(), salt=salt, n=n, r=r, p=p, maxmem=_MEMORY, dklen=32)
