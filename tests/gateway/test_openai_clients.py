# SPDX-License-Identifier: Apache-2.0
"""The official `openai` clients, 1.x and 3.x, against a real server: each line of what breaks them is tested."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.conftest import KEYS, House
from tests.gateway.dummy_upstream import DummyUpstream

SCRIPT = Path(__file__).parent / "scripts" / "openai_calls.py"
ANSWER = "A hotel night may cost up to 120 euros. [1]"


def run(python: Path, *args: str) -> dict[str, Any]:
    done = subprocess.run([str(python), str(SCRIPT), *args], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)  # type: ignore[no-any-return]


@pytest.fixture(params=["openai1", "openai3"])
def python(request: pytest.FixtureRequest, client_python: Callable[[str], Path]) -> Path:
    return client_python(request.param)


def test_the_official_client_sees_all_that_it_needs(
    python: Path, make_house: Callable[..., House], upstream: DummyUpstream
) -> None:
    house = make_house(max_body_bytes=100_000)
    seen = run(python, house.url, KEYS["anna"])

    assert seen["version"].split(".")[0] in python.parts[-3]
    assert seen["models"] == ["assistant", "chat", "writer", "all-MiniLM-L6-v2"]
    assert seen["model"]["object"] == "model"
    assert seen["model"]["owned_by"] == "colonnade:acme"

    whole = seen["whole"]
    assert whole["text"] == ANSWER
    assert whole["usage"]["total_tokens"] == whole["usage"]["prompt_tokens"] + whole["usage"]["completion_tokens"] > 0
    assert whole["request_id"] == whole["extra"]["ref"]
    cited = whole["annotations"][0]["url_citation"]
    assert ANSWER[cited["start_index"] : cited["end_index"]] == "[1]"
    assert cited["url"] == whole["extra"]["citations"][0]["url"]

    streamed = seen["stream"]
    assert streamed["text"] == ANSWER
    assert streamed["count"] > 3
    assert streamed["choices_always"]
    assert streamed["index_zero"]
    assert streamed["finish"] == "stop"
    assert streamed["usage"]["total_tokens"] > 0
    assert streamed["model"] == "assistant"
    assert streamed["extra"]["status"] == "answered"
    assert streamed["annotations"] == [{"type": "url_citation", "url_citation": cited}]
    assert seen["stream_without_usage"] is None
    assert seen["helper"]["text"] == ANSWER
    assert seen["helper"]["usage"] > 0

    assert "12.50" in seen["as_of"]
    assert seen["abstained"]["status"] == "abstained"
    assert seen["abstained"]["citations"] == []

    assert seen["passed"] == "Hello there, friend."
    assert seen["passed_stream"]["text"] == "Hello there, friend."
    assert seen["passed_stream"]["model"] == "chat"
    assert seen["passed_stream"]["usage"]["completion_tokens"] == 7
    assert seen["passed_helper"]["text"] == "Hello there, friend."

    vectors = seen["embeddings"]
    assert vectors["lengths"] == [384, 384]
    assert all(abs(n - 1) < 1e-5 for n in vectors["norms"])
    assert seen["same"]
    assert vectors["usage"]["total_tokens"] > 0

    assert seen["wrong_key"]["class"] == "AuthenticationError"
    assert seen["wrong_key"]["code"] == "invalid_key"
    assert "This key is not valid" in seen["wrong_key"]["message"]
    assert seen["wrong_key"]["request_id"].startswith("request/")
    assert (seen["unknown_model"]["class"], seen["unknown_model"]["code"]) == ("NotFoundError", "model_not_found")
    assert (seen["wrong_type"]["class"], seen["wrong_type"]["param"]) == ("BadRequestError", "temperature")
    assert seen["responses"]["class"] == "NotFoundError"
    assert "/v1/chat/completions" in seen["responses"]["message"]
    assert (seen["too_large"]["status"], seen["too_large"]["code"]) == (413, "too_large")
    assert (seen["as_somebody"]["class"], seen["as_somebody"]["code"]) == ("PermissionDeniedError", "not_owner")


BROKEN = {
    "die": ("upstream_down", "broke off"),
    "cut": ("upstream_down", "broke off"),
    "garbage": ("upstream_error", "broken"),
    "error": ("fell_over", "fell over"),
    "error_text": ("upstream_error", "fell over"),
}
MENDED = ("no_choices", "no_index", "no_done", "crlf", "bytes", "no_usage")


def test_a_stream_that_goes_wrong_raises_in_the_client_and_never_just_ends(python: Path, house: House) -> None:
    route = house.backend.snapshot().routes["chat"]
    assert route.upstream is not None
    models = {
        mode: replace(route, name=mode, upstream=replace(route.upstream, model=f"mode-{mode}"))
        for mode in (*BROKEN, *MENDED)
    }
    house.backend.change(routes=models)
    seen = run(python, house.url, KEYS["anna"], *models)
    for mode, (code, words) in BROKEN.items():
        assert (seen[mode]["class"], seen[mode]["code"]) == ("APIError", code)
        assert words in seen[mode]["message"]
    assert [seen[mode] for mode in MENDED] == [{"class": "none"}] * len(MENDED)
