# SPDX-License-Identifier: Apache-2.0
"""Run in an environment with OpenTelemetry's own SDK and Prometheus' own parser: send spans, read metrics, be a
collector. Prints one JSON document.

    python otel_calls.py send URL KEY REF         spans by the stock OTLP/HTTP exporter; REF: an answer's
    python otel_calls.py read FILE                what the stock protobuf classes see in a body of ours
    python otel_calls.py metrics FILE             families that the stock parser sees
"""

import json
import sys
from pathlib import Path


def send(url, key, ref):
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    results = []
    exporter = OTLPSpanExporter(
        f"{url}/v1/traces", headers={"authorization": f"Bearer {key}"}, compression=Compression.Gzip
    )
    exported = exporter.export
    exporter.export = lambda spans: results.append(exported(spans)) or results[-1]
    provider = TracerProvider(resource=Resource.create({"service.name": "helpdesk"}))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("helpdesk.instrumented")
    with tracer.start_as_current_span("handle ticket") as outer:
        with tracer.start_as_current_span("chat assistant", kind=trace.SpanKind.CLIENT) as inner:
            inner.set_attribute("gen_ai.operation.name", "chat")
            inner.set_attribute("gen_ai.response.id", ref)
            inner.set_attribute("gen_ai.usage.input_tokens", 12)
            inner.set_attribute("gen_ai.response.finish_reasons", ["stop"])
            inner.set_attribute("gen_ai.input.messages", '[{"role": "user", "content": "MARKER-TEXT"}]')
        outer.set_status(trace.StatusCode.ERROR, "MARKER-TEXT")
        context = outer.get_span_context()
    provider.shutdown()
    return {"trace": f"{context.trace_id:032x}", "results": [one.name for one in results]}


def read(file):
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    message = ExportTraceServiceRequest.FromString(Path(file).read_bytes())
    resource = message.resource_spans[0]
    scoped = resource.scope_spans[0]

    def value(one):
        return getattr(one, one.WhichOneof("value"))

    spans = [
        {
            "trace": one.trace_id.hex(), "span": one.span_id.hex(), "parent": one.parent_span_id.hex(),
            "name": one.name, "kind": one.kind, "start": one.start_time_unix_nano, "end": one.end_time_unix_nano,
            "status": one.status.code, "attributes": {pair.key: value(pair.value) for pair in one.attributes},
        }
        for one in scoped.spans
    ]  # fmt: skip
    about = {pair.key: value(pair.value) for pair in resource.resource.attributes}
    return {"schema": scoped.schema_url, "resource": about, "spans": spans}


def metrics(file):
    from prometheus_client.parser import text_string_to_metric_families

    families = text_string_to_metric_families(Path(file).read_text())
    return {
        one.name: {"type": one.type, "samples": [[s.name, s.labels, s.value] for s in one.samples]} for one in families
    }


if __name__ == "__main__":
    print(json.dumps({"send": send, "read": read, "metrics": metrics}[sys.argv[1]](*sys.argv[2:])))
