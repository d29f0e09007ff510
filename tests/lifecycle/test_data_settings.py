# SPDX-License-Identifier: Apache-2.0
"""What `data:` and `contract:` say, and what they may not say."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from colonnade.app.settings.data import patterns_of, sources_of
from colonnade.app.settings.models import Model
from colonnade.core.tables import ColumnRule, Fresh
from colonnade.ports.outside.sources import Source


def model(data: Any, **more: Any) -> Model:
    return Model.model_validate({"data": data, "label": "y", "train": "t.py", "evaluate": "e.py", **more}, strict=True)


def test_every_form_of_data_is_understood() -> None:
    assert patterns_of(model("a/*.csv").data) == ["a/*.csv"]
    found = model(
        ["a.csv", {"path": "b.parquet"}, {"sql": "SELECT 1 AS y", "url": "sqlite:///d.db"},
         {"sql": "SELECT 2 AS y", "url_env": "SHOP", "every": "5m", "timeout_s": 9, "changes": "SELECT max(id) FROM t"},
         {"s3": "s3://lake/x/*.parquet", "key_env": "K", "secret_env": "S"}]
    ).data  # fmt: skip
    assert patterns_of(found) == ["a.csv", "b.parquet"]
    assert sources_of(found) == [
        Source("sqlite", "SELECT 1 AS y", url="sqlite:///d.db", every_ms=60_000),
        Source("postgres", "SELECT 2 AS y", url_env="SHOP", every_ms=300_000, timeout_s=9,
               changes="SELECT max(id) FROM t"),
        Source("s3", "s3://lake/x/*.parquet", key_env="K", secret_env="S", every_ms=60_000),
    ]  # fmt: skip


def test_a_contract_becomes_rules() -> None:
    rules = model("a.csv", contract={
        "columns": {"a": {"pattern": "[a-z]+", "max_length": 3, "type": "date"}}, "unique_together": ["a"],
        "fresh": {"column": "a", "within": "2d"},
    }).contract.rules()  # fmt: skip
    assert rules.columns["a"] == ColumnRule("date", pattern="[a-z]+", max_length=3)
    assert rules.fresh == Fresh("a", 2 * 86_400_000)
    assert rules.unique_together == ("a",)


@pytest.mark.parametrize(
    "data, words",
    [
        ({"sql": "q"}, "exactly one of url, url_env"),
        ({"sql": "q", "url": "mysql://h/d"}, "sqlite:/// or postgresql://"),
        ({"sql": "q", "url": "postgresql://u:pw@h/d"}, "a password stands in no declaration"),
        ({"sql": "q", "url": "postgresql://h/d?password=pw"}, "a password stands in no declaration"),
        ({"path": "a", "sql": "q"}, "exactly one of path, sql, s3"),
        ({"path": "a", "every": "5s"}, "not for a source by `path`"),
        ({"s3": "lake/x"}, "is no address of objects"),
        ({"s3": "s3://lake/x", "key_env": "K"}, "go together"),
        ([], "at least 1 item"),
        ("", "at least 1 character"),
        ([{"path": "a", "more": 1}], "Extra inputs"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(data: Any, words: str) -> None:
    with pytest.raises(ValidationError, match=words) as refused:
        model(data)
    assert "pw" not in str([one["msg"] for one in refused.value.errors()])


def test_what_was_known_when_needs_a_time() -> None:
    with pytest.raises(ValidationError, match="compared with `time`"):
        model("a.csv", known_at={"a": "b"})
    with pytest.raises(ValidationError, match="no regular expression"):
        model("a.csv", contract={"columns": {"a": {"pattern": "["}}})
