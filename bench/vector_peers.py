# SPDX-License-Identifier: Apache-2.0
"""Embedded vector engines of others behind one shape, so that one run measures all of them alike.

Each holds the same rows: a vector, the passage, its group, and whether it is in the filter's tenth. `effort` is the
engine's own knob between speed and recall. They are not dependencies of the project: install them beside it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Filter:
    """Which rows may be found: one of `groups`, or those of the tenth, or (both empty) all."""

    groups: frozenset[int] = frozenset()
    tenth: bool = False


class Engine(Protocol):
    """What the benchmark asks of an engine."""

    name: str
    efforts: Sequence[int]

    def build(
        self, vectors: NDArray[np.float32], texts: list[str], groups: NDArray[np.int64], tenth: NDArray[np.bool_]
    ) -> None: ...

    def dense(self, query: NDArray[np.float32], wanted: Filter, effort: int, k: int) -> list[int]: ...

    def hybrid(self, words: str, query: NDArray[np.float32], wanted: Filter, effort: int, k: int) -> list[int]: ...


class QdrantEdge:
    """HNSW (m 16, ef_construct 128) over int8 codes, rescored; hybrid: its BM25 sparse vectors with IDF, RRF."""

    name = "qdrant-edge"
    efforts = (32, 64, 128, 256, 512)

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "qdrant"

    def build(
        self, vectors: NDArray[np.float32], texts: list[str], groups: NDArray[np.int64], tenth: NDArray[np.bool_]
    ) -> None:
        import qdrant_edge as q

        self.folder.mkdir(parents=True)
        self.q, self.bm25 = q, q.Bm25()
        config = q.EdgeConfig(
            vectors={
                "dense": q.EdgeVectorParams(
                    size=vectors.shape[1],
                    distance=q.Distance.Dot,
                    quantization_config=q.ScalarQuantizationConfig(
                        type=q.ScalarType.Int8, quantile=0.99, always_ram=True
                    ),
                    hnsw_config=q.HnswIndexConfig(m=16, ef_construct=128, full_scan_threshold=10),
                )
            },
            sparse_vectors={"words": q.EdgeSparseVectorParams(modifier=q.Modifier.Idf)},
            max_search_threads=1,
        )
        self.shard = q.EdgeShard.create(str(self.folder), config)
        for field in ("group", "tenth"):
            self.shard.update(q.UpdateOperation.create_field_index(field, q.PayloadSchemaType.Integer))
        for at in range(0, len(vectors), 1000):
            points = [
                q.Point(
                    i,
                    {"dense": vectors[i].tolist(), "words": self.bm25.embed_document(texts[i])},
                    {"group": int(groups[i]), "tenth": int(tenth[i])},
                )
                for i in range(at, min(at + 1000, len(vectors)))
            ]
            self.shard.update(q.UpdateOperation.upsert_points(points))
        while self.shard.optimize():
            pass

    def dense(self, query: NDArray[np.float32], wanted: Filter, effort: int, k: int) -> list[int]:
        q = self.q
        request = q.QueryRequest(
            limit=k,
            query=q.Query.Nearest(query.tolist(), using="dense"),
            filter=self._filter(wanted),
            params=self._params(effort),
        )
        return [p.id for p in self.shard.query(request)]

    def hybrid(self, words: str, query: NDArray[np.float32], wanted: Filter, effort: int, k: int) -> list[int]:
        q, chosen = self.q, self._filter(wanted)
        legs = [
            q.Prefetch(
                limit=100,
                query=q.Query.Nearest(query.tolist(), using="dense"),
                filter=chosen,
                params=self._params(effort),
            ),
            q.Prefetch(limit=100, query=q.Query.Nearest(self.bm25.embed_query(words), using="words"), filter=chosen),
        ]
        return [p.id for p in self.shard.query(q.QueryRequest(limit=k, prefetches=legs, query=q.Fusion.Rrf(60)))]

    def _params(self, effort: int) -> Any:
        q = self.q
        return q.SearchParams(hnsw_ef=effort, quantization=q.QuantizationSearchParams(rescore=True, oversampling=2.0))

    def _filter(self, wanted: Filter) -> Any:
        q = self.q
        if wanted.tenth:
            return q.Filter(must=[q.FieldCondition("tenth", match=q.MatchAny([1]))])
        if wanted.groups:
            return q.Filter(must=[q.FieldCondition("group", match=q.MatchAny(sorted(wanted.groups)))])
        return None


class Zvec:
    """HNSW over int8 codes with refinement; hybrid: its full-text index, RRF."""

    name = "zvec"
    efforts = (32, 64, 128, 256, 512)

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "zvec"

    def build(
        self, vectors: NDArray[np.float32], texts: list[str], groups: NDArray[np.int64], tenth: NDArray[np.bool_]
    ) -> None:
        import zvec

        self.z = zvec
        zvec.init(query_threads=1, log_level=zvec.LogLevel.ERROR)
        index = zvec.HnswIndexParam(
            metric_type=zvec.MetricType.IP, m=16, ef_construction=128, quantize_type=zvec.QuantizeType.INT8
        )
        schema = zvec.CollectionSchema(
            name="bench",
            fields=[
                zvec.FieldSchema("grp", zvec.DataType.INT64, index_param=zvec.InvertIndexParam()),
                zvec.FieldSchema("tenth", zvec.DataType.INT64, index_param=zvec.InvertIndexParam()),
                zvec.FieldSchema(
                    "words", zvec.DataType.STRING, index_param=zvec.FtsIndexParam(filters=["lowercase", "stemmer"])
                ),
            ],
            vectors=zvec.VectorSchema("dense", zvec.DataType.VECTOR_FP32, vectors.shape[1], index_param=index),
        )
        self.rows = zvec.create_and_open(path=str(self.folder), schema=schema)
        for at in range(0, len(vectors), 1000):
            docs = [
                zvec.Doc(
                    id=str(i),
                    vectors={"dense": vectors[i].tolist()},
                    fields={"grp": int(groups[i]), "tenth": int(tenth[i]), "words": texts[i]},
                )
                for i in range(at, min(at + 1000, len(vectors)))
            ]
            self.rows.insert(docs)
        self.rows.optimize()

    def dense(self, query: NDArray[np.float32], wanted: Filter, effort: int, k: int) -> list[int]:
        param = self.z.HnswQueryParam(ef=effort, is_using_refiner=True)
        asked = self.z.Query(field_name="dense", vector=query.tolist(), param=param)
        return [int(d.id) for d in self.rows.query(asked, topk=k, filter=self._filter(wanted), output_fields=[])]

    def hybrid(self, words: str, query: NDArray[np.float32], wanted: Filter, effort: int, k: int) -> list[int]:
        param = self.z.HnswQueryParam(ef=effort, is_using_refiner=True)
        legs = [
            self.z.Query(field_name="dense", vector=query.tolist(), param=param),
            self.z.Query(field_name="words", fts=self.z.Fts(match_string=words)),
        ]
        found = self.rows.query(
            legs, topk=k, filter=self._filter(wanted), output_fields=[], reranker=self.z.RrfReRanker(rank_constant=60)
        )
        return [int(d.id) for d in found]

    def _filter(self, wanted: Filter) -> str | None:
        if wanted.tenth:
            return "tenth = 1"
        return f"grp IN ({', '.join(map(str, sorted(wanted.groups)))})" if wanted.groups else None


class Lance:
    """LanceDB: IVF-HNSW-SQ with one partition, rescored; hybrid: its full-text index, RRF."""

    name = "lancedb"
    efforts = (50, 100, 200, 400)

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "lance"

    def build(
        self, vectors: NDArray[np.float32], texts: list[str], groups: NDArray[np.int64], tenth: NDArray[np.bool_]
    ) -> None:
        import lancedb
        import pyarrow as pa

        flat = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), vectors.shape[1])
        columns = {"id": pa.array(range(len(vectors))), "vector": flat, "words": pa.array(texts)}
        columns |= {"grp": pa.array(groups), "tenth": pa.array(tenth.astype(np.int64))}
        self.table = lancedb.connect(str(self.folder)).create_table("bench", pa.table(columns))
        self.table.create_index(metric="dot", index_type="IVF_HNSW_SQ", num_partitions=1)
        for column in ("grp", "tenth"):
            self.table.create_scalar_index(column, index_type="BITMAP")
        self.table.create_fts_index("words", use_tantivy=False, stem=True, remove_stop_words=True)

    def dense(self, query: NDArray[np.float32], wanted: Filter, effort: int, k: int) -> list[int]:
        asked = self._narrowed(self.table.search(query).ef(effort).refine_factor(3), wanted)
        return asked.select(["id"]).limit(k).to_arrow()["id"].to_pylist()

    def hybrid(self, words: str, query: NDArray[np.float32], wanted: Filter, effort: int, k: int) -> list[int]:
        asked = self._narrowed(self.table.search(query_type="hybrid").vector(query).text(words).ef(effort), wanted)
        return asked.limit(k).to_arrow()["id"].to_pylist()

    def _narrowed(self, asked: Any, wanted: Filter) -> Any:
        if wanted.tenth:
            return asked.where("tenth = 1", prefilter=True)
        if wanted.groups:
            return asked.where(f"grp IN ({', '.join(map(str, sorted(wanted.groups)))})", prefilter=True)
        return asked


def installed() -> dict[str, str]:
    """Versions of the peers that are here."""
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for package in ("qdrant-edge-py", "zvec", "lancedb"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return json.loads(json.dumps(found))
