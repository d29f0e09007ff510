# SPDX-License-Identifier: Apache-2.0
"""From outside (issue Prove, 6): a stock OTLP exporter, Prometheus' own parser, OpenLineage's own schemas."""

from __future__ import annotations

import gzip
import http.server
import json
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from colonnade.observe.traces.genai import SCHEMA_URL
from colonnade.observe.traces.otlp_write import export_request
from colonnade.testing.project import Project, until
from tests.traces.test_otlp import record

ROOT = Path(__file__).resolve().parents[2]
SPEC = ROOT.parent / "shared/data/openlineage_spec/spec"
CALLS = ROOT / "tests/gateway/scripts/otel_calls.py"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    project = Project.small(tmp_path_factory.mktemp("traced"))
    project.write("docs/coffee.md", "# Coffee\n\nThe coffee machine is cleaned every Friday at noon.\n")
    project.up()
    project.run("status", "--wait", "60")
    yield project
    project.down()


@pytest.fixture(scope="module")
def python(client_python: Callable[[str], Path]) -> Path:
    return client_python("otel1")


def stock(python: Path, *args: str) -> Any:
    done = subprocess.run([python, CALLS, *args], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def post(project: Project, body: bytes, **headers: str) -> tuple[int, bytes]:
    sent = {"authorization": f"Bearer {project.token}", "content-type": "application/x-protobuf"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(f"{project.url}/v1/traces", body, sent)
    try:
        with urllib.request.urlopen(request, timeout=20) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@pytest.mark.slow
def test_spans_of_a_stock_exporter_stand_in_why_with_the_answer_that_they_name(small: Project, python: Path) -> None:
    answer = small.run("ask", "When is the coffee machine cleaned?", "--json").json["ref"]
    key = small.run("keys", "create", "helpdesk", "--for", "anna", "--json").json["key"]
    sent = stock(python, "send", small.url, key, answer)
    assert set(sent["results"]) == {"SUCCESS"}
    found = small.run("why", f"trace/{sent['trace']}", "--json").json
    kinds = {node["kind"] for node in found["nodes"]}
    assert {"trace", "person", "answer", "document", "embedder", "epoch", "decision"} <= kinds
    chat, outer = sorted(found["trace"]["spans"], key=lambda one: one["name"])
    assert (chat["parent"], chat["refs"], chat["withheld"]) == (outer["span"], [answer], 1)
    assert chat["attributes"]["gen_ai.usage.input_tokens"] == 12
    assert (outer["status"], outer["source"]) == ("error", "helpdesk")
    assert "handle ticket" in small.run("why", f"trace/{sent['trace']}").out
    assert not any(b"MARKER-TEXT" in file.read_bytes() for file in small.home.rglob("*") if file.is_file())


@pytest.mark.slow
def test_a_request_joins_the_trace_that_its_caller_names(small: Project) -> None:
    trace, span = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    headers = {"authorization": f"Bearer {small.token}", "traceparent": f"00-{trace}-{span}-01"}
    request = urllib.request.Request(f"{small.url}/v1/ask", b'{"question": "When is it cleaned?"}', headers)
    with urllib.request.urlopen(request, timeout=30) as response:
        given, ref = response.headers["traceparent"], json.load(response)["ref"]
    assert given.startswith(f"00-{trace}-")
    assert span not in given
    until(lambda: small.run("why", f"trace/{trace}", "--json").code == 0, 10)
    (mine,) = small.run("why", f"trace/{trace}", "--json").json["trace"]["records"]
    assert (mine["parent"], mine["ref"], given.split("-")[2]) == (span, ref, mine["span"])
    assert {"embed", "retrieve", "answer", "record"} >= {one["name"] for one in mine["stages"]} - {"calibrate"}
    assert small.run("why", f"trace/{ref.removeprefix('answer/')}", "--json").json["ref"] == f"trace/{trace}"


@pytest.mark.slow
def test_hostile_bodies_are_refused_and_the_daemon_goes_on(small: Project) -> None:
    assert post(small, b"\xff" * 100)[0] == 400
    assert post(small, b"{}", content_type="text/plain")[0] == 415
    assert post(small, b"not gzip", content_encoding="gzip")[0] == 400
    bomb = gzip.compress(bytes(64 * 1024 * 1024))
    assert post(small, bomb, content_encoding="gzip")[0] == 413
    assert post(small, gzip.compress(b"x" * 100)[:-9], content_encoding="gzip")[0] == 400
    assert post(small, b"[" * 100_000, content_type="application/json")[0] == 400
    assert post(small, b"", authorization="Bearer wrong")[0] == 401
    assert post(small, b"") == (200, b"")
    assert post(small, b"{}", content_type="application/json") == (200, b"{}")


@pytest.mark.slow
def test_the_stock_parser_reads_the_metrics(small: Project, python: Path, tmp_path: Path) -> None:
    request = urllib.request.Request(f"{small.url}/metrics", headers={"authorization": f"Bearer {small.token}"})
    with urllib.request.urlopen(request, timeout=20) as response:
        assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
        (tmp_path / "metrics").write_bytes(response.read())
    families = stock(python, "metrics", str(tmp_path / "metrics"))
    assert families["colonnade_request_duration_seconds"]["type"] == "histogram"
    assert families["process_resident_memory_bytes"]["samples"][0][2] > 1e7
    assert families["colonnade_ledger_entries"]["samples"][0][2] >= 1
    assert families["colonnade_traces_dropped"]["type"] == "counter"


def test_the_stock_classes_read_what_is_exported(python: Path, tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(
        export_request([record(outcome="failed", code=503)], service="colonnade", instance="i", version="1")
    )
    seen = stock(python, "read", str(tmp_path / "body"))
    assert (seen["schema"], seen["resource"]["service.name"]) == (SCHEMA_URL, "colonnade")
    own, retrieve, _ = seen["spans"]
    assert (own["name"], own["status"], own["attributes"]["error.type"]) == ("chat assistant", 2, "503")
    assert own["attributes"]["gen_ai.operation.name"] == "chat"
    assert (retrieve["parent"], retrieve["end"] - retrieve["start"]) == (own["span"], 400_000)


@pytest.mark.slow
def test_every_openlineage_event_validates(small: Project) -> None:
    if not SPEC.is_dir():
        pytest.skip("needs shared/data/openlineage_spec beside the repository")
    events = [json.loads(line) for line in small.run("openlineage").out.splitlines()]
    assert [one["eventType"] for one in events][:2] == ["START", "COMPLETE"]
    for event in events:
        validate(event)
    later = small.run("openlineage", "--since", "2999-01-01T00:00:00Z")
    assert (later.code, later.out) == (0, "")
    assert small.run("openlineage", "--since", "soon").code == 2


MODELS = """\
version: 1
project: shop
models: {churn: {data: ./churn.csv, label: left, train: ./train.py, evaluate: ./evaluate.py}}
platform: {openlineage: {url: "http://127.0.0.1:PORT/api/v1/lineage", key_env: LINEAGE_KEY}}
"""
TRAIN = """\
import os
open(os.environ["COLONNADE_OUTPUT"] + "/model.txt", "w").write("weights")
"""
EVALUATE = """\
import json, os
json.dump({"score": 1}, open(os.environ["COLONNADE_OUTPUT"] + "/metrics.json", "w"))
"""


class Marquez(http.server.BaseHTTPRequestHandler):
    """An endpoint that is away at first."""

    taken: ClassVar[list[tuple[str, dict[str, Any]]]] = []
    tries = 0

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        Marquez.tries += 1
        if Marquez.tries > 1:
            Marquez.taken.append((self.headers["authorization"], json.loads(body)))
        self.send_response(503 if Marquez.tries == 1 else 201)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing is told."""


@pytest.mark.slow
def test_a_pipeline_and_its_steps_reach_an_endpoint_that_was_away_and_every_event_validates(tmp_path: Path) -> None:
    if not SPEC.is_dir():
        pytest.skip("needs shared/data/openlineage_spec beside the repository")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Marquez)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    project = Project(tmp_path, {"LINEAGE_KEY": "secret"})
    project.write("colonnade.yaml", MODELS.replace("PORT", str(server.server_port)))
    project.write("churn.csv", "age,left\n" + "".join(f"{20 + n},{n % 2}\n" for n in range(60)))
    project.write("train.py", TRAIN)
    project.write("evaluate.py", EVALUATE)
    project.up()
    try:
        until(lambda: ("COMPLETE", "model.churn") in {(e["eventType"], e["job"]["name"]) for _, e in Marquez.taken}, 60)
    finally:
        project.down()
        server.shutdown()
        server.server_close()
    assert {key for key, _ in Marquez.taken} == {"Bearer secret"}
    sent = [event for _, event in Marquez.taken]
    for event in sent:
        validate(event)
    ends = {event["job"]["name"]: event for event in sent if event["eventType"] == "COMPLETE"}
    wanted = {"model.churn", "model.churn.snapshot", "model.churn.train", "model.churn.evaluate"}
    assert wanted <= set(ends), [(event["eventType"], event["job"]["name"]) for event in sent]
    (snapshot,) = ends["model.churn.snapshot"]["outputs"]
    assert [one["name"] for one in snapshot["facets"]["schema"]["fields"]] == ["age", "left"]
    assert snapshot["facets"]["dataQualityMetrics"]["rowCount"] == 60
    assert ends["model.churn.train"]["run"]["facets"]["parent"]["job"]["name"] == "model.churn"
    assert ends["model.churn.train"]["inputs"]
    assert "".join(map(json.dumps, sent)).count("secret") == 0
    printed = [json.loads(line) for line in project.run("openlineage").out.splitlines()]
    assert all(event in printed for event in sent if event["eventType"] == "COMPLETE")
    run = next(one["run"]["facets"]["colonnade"] for one in sent if one["job"]["name"] == "model.churn")
    trace = project.run("why", run["trace"], "--json").json["trace"]
    assert {one["kind"] for one in trace["records"]} == {"run", "step"}
    assert {"snapshot", "train", "evaluate"} <= {stage["name"] for one in trace["records"] for stage in one["stages"]}


def validate(event: dict[str, Any]) -> None:
    """Against the event's schema, and each facet against the schema that it names."""
    from jsonschema import Draft202012Validator, FormatChecker
    from referencing import Registry, Resource

    files = [SPEC / "OpenLineage.json", *(SPEC / "facets").glob("*.json")]
    schemas = [json.loads(file.read_text()) for file in files]
    registry: Any = Registry().with_resources([(one["$id"], Resource.from_contents(one)) for one in schemas])
    known = {one["$id"] for one in schemas}

    def check(value: Any, schema: str) -> None:
        assert schema.partition("#")[0] in known, schema
        Draft202012Validator({"$ref": schema}, registry=registry, format_checker=FormatChecker()).validate(value)

    check(event, event["schemaURL"])
    parts = [event["run"], event["job"], *event["inputs"], *event["outputs"]]
    for facet in (one for part in parts for kind in ("facets", "outputFacets") for one in part.get(kind, {}).values()):
        check(facet, facet["_schemaURL"])
