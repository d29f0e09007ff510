# SPDX-License-Identifier: Apache-2.0
"""What passes between the daemon and the process that reads tables: one JSON document each way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from colonnade.core.tables import Rules
from colonnade.ports.outside.tables import Batch, Divided, Division, Judgement


class Job(msgspec.Struct, frozen=True):
    """Judge batches (`rules`), or divide them (`division`, into `folder`)."""

    batches: list[Batch]
    label: str = ""
    rules: Rules | None = None
    division: Division | None = None
    folder: Path | None = None


class Answer(msgspec.Struct, frozen=True):
    """What became of it; or an error's class, code, message and hint."""

    judgement: Judgement | None = None
    divided: Divided | None = None
    error: str = ""
    code: str = ""
    message: str = ""
    hint: str = ""


def encode(message: Job | Answer) -> bytes:
    """As JSON; paths as text."""
    return msgspec.json.encode(message, enc_hook=_as_text)


def decode_job(data: bytes) -> Job:
    """Raises msgspec.DecodeError."""
    return msgspec.json.decode(data, type=Job, dec_hook=_from_text)


def decode_answer(data: bytes) -> Answer:
    """Raises msgspec.DecodeError."""
    return msgspec.json.decode(data, type=Answer, dec_hook=_from_text)


def _as_text(value: Any) -> str:
    if isinstance(value, Path):
        return str(value)
    raise NotImplementedError(type(value))


def _from_text(kind: type, value: Any) -> Any:
    if kind is Path:
        return Path(value)
    raise NotImplementedError(kind)
