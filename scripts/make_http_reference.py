# SPDX-License-Identifier: Apache-2.0
"""Write `docs/reference/http.md` from the gateway's table of endpoints, its structs and the table of codes.

python scripts/make_http_reference.py           # write it; a test compares
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from colonnade.core.http_codes import HTTP_CODES
from colonnade.gateway.app import make_app
from colonnade.gateway.openapi import EVERYWHERE, WITH_BODY, codes, document
from colonnade.gateway.router import Endpoint, Who
from colonnade.testing.backend import FakeBackend

PAGE = Path(__file__).resolve().parents[1] / "docs/reference/http.md"
WHO = {
    Who.ANYBODY: "anybody",
    Who.KEY: "a key",
    Who.LOCAL: "a key, or a program of the daemon's user",
    Who.OWNER: "an owner's key (404 for others)",
}
INTRODUCTION = """# HTTP
<!-- made by scripts/make_http_reference.py: do not edit -->

The same as OpenAPI 3.1: `GET /openapi.json`. The official `openai` and `mcp` clients work:
[how](../how-to/use-with-openai-clients.md), [how](../how-to/mcp.md).

**Keys.** `Authorization: Bearer KEY`, or `x-api-key: KEY`; a signed-in browser has a cookie. An owner's key may ask
as a declared person: header `x-colonnade-as: NAME`, or the field `as` of a body. That is recorded.

**Errors** are always `{"error": {"message", "type", "param", "code"}}`. What may not be read answers as what does
not exist: status, body and headers are equal, but for `date`, `x-request-id` and `server-timing`.

**Headers of every answer.** `x-request-id`: for an answer its ref, which `colonnade why` takes; otherwise the
reference under which the log has an unexpected error. `server-timing`: our own time in ms (`total`; for a language
model's answer `gateway` and `upstream`).

**Limits.** A body over `gateway.max_body_bytes` is refused with 413 before it is read; one that takes longer than
30 s with 408. The `Host` header must be one of ours, and so must `Origin` where there is one.

**Streams** are server-sent events: each chunk has `choices` with `index`, the usage chunk `choices: []`, a comment
comes after 15 s of silence, the end is `data: [DONE]`. When a language model dies amid a stream the last event is
an error, never just an end.

**MLflow's routes** (`/api/...`, `/ajax-api/...`) have its shapes: errors are `{"error_code", "message"}`, a key may
also be HTTP's Basic password. [How](../how-to/track-with-mlflow.md).

**What a service answers from.** With knowledge and no language model: quotes. With both: the model over numbered
passages, each sentence checked against the passage that it cites; what no passage bears is marked `[unverified]`,
what cites a passage that does not exist is withheld, and quotes take the place of a model that does not answer.
With a language model alone: its bytes. `n`, `logprobs`, `response_format` and a forced `tool_choice` are refused
where an answer is made from knowledge. Token counts of quotes and of embeddings are estimates: a quarter of the
bytes.

"""


def page() -> str:
    """The whole page."""
    endpoints = make_app(FakeBackend()).router.endpoints
    schemas = document(endpoints)["components"]["schemas"]
    lines = [INTRODUCTION + "## Routes", ""]
    for endpoint in endpoints:
        lines += [*_route(endpoint, schemas), ""]
    every = ", ".join(f"`{c}`" for c in EVERYWHERE)
    body = ", ".join(f"`{c}`" for c in WITH_BODY)
    lines += ["## Codes", "", f"Every route with a key may answer {every}; every route with a body also {body}.", ""]
    lines += ["| code | status | meaning |", "|---|---|---|"]
    lines += [f"| `{code}` | {status} | {text} |" for code, (status, text) in sorted(HTTP_CODES.items())]
    return "\n".join(lines) + "\n"


def _route(endpoint: Endpoint, schemas: dict[str, Any]) -> Iterator[str]:
    path = endpoint.path.replace(":path", "")
    yield f"### `{endpoint.method} {path}`"
    yield f"{endpoint.summary} For {WHO[endpoint.who]}. Answers {', '.join(endpoint.content)}."
    if endpoint.body is not None:
        schema = schemas[endpoint.body.__name__]
        required = set(schema.get("required", ()))
        yield ""
        yield "| field | type | |"
        yield "|---|---|---|"
        for name, inner in schema["properties"].items():
            yield f"| `{name}` | {_type(inner)} | {'needed' if name in required else ''} |"
    own = [c for c in codes(endpoint) if c not in EVERYWHERE and c not in WITH_BODY]
    if own:
        yield ""
        yield "Its own errors: " + ", ".join(f"`{c}`" for c in own) + "."


def _type(schema: dict[str, Any]) -> str:
    """A JSON Schema's type in words."""
    if "$ref" in schema:
        return re.sub(r".*/", "", schema["$ref"])
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_type(s) for s in schema["anyOf"] if s.get("type") != "null"))
    if schema.get("type") == "array":
        return f"array of {_type(schema.get('items', {}))}"
    kind = schema.get("type", "any")
    return str(kind) if isinstance(kind, str) else " or ".join(k for k in kind if k != "null")


if __name__ == "__main__":
    PAGE.write_text(page())
    sys.exit(0)
