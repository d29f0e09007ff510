# SPDX-License-Identifier: Apache-2.0
"""A model on rows of PostgreSQL, Parquet in S3 and JSON lines, through the real daemon: and its password nowhere."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import obstore
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from obstore.store import S3Store

from colonnade.testing.project import Project, until
from tests.sources.conftest import PASSWORD, Server

pytestmark = pytest.mark.slow
DECLARATION = """\
version: 1
project: shop
gateway: {port: 0}
models:
  loans:
    data:
      - {sql: "SELECT id, day, income, bad FROM loan", url_env: SHOP_URL, every: 1s}
      - {s3: "s3://lake/loans/*.parquet", endpoint: "ENDPOINT", key_env: LAKE_KEY, secret_env: LAKE_SECRET, every: 1s}
      - {path: "more/*.jsonl"}
    label: bad
    time: day
    contract:
      unique_together: [id]
      columns: {income: {type: number, min: 0}, day: {type: date}}
    train: train.py
    evaluate: evaluate.py
"""
TRAIN = """\
import json, os
import pyarrow.parquet as pq
rows = pq.read_table(os.environ["COLONNADE_INPUT"] + "/train.parquet").to_pylist()
out = {"cut": sum(row["income"] for row in rows) / len(rows), "newest": str(max(row["day"] for row in rows)),
       "saw": dict(os.environ)}
json.dump(out, open(os.environ["COLONNADE_OUTPUT"] + "/model.json", "w"))
print(out)
"""
EVALUATE = """\
import json, os
import pyarrow.parquet as pq
folder = os.environ["COLONNADE_INPUT"]
cut = json.load(open(folder + "/model/model.json"))["cut"]
rows = pq.read_table(folder + "/test.parquet").to_pylist()
right = sum((row["income"] < cut) == bool(row["bad"]) for row in rows)
json.dump({"accuracy": right / len(rows)}, open(os.environ["COLONNADE_OUTPUT"] + "/metrics.json", "w"))
"""
KEY = "lake-s3cret-key"


def frame(first: int, rows: int) -> pa.Table:
    income = np.random.default_rng(first).integers(20, 70, rows)
    days = np.datetime64("2026-01-01") + np.arange(first, first + rows) // 10
    return pa.table({"id": np.arange(first, first + rows), "day": days, "income": income.astype(float),
                     "bad": (income < 45).astype(int)})  # fmt: skip


@pytest.fixture
def project(tmp_path: Path, postgres: Server, s3: str) -> Iterator[Project]:
    made = Project(tmp_path / "shop")
    made.write("colonnade.yaml", DECLARATION.replace("ENDPOINT", s3))
    made.write("train.py", TRAIN)
    made.write("evaluate.py", EVALUATE)
    made.environment |= {
        "SHOP_URL": postgres.url("reader", PASSWORD), "LAKE_KEY": "me", "LAKE_SECRET": KEY,
    }  # fmt: skip
    postgres.run(
        "DROP TABLE IF EXISTS loan; CREATE TABLE loan (id int, day date, income float8, bad int);"
        "INSERT INTO loan SELECT n, '2025-01-01'::date + n / 10, 20 + n * 7 % 50, ((20 + n * 7 % 50) < 45)::int"
        " FROM generate_series(10000, 10199) AS n; GRANT SELECT ON loan TO reader"
    )
    yield made
    made.down()


@pytest.fixture
def lake(s3: str) -> S3Store:
    import urllib.request

    urllib.request.urlopen(urllib.request.Request(f"{s3}/moto-api/reset", method="POST"), timeout=10).close()
    urllib.request.urlopen(urllib.request.Request(f"{s3}/lake", method="PUT"), timeout=10).close()
    return S3Store("lake", endpoint=s3, region="us-east-1", access_key_id="me", secret_access_key=KEY,
                   client_options={"allow_http": True})  # fmt: skip


def put(lake: S3Store, name: str, table: pa.Table) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    obstore.put(lake, f"loans/{name}", sink.getvalue().to_pybytes())


def loans(project: Project) -> dict[str, Any]:
    found: dict[str, Any] = project.now()["models"]["loans"]
    return found


def over(project: Project, pipelines: int) -> dict[str, Any]:
    until(lambda: sum(one["outcome"] != "running" for one in loans(project)["history"]) >= pipelines, 60)
    return loans(project)


def test_three_kinds_of_source_train_one_model_and_no_secret_is_left_anywhere(
    project: Project, postgres: Server, lake: S3Store
) -> None:
    put(lake, "a.parquet", frame(0, 200))
    project.write("more/c.jsonl", '{"id": 900, "day": "2026-01-05", "income": 30, "bad": 1}\n')
    assert project.run("up", "--detach").code == 0
    model = over(project, 1)
    assert model["history"][0]["outcome"] == "promoted", model
    assert model["data"]["rows"] == 401

    put(lake, "b.parquet", frame(200, 100))
    assert over(project, 2)["data"]["rows"] == 501
    postgres.run("INSERT INTO loan VALUES (20000, '2026-01-02', 30, 1)")
    assert over(project, 3)["data"]["rows"] == 502
    put(lake, "z.parquet", frame(250, 100))
    model = over(project, 4)
    assert model["history"][0]["outcome"] == "quarantined"
    assert model["quarantined"][0]["path"] == "lake/loans/z.parquet"
    assert model["quarantined"][0]["breaches"][0]["rule"] == "id stands in an earlier batch, too"
    assert model["quarantined"][0]["breaches"][0]["count"] == 50

    told = "".join(project.run(*words).out for words in (
        ("status", "--json"), ("plan", "--json"), ("why", "model/loans", "--json"), ("logs", "--json")))  # fmt: skip
    project.down()
    for secret in (PASSWORD, KEY):
        assert secret not in told
        for path in project.folder.rglob("*"):
            if path.is_file():
                data = path.read_bytes()
                data += gzip.decompress(data) if path.suffix == ".gz" else b""
                assert secret.encode() not in data, path
