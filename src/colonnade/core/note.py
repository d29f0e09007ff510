# SPDX-License-Identifier: Apache-2.0
"""C2SP signed notes and checkpoint bodies: what leaves the machine, and what an auditor holds against the log.

    https://c2sp.org/signed-note and https://c2sp.org/tlog-checkpoint (Ed25519, signature type 0x01)

Text only. Who signs is handed in as a function, and so is the check of a signature: no cryptography enters here but
SHA-256.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from colonnade.core.errors import Tampered
from colonnade.core.merkle import HASH_BYTES

ORIGIN = "colonnade/"
_ED25519 = b"\x01"
_SIGNATURE = "\N{EM DASH} "

Sign = Callable[[bytes], bytes]
Verify = Callable[[bytes, bytes, bytes], bool]
"""(public key, message, signature) -> whether it holds."""


@dataclass(frozen=True, slots=True)
class NoteKey:
    """A key that signs notes: its name (for a log, the origin) and the Ed25519 public key (32 bytes)."""

    name: str
    public: bytes

    def __post_init__(self) -> None:
        if not _is_name(self.name) or len(self.public) != 32:
            raise ValueError("a note key has a name without spaces or plus signs, and 32 bytes")

    @property
    def id(self) -> bytes:
        """SHA-256(name || 0x0A || 0x01 || public key), its first four bytes."""
        return sha256(self.name.encode() + b"\n" + _ED25519 + self.public).digest()[:4]

    def text(self) -> str:
        """The verifier key on one line: `name+id+base64`, as an auditor pastes it."""
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(_ED25519 + self.public).decode()}"

    @classmethod
    def parse(cls, text: str) -> NoteKey:
        """Reads `text()`. Raises ValueError."""
        name, _, rest = text.strip().partition("+")
        key_id, _, encoded = rest.partition("+")
        raw = _decode(encoded)
        if raw is None or raw[:1] != _ED25519:
            raise ValueError("not an Ed25519 verifier key")
        key = cls(name, raw[1:])
        if key.id.hex() != key_id:
            raise ValueError(f"the key's id is {key.id.hex()}, its text says {key_id}")
        return key


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A statement about a tree: origin, size, root (32 bytes).

    A state seal has the same three lines under another origin.
    """

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """The body: origin, size in decimal, root in base64, each on a line."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Reads a body; lines after the third are extensions and are ignored. Raises ValueError."""
        lines = text.split("\n")
        if len(lines) < 4 or not lines[0]:
            raise ValueError("a checkpoint has three lines")
        root = _decode(lines[2])
        if not lines[1].isdecimal() or not lines[1].isascii() or lines[1] != str(int(lines[1])):
            raise ValueError(f"the size {lines[1]!r} is no plain decimal number")
        if root is None or len(root) != HASH_BYTES:
            raise ValueError("the root is not 32 bytes in base64")
        return cls(lines[0], int(lines[1]), root)


def sign_note(text: str, key: NoteKey, sign: Sign) -> str:
    """The text with one signature. Raises ValueError if the text cannot stand in a note."""
    if not _is_text(text):
        raise ValueError("a note's text ends with a newline and holds no other control character")
    blob = base64.b64encode(key.id + sign(text.encode())).decode()
    return f"{text}\n{_SIGNATURE}{key.name} {blob}\n"


def open_note(note: str, keys: Sequence[NoteKey], verify: Verify) -> str:
    """The text of a note that at least one of these keys signed. Signatures by other keys are ignored, as the standard
    asks.

    Raises `Tampered` if it is no note, if none of the keys signed it, or if a signature by one of them does not hold.
    """
    text, found = _parse(note)
    held = False
    for name, blob in found:
        for key in keys:
            if key.name == name and key.id == blob[:4]:
                if not verify(key.public, text.encode(), blob[4:]):
                    raise Tampered(f"the signature of {name} (key {key.id.hex()}) does not hold", code="signature")
                held = True
    if not held:
        wanted = ", ".join(f"{key.name} ({key.id.hex()})" for key in keys)
        raise Tampered(f"not signed by {wanted}", code="signature")
    return text


def _parse(note: str) -> tuple[str, list[tuple[str, bytes]]]:
    """The text and its (name, key id || signature) pairs."""
    text, gap, tail = note.rpartition("\n\n")
    if not gap or not tail.endswith("\n") or not _is_text(f"{text}\n"):
        raise Tampered("not a signed note", code="signature")
    found: list[tuple[str, bytes]] = []
    for line in tail[:-1].split("\n"):
        name, _, encoded = line.removeprefix(_SIGNATURE).partition(" ")
        blob = _decode(encoded)
        if not line.startswith(_SIGNATURE) or not _is_name(name) or blob is None or len(blob) < 5:
            raise Tampered("not a signed note: a signature line is malformed", code="signature")
        found.append((name, blob))
    return f"{text}\n", found


def _is_text(text: str) -> bool:
    return text.endswith("\n") and not any(char < " " and char != "\n" for char in text)


def _is_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(char.isspace() for char in name)


def _decode(encoded: str) -> bytes | None:
    """Canonical base64 only: two spellings of one signature are one spelling too many."""
    try:
        raw = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if base64.b64encode(raw).decode() == encoded else None
