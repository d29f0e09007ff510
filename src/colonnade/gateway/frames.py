# SPDX-License-Identifier: Apache-2.0
"""A language model's stream, checked frame by frame as bytes: what is right passes as it came, what would break a
client does not.

Official clients fall over chunks without `choices`, broken JSON, and streams that just end (GATEWAY-UX 1.3). Each
frame is decoded once by msgspec (about a microsecond); bytes are rewritten only where they must be. Pure: no I/O.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from colonnade.gateway.failures import error_object

BORDER = b"\n\n"
LONGEST_FRAME = 4 * 1024 * 1024


class Usage(Struct):
    """Tokens, as an upstream counts them."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Choice(Struct):
    index: int | UnsetType = UNSET
    finish_reason: str | None = None


class _Frame(Struct):
    choices: list[_Choice] | UnsetType | None = UNSET
    usage: Usage | None = None
    error: Raw | UnsetType = UNSET


class BrokenStream(ValueError):
    """The upstream sent what is no chunk. `before` are the good frames that came with it."""

    before = b""


_decode = msgspec.json.Decoder(_Frame).decode


class Frames:
    """Feeds on blocks of bytes, gives whole frames that may be sent.

    Args:
        model: (upstream's, ours): the model's name in the chunks, as JSON strings without quotes; ours replaces it.
        keep_usage: whether the caller asked for usage; if not, the usage chunk that we asked for is taken out.
    """

    __slots__ = ("_keep_usage", "_renames", "_tail", "done", "failed", "finished", "usage")

    def __init__(self, model: tuple[bytes, bytes], *, keep_usage: bool) -> None:
        theirs, ours = model
        self._renames = [
            (b'"model":"%b"' % theirs, b'"model":"%b"' % ours),
            (b'"model": "%b"' % theirs, b'"model": "%b"' % ours),
        ]
        if theirs == ours:
            self._renames = []
        self._keep_usage = keep_usage
        self._tail = b""
        self.usage: Usage | None = None
        self.finished = False
        self.failed = False
        self.done = False

    def feed(self, block: bytes) -> bytes:
        """Bytes to send for a block that came; may be empty. Raises `BrokenStream`."""
        if self._tail:
            block = self._tail + block
        if b"\r" in block:
            block = _unix(block)
        if block.endswith(BORDER):
            self._tail = b""
        else:
            cut = block.rfind(BORDER)
            if cut < 0:
                if len(block) > LONGEST_FRAME:
                    raise BrokenStream("a frame without an end")
                self._tail = block
                return b""
            self._tail = block[cut + 2 :]
            block = block[: cut + 2]
        return self._checked(block)

    def _checked(self, block: bytes) -> bytes:
        changed: list[bytes] | None = None
        frames = block.split(BORDER)
        for place, frame in enumerate(frames):
            try:
                kept = self._frame(frame) if frame else frame
            except BrokenStream as broken:
                good = frames[:place] if changed is None else changed
                broken.before = self._renamed(b"".join(f + BORDER for f in good))
                raise
            if kept is not frame:
                changed = frames[:place] if changed is None else changed
                if kept is not None:
                    changed.append(kept)
            elif changed is not None:
                changed.append(frame)
        if changed is not None:
            block = BORDER.join(changed)
        return self._renamed(block)

    def _renamed(self, block: bytes) -> bytes:
        for theirs, ours in self._renames:
            if theirs in block:
                block = block.replace(theirs, ours)
        return block

    def _frame(self, frame: bytes) -> bytes | None:
        """The frame itself when it is right, another in its place, or None to leave it out."""
        if frame[:6] != b"data: ":
            if frame[:1] == b":":
                return frame
            return self._odd(frame)
        if frame == b"data: [DONE]":
            self.done = True
            return frame
        if self.done or self.failed:
            return None
        try:
            seen = _decode(frame[6:])
        except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
            raise BrokenStream("a chunk that is not JSON") from wrong
        if seen.error is not UNSET and bytes(seen.error) != b"null":
            self.failed = True
            return _error_frame(bytes(seen.error))
        return self._chunk(frame, seen)

    def _chunk(self, frame: bytes, seen: _Frame) -> bytes | None:
        if seen.usage is not None:
            self.usage = seen.usage
        choices = seen.choices
        if not choices:
            if seen.usage is not None and not self._keep_usage:
                return None
            return frame if choices is not UNSET and choices is not None else _with_choices(frame)
        mended = False
        for choice in choices:
            if choice.finish_reason is not None:
                self.finished = True
            mended = mended or choice.index is UNSET
        return _with_index(frame) if mended else frame

    def _odd(self, frame: bytes) -> bytes | None:
        """A frame in another shape that the standard allows: `data:` without a space, several lines, an event name."""
        lines = [line for line in frame.split(b"\n") if line]
        data = b"\n".join(line[5:].removeprefix(b" ") for line in lines if line.startswith(b"data:"))
        known = (b":", b"event:", b"id:", b"retry:", b"data:")
        if not all(line.startswith(known) for line in lines):
            raise BrokenStream("a line that is no event")
        return self._frame(b"data: " + data.replace(b"\n", b"")) if data else None


def _unix(block: bytes) -> bytes:
    """Line ends of one kind; a CR at the very end waits for its LF."""
    return block.replace(b"\r\n", b"\n")


def _with_choices(frame: bytes) -> bytes:
    chunk: dict[str, Any] = msgspec.json.decode(frame[6:])
    chunk["choices"] = []
    return b"data: " + msgspec.json.encode(chunk)


def _with_index(frame: bytes) -> bytes:
    chunk: dict[str, Any] = msgspec.json.decode(frame[6:])
    for place, choice in enumerate(chunk["choices"]):
        choice.setdefault("index", place)
    return b"data: " + msgspec.json.encode(chunk)


def _error_frame(raw: bytes) -> bytes:
    """The upstream's error amid a stream, in the shape whose message clients show."""
    return b"data: " + msgspec.json.encode(normal_error(msgspec.json.decode(raw), 502))


def normal_error(error: Any, status: int) -> dict[str, object]:
    """An upstream's `error` (an object, a string, anything) in OpenAI's shape, bounded."""
    if isinstance(error, dict):
        message = str(error.get("message") or "The language model reported an error.")[:2000]
        code = str(error.get("code") or "upstream_error")[:100]
        param = error.get("param")
        return error_object(message, status, code, param=param if isinstance(param, str) else None)
    return error_object(
        str(error)[:2000] if isinstance(error, str) else "The language model reported an error.",
        status,
        "upstream_error",
    )


def error_event(message: str, code: str, status: int) -> bytes:
    """An error of ours amid a stream: official clients raise it as APIError."""
    return b"data: " + msgspec.json.encode(error_object(message, status, code)) + BORDER
