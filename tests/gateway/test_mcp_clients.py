# SPDX-License-Identifier: Apache-2.0
"""The official `mcp` clients against `POST /mcp`: 2.x on the modern wire and the legacy one, and 1.x."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.gateway.conftest import KEYS, House

SCRIPT = Path(__file__).parent / "scripts" / "mcp_calls.py"


@pytest.mark.parametrize(
    ("client", "mode", "protocol"),
    [("mcp2", "auto", "2026-07-28"), ("mcp2", "legacy", "2025-11-25"), ("mcp1", "old", "2025-11-25")],
)
def test_the_official_client_lists_and_calls_every_tool(
    client: str, mode: str, protocol: str, house: House, client_python: Callable[[str], Path]
) -> None:
    command = [str(client_python(client)), str(SCRIPT), f"{house.url}/mcp", KEYS["anna"], mode]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    seen = json.loads(done.stdout)
    assert seen["protocol"] == protocol
    assert seen["tools"] == ["ask", "search", "status", "why"]
    assert seen["ask"]["text"].startswith("A hotel night may cost up to 120 euros. [1]")
    assert seen["ask"]["value"]["citations"][0]["quote"] == "A hotel night may cost up to 120 euros."
    assert "docs/travel.md" in seen["search"]["text"]
    assert seen["status"]["value"]["services"] == ["assistant", "chat", "writer"]
    assert seen["why"]["value"]["nodes"][0]["ref"] == seen["ask"]["value"]["ref"]
    assert seen["wrong"]["error"] is True
    assert "question" in seen["wrong"]["text"]
    assert seen["unknown"] in ("MCPError", "McpError") or seen["unknown"]["error"] is True
