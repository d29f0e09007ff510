# SPDX-License-Identifier: Apache-2.0
"""The client's calls, one a route. Answers are the JSON documents of CONTRACT.md, as dictionaries.

How they travel stands in `transport`. No knowledge of the house's insides.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from colonnade.sdk.transport import Transport, events_of


class Client:
    """Calls a gateway.

    Args:
        url: `http://127.0.0.1:8700`.
        key: an API key, or the owner's token.
        timeout_s: how long to wait for each answer.

    Every call raises what `colonnade.core.errors` draws: `NeedsDaemon` when nobody answers at `url`, `Refused` for a
    wrong key, `UsageError` and `UnknownName` for what the gateway does not accept, `Unavailable` when something
    behind it does not answer.
    """

    def __init__(self, url: str, key: str = "", *, timeout_s: float = 120.0) -> None:
        self._transport = Transport(url, key, timeout_s)

    # asking
    def ask(
        self,
        question: str,
        *,
        service: str | None = None,
        acting_as: str | None = None,
        as_of: str | int | None = None,
        history: Sequence[Mapping[str, str]] = (),
    ) -> dict[str, Any]:
        """A grounded answer: `colonnade.ask/1`. `acting_as` (a declared person) is the owner's right."""
        body = {"question": question, "service": service, "as": acting_as, "as_of": as_of, "history": list(history)}
        return self._post("/v1/ask", body)

    def search(
        self,
        query: str,
        *,
        knowledge: str | None = None,
        k: int = 10,
        mode: str = "hybrid",
        acting_as: str | None = None,
        as_of: str | int | None = None,
    ) -> dict[str, Any]:
        """Passages, best first: `colonnade.search/1`."""
        body = {"query": query, "knowledge": knowledge, "k": k, "mode": mode, "as": acting_as, "as_of": as_of}
        return self._post("/v1/search", body)

    def chat(self, model: str, messages: Sequence[Mapping[str, Any]], **options: Any) -> dict[str, Any]:
        """A chat completion in OpenAI's shape."""
        return self._post("/v1/chat/completions", {**options, "model": model, "messages": list(messages)})

    def chat_stream(
        self, model: str, messages: Sequence[Mapping[str, Any]], **options: Any
    ) -> Iterator[dict[str, Any]]:
        """Its chunks as they come. Raises amid the stream when the gateway reports an error there."""
        body = {**options, "model": model, "messages": list(messages), "stream": True}
        return events_of(self._transport.stream("POST", "/v1/chat/completions", body))

    def embed(self, texts: Sequence[str], model: str) -> list[list[float]]:
        """Unit vectors, one a text."""
        body = {"model": model, "input": list(texts), "encoding_format": "float"}
        return [row["embedding"] for row in self._post("/v1/embeddings", body)["data"]]

    def models(self) -> list[dict[str, Any]]:
        """Services and the embedding model."""
        rows: list[dict[str, Any]] = self._get("/v1/models")["data"]
        return rows

    def feedback(self, ref: str, verdict: str, note: str = "") -> dict[str, Any]:
        """Say that an answer was "right" or "wrong"."""
        return self._post("/v1/feedback", {"ref": ref, "verdict": verdict, "note": note})

    def why(self, ref: str) -> dict[str, Any]:
        """What led to it: `colonnade.why/1`."""
        return self._get(f"/v1/why/{quote(ref, safe='/@')}")

    def impact(self, ref: str) -> dict[str, Any]:
        """What it touched: `colonnade.impact/1`."""
        return self._get(f"/v1/impact/{quote(ref, safe='/@')}")

    def document_text(self, url: str) -> str:
        """The text that a citation's span counts in; `url` as the citation gives it."""
        return self._transport.call("GET", self._transport.path_of(url) + "/text").decode()

    # administration
    def status(self) -> dict[str, Any]:
        """`colonnade.status/1`."""
        return self._get("/admin/status")

    def apply(self, declaration: str, folder: str) -> dict[str, Any]:
        """Hand a declaration over; returns once it is in force."""
        return self._post("/admin/apply", {"declaration": declaration, "folder": folder})

    def keys(self) -> list[dict[str, Any]]:
        """Keys, without their secrets."""
        rows: list[dict[str, Any]] = self._get("/admin/keys")["keys"]
        return rows

    def create_key(self, name: str, person: str, expires_ms: int | None = None) -> dict[str, Any]:
        """A new key, shown once; in force when this returns."""
        return self._post("/admin/keys", {"name": name, "person": person, "expires_ms": expires_ms})

    def revoke_key(self, key_id: str) -> dict[str, Any]:
        """Revoke a key; out of force when this returns."""
        return self._post("/admin/keys/revoke", {"id": key_id})

    # GPUs
    def gpu(self) -> dict[str, Any]:
        """Devices and leases: `colonnade.gpu/1`."""
        return self._get("/admin/gpu")

    def run(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Run a command under a share (fields as in `POST /admin/runs`): `colonnade.asked/1`, while it waits."""
        return self._post("/admin/runs", asked)

    def release(self, ref: str) -> dict[str, Any]:
        """Take a share back, or withdraw the wish for one."""
        return self._post("/admin/leases/release", {"ref": ref})

    def cordon(self, device: str, *, cordoned: bool = True) -> dict[str, Any]:
        """Close a device to new work, or open it again."""
        return self._post("/admin/devices/cordon", {"device": device, "cordoned": cordoned})

    # models
    def predict(self, rows: Sequence[Mapping[str, Any]], service: str | None = None) -> dict[str, Any]:
        """Predictions for rows: `{ref, service, version, predictions}`."""
        return self._post("/v1/predict", {"service": service, "rows": list(rows)})

    def label(self, service: str, labels: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """What predicted rows turned out to be, `{ref, label, row}` each: `colonnade.labels/1`."""
        return self._post("/v1/labels", {"service": service, "labels": list(labels)})

    def rollback(self, ref: str, to: str | None = None) -> dict[str, Any]:
        """Back to the version that was live before, or to a given one: `colonnade.rollback/1`."""
        return self._post("/admin/rollback", {"ref": ref, "to": to})

    def erase(self, refs: Sequence[str], *, dry_run: bool = False) -> dict[str, Any]:
        """Ask that documents and persons be erased, or see how that stands: `colonnade.erasure/1`."""
        return self._post("/admin/erasures", {"refs": list(refs), "dry_run": dry_run})

    def sweep(self, *, dry_run: bool = False) -> dict[str, Any]:
        """Let go what was kept long enough: `colonnade.gc/1`."""
        return self._post("/admin/gc", {"dry_run": dry_run})

    def approvals(self) -> dict[str, Any]:
        """What waits for a person's word: `colonnade.approvals/1`."""
        return self._get("/admin/approvals")

    def approve(self, ref: str, verdict: str = "allow") -> dict[str, Any]:
        """Say the word, allow or deny, with one's own key: `colonnade.approval/1`."""
        return self._post("/admin/approvals", {"ref": ref, "verdict": verdict})

    def train(self, model: str) -> dict[str, Any]:
        """Train a model now, by hand: `colonnade.training/1`, at once."""
        return self._post("/admin/models/train", {"model": model})

    # pipelines
    def run_pipeline(self, pipeline: str, parameters: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Run a pipeline by its name, or FILE.py:FUNCTION: `colonnade.pipeline_asked/1`, at once."""
        return self._post("/admin/pipelines/run", {"pipeline": pipeline, "parameters": dict(parameters or {})})

    def pipeline_run(self, ref: str, *, files: bool = False) -> dict[str, Any]:
        """How a run stands, with `value` once it is done: `colonnade.pipeline_run/1`."""
        return self._post("/admin/pipelines/look", {"ref": ref, "files": files})

    def stop(self) -> dict[str, Any]:
        """Begin to drain."""
        return self._post("/admin/stop", {})

    def events(self) -> Iterator[dict[str, Any]]:
        """Progress as it happens; ends when the daemon does."""
        return events_of(self._transport.stream("GET", "/admin/events"))

    def healthy(self) -> bool:
        """Whether a gateway answers there."""
        return self._transport.alive()

    def _get(self, path: str) -> dict[str, Any]:
        return self._transport.json("GET", path)

    def _post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return self._transport.json("POST", path, {k: v for k, v in body.items() if v is not None})
