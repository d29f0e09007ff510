# SPDX-License-Identifier: Apache-2.0
"""The dummy language model of `bench/gateway.py`: a bare asyncio server, so that it costs little beside what is
measured.

A whole answer after 10 ms; a stream of 50 chunks 2 ms apart. Usage stands in both. Asked with numbered passages, it
says the words of the first, with its mark, so that a grounded request has citations to be checked. Started as
`gateway_dummy.py PORT`.
"""

from __future__ import annotations

import asyncio
import json
import sys

CHUNKS = 50
_HEAD = {"id": "chatcmpl-x", "object": "chat.completion.chunk", "created": 1, "model": "dummy-1"}


def _frame(**more: object) -> bytes:
    body = b"data: " + json.dumps({**_HEAD, **more}, separators=(",", ":")).encode() + b"\n\n"
    return b"%x\r\n%b\r\n" % (len(body), body)


FRAMES = [
    _frame(choices=[{"index": 0, "delta": {"content": f"word{n} "}, "finish_reason": None}], usage=None)
    for n in range(CHUNKS)
]
_LAST = _frame(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}], usage=None)
_USAGE = _frame(choices=[], usage={"prompt_tokens": 11, "completion_tokens": 50, "total_tokens": 61})
_DONE = b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"
_MESSAGE = {"index": 0, "message": {"role": "assistant", "content": "Hello. " * 20}, "finish_reason": "stop"}
_WHOLE = json.dumps(
    {
        "id": "chatcmpl-x",
        "object": "chat.completion",
        "created": 1,
        "model": "dummy-1",
        "choices": [_MESSAGE],
        "usage": {"prompt_tokens": 11, "completion_tokens": 40, "total_tokens": 51},
    },
    separators=(",", ":"),
).encode()
WHOLE = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(_WHOLE), _WHOLE)
STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def frames_for(body: bytes) -> list[bytes]:
    """The fixed words, or those of the first passage."""
    if b"--- passages" not in body:
        return FRAMES
    said = json.loads(body)["messages"][-1]["content"].split("[1] (", 1)[1].split("\n", 1)[1]
    words = [*said.split("[2] (", 1)[0].split()[: CHUNKS - 1], "[1]"]
    return [
        _frame(choices=[{"index": 0, "delta": {"content": f"{w} "}, "finish_reason": None}], usage=None) for w in words
    ]


async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection, requests one after another."""
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0]) if b"content-length:" in head else 0
            body = await reader.readexactly(length)
            if b'"stream":true' in body.replace(b" ", b""):
                writer.write(STREAM)
                for frame in frames_for(body):
                    await asyncio.sleep(0.002)
                    writer.write(frame)
                writer.write(_LAST + (_USAGE if b"include_usage" in body else b"") + _DONE)
            else:
                await asyncio.sleep(0.010)
                writer.write(WHOLE)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main(port: int) -> None:
    """Serve until killed."""
    server = await asyncio.start_server(talk, "127.0.0.1", port, backlog=512)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
