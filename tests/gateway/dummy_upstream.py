# SPDX-License-Identifier: Apache-2.0
"""A language model that says what a test tells it to, and fails how a test tells it to. A bare ASGI app."""

from __future__ import annotations

import asyncio
import json
from typing import Any


def chunk(delta: dict[str, Any] | None, *, finish: str | None = None, model: str = "dummy-1", **more: Any) -> bytes:
    """One chunk's frame; `delta` None for a chunk without choices' content (usage)."""
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    body = {
        "id": "chatcmpl-x",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": model,
        "choices": choices,
        **more,
    }
    return b"data: " + json.dumps(body, separators=(",", ":")).encode() + b"\n\n"


class DummyUpstream:
    """Modes: ok, die, silent, stall, garbage, no_done, cut, no_choices, no_index, error, error_text,
    no_usage, crlf, bytes, status, json.

    A model named mode-X is in mode X whatever else was said.
    `text` is what it says, word by word; `requests` what it was asked, `cancelled` how many askers left early.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.mode = "ok"
        self.text = "Hello there, friend."
        self.status = 429
        self.error: Any = {"message": "Slow down.", "type": "rate_limit_error", "code": "rate_limited"}
        self.headers: list[tuple[bytes, bytes]] = []
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.cancelled = 0
        self.after: asyncio.Event | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while True:
                kind = (await receive())["type"]
                await send({"type": f"{kind}.complete"})
                if kind == "lifespan.shutdown":
                    return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        asked = json.loads(body)
        self.requests.append(asked)
        self._mode = asked["model"].removeprefix("mode-") if asked["model"].startswith("mode-") else self.mode
        self.keys.append(dict(scope["headers"]).get(b"authorization", b"").decode())
        if self._mode == "silent":
            await self._until_gone(receive)
        elif self._mode == "status":
            await self._send(send, self.status, json.dumps({"error": self.error}).encode())
        elif asked.get("stream") and self._mode != "json":
            await self._stream(receive, send)
        elif self._mode == "garbage":
            await self._send(send, 200, b"<html>not what you asked</html>")
        else:
            await self._send(send, 200, self._whole(asked))

    async def _until_gone(self, receive: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.cancelled += 1

    async def _send(self, send: Any, status: int, body: bytes) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), *self.headers]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _whole(self, asked: dict[str, Any]) -> bytes:
        message = {"role": "assistant", "content": self.text}
        answer: dict[str, Any] = {
            "id": "chatcmpl-x",
            "object": "chat.completion",
            "created": 1,
            "model": asked["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        }
        if self._mode != "no_usage":
            answer["usage"] = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
        return json.dumps(answer, separators=(",", ":")).encode()

    async def _stream(self, receive: Any, send: Any) -> None:
        headers = [(b"content-type", b"text/event-stream"), *self.headers]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        words = [w + " " for w in self.text.split(" ")]
        words[-1] = words[-1][:-1]
        frames = [chunk({"role": "assistant", "content": ""}), *(chunk({"content": w}) for w in words)]
        half = len(frames) // 2 + 1
        if self._mode == "die":
            await self._write(send, frames[:half])
            raise ConnectionError("the dummy dies here, as it was told")
        if self._mode == "stall":
            await self._write(send, frames[:half])
            await self._until_gone(receive)
            return
        if self._mode == "garbage":
            frames[half:] = [b'data: {"choices": [{"ind\n\n']
        elif self._mode == "error":
            frames[half:] = [
                b'data: {"error":{"message":"The model fell over.","type":"server_error","code":"fell_over"}}\n\n'
            ]
        elif self._mode == "error_text":
            frames[half:] = [b'data: {"error":"The model fell over."}\n\n']
        elif self._mode == "no_choices":
            frames.insert(
                1, b'data: {"id":"chatcmpl-x","object":"chat.completion.chunk","created":1,"model":"dummy-1"}\n\n'
            )
        elif self._mode == "no_index":
            frames = [f.replace(b'"index":0,', b"") for f in frames]
        if self._mode in ("garbage", "error", "error_text", "cut"):
            await self._write(send, frames[:half] if self._mode == "cut" else frames, last=True)
            return
        frames.append(chunk({}, finish="stop"))
        if self._mode != "no_usage":
            frames.append(chunk(None, usage={"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}))
        if self._mode != "no_done":
            frames.append(b"data: [DONE]\n\n")
        await self._write(send, frames, last=True)

    async def _write(self, send: Any, frames: list[bytes], *, last: bool = False) -> None:
        if self._mode == "crlf":
            frames = [f.replace(b"\n", b"\r\n") for f in frames]
        if self._mode == "bytes":
            joined = b"".join(frames)
            frames = [joined[n : n + 3] for n in range(0, len(joined), 3)]
        for number, frame in enumerate(frames):
            await send({"type": "http.response.body", "body": frame, "more_body": True})
            if self._mode == "bytes" and number % 20 == 0:
                await asyncio.sleep(0)
        if last:
            await send({"type": "http.response.body", "body": b"", "more_body": False})
