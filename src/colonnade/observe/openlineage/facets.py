# SPDX-License-Identifier: Apache-2.0
"""OpenLineage's facets that we give, each with the version of its schema (spec 2-0-2, release line 1.52). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from colonnade.core.version import __version__

PRODUCER = f"urn:colonnade:{__version__}"
SPEC = "https://openlineage.io/spec"
RUN_EVENT = f"{SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent"
Facet = dict[str, Any]


def processing_engine() -> Facet:
    """Who ran it."""
    return _facet("1-1-1", "ProcessingEngineRunFacet", name="colonnade", version=__version__)


def parent_run(namespace: str, job: str, run: str) -> Facet:
    """The pipeline of a step."""
    return _facet("1-2-0", "ParentRunFacet", run={"runId": run}, job={"namespace": namespace, "name": job})


def error_message(code: str) -> Facet:
    """That it failed. The code only: messages may quote what they fell over."""
    return _facet("1-0-1", "ErrorMessageRunFacet", message=code, programmingLanguage="PYTHON")


def job_type(kind: str) -> Facet:
    """INGESTION, PIPELINE or STEP."""
    return _facet("2-0-4", "JobTypeJobFacet", processingType="BATCH", integration="COLONNADE", jobType=kind)


def run_ref(ref: str, trace: str, code: str, counts: Mapping[str, int]) -> Facet:
    """What we call it: its ref, its trace, the digest of its code, what it counted."""
    told = {"ref": ref, "trace": trace, "counts": dict(counts), **({"code": code} if code else {})}
    return {"_producer": PRODUCER, "_schemaURL": f"{SPEC}/2-0-2/OpenLineage.json#/$defs/RunFacet", **told}


def dataset_version(version: str) -> Facet:
    """Exactly which data."""
    return _facet("1-0-1", "DatasetVersionDatasetFacet", datasetVersion=version)


def schema(columns: Mapping[str, Mapping[str, Any]]) -> Facet:
    """Names and types of columns, in their order."""
    fields = [
        {"name": name, "type": str(told.get("type", "")), "ordinal_position": place}
        for place, (name, told) in enumerate(columns.items(), start=1)
    ]
    return _facet("1-2-0", "SchemaDatasetFacet", fields=fields)


def quality(columns: Mapping[str, Mapping[str, Any]], rows: int) -> Facet:
    """Counts of rows, of nulls and of distinct values: never a value itself."""
    metrics = {
        name: {ours: int(told[theirs]) for ours, theirs in (("nullCount", "nulls"), ("distinctCount", "distinct"))
               if isinstance(told.get(theirs), int)}
        for name, told in columns.items()
    }  # fmt: skip
    return _facet("1-0-0", "DataQualityMetricsDatasetFacet", rowCount=rows, columnMetrics=metrics)


def output_statistics(*, rows: int | None = None, files: int | None = None) -> Facet:
    """How much was written."""
    told = {name: value for name, value in (("rowCount", rows), ("fileCount", files)) if value is not None}
    return _facet("1-0-2", "OutputStatisticsOutputDatasetFacet", **told)


def _facet(version: str, name: str, /, **told: Any) -> Facet:
    return {"_producer": PRODUCER, "_schemaURL": f"{SPEC}/facets/{version}/{name}.json#/$defs/{name}", **told}
