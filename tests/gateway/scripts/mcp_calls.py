# SPDX-License-Identifier: Apache-2.0
"""Runs where the official `mcp` client is: lists and calls every tool, prints what the client saw as JSON.

Usage: mcp_calls.py URL KEY MODE, where MODE is auto or legacy for 2.x, and old for 1.x.
"""

import asyncio
import json
import sys


def dump(result):
    data = result.model_dump(mode="json", by_alias=True)
    return {
        "text": data["content"][0]["text"],
        "error": data.get("isError"),
        "value": data.get("structuredContent"),
    }


CALLS = {
    "ask": {"question": "How much may a hotel night cost?", "service": "assistant"},
    "search": {"query": "hotel"},
    "status": {},
}


async def use(session, out):
    tools = await session.list_tools()
    out["tools"] = sorted(t.name for t in tools.tools)
    for name, arguments in CALLS.items():
        out[name] = dump(await session.call_tool(name, arguments))
    out["why"] = dump(await session.call_tool("why", {"ref": out["ask"]["value"]["ref"]}))
    out["wrong"] = dump(await session.call_tool("ask", {"question": "  "}))
    try:
        out["unknown"] = dump(await session.call_tool("nothing", {}))
    except Exception as error:
        out["unknown"] = type(error).__name__


async def old(url, key, out):
    from mcp import ClientSession
    from mcp.client.streamable_http import streamablehttp_client

    headers = {"Authorization": f"Bearer {key}"}
    async with (
        streamablehttp_client(url, headers=headers) as (read, write, _),
        ClientSession(read, write) as session,
    ):
        started = await session.initialize()
        out["protocol"] = started.protocolVersion
        await use(session, out)
        await session.send_ping()


async def new(url, key, mode, out):
    import httpx2
    from mcp.client import Client
    from mcp.client.streamable_http import streamable_http_client

    http = httpx2.AsyncClient(headers={"Authorization": f"Bearer {key}"})
    async with Client(streamable_http_client(url, http_client=http), mode=mode) as session:
        out["protocol"] = session.protocol_version
        await use(session, out)


async def main(url, key, mode):
    out = {}
    await (old(url, key, out) if mode == "old" else new(url, key, mode, out))
    print(json.dumps(out))


asyncio.run(main(*sys.argv[1:4]))
