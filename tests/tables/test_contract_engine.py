# SPDX-License-Identifier: Apache-2.0
"""The contract and the profile in chunks, beside the same worked out row by row; all formats alike."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from colonnade.adapters.tables import chunk
from colonnade.adapters.tables.column import TextColumn, read_date
from colonnade.adapters.tables.judge import judge
from colonnade.core.tables import ColumnRule, Fresh, Rules
from colonnade.ports.outside.tables import Batch, Judgement
from tests.tables import by_hand

HEADER = ("key", "age", "word", "label")
CELLS = st.one_of(
    st.integers(-5, 130).map(str), st.floats(allow_nan=False).map(repr),
    st.sampled_from(["", " ", "7 ", " 8", "1e3", "nan", "inf", "1_0", "true", "No", "x", "2026-01-31", "north",
                     "2026-01-31T10:00:00+02:00", "9" * 25, "-0", "+5", "a\nb", 'say "hi"', "a,b", "ä"]),
)  # fmt: skip
ROWS = st.lists(st.tuples(CELLS, CELLS, CELLS, st.sampled_from(["0", "1", ""])), min_size=1, max_size=60)
RULE = st.builds(
    ColumnRule,
    type=st.sampled_from(["", "integer", "number", "text", "boolean", "date"]),
    min=st.sampled_from([None, 0, 17.5]), max=st.sampled_from([None, 60, 1e6]),
    values=st.sampled_from([(), ("north", "x", "1")]), nulls=st.sampled_from([0.0, 0.3, 1.0]),
    pattern=st.sampled_from(["", "[a-z]+", r"\d{1,2}"]), max_length=st.sampled_from([None, 0, 3]),
)  # fmt: skip
RULES = st.builds(
    Rules, columns=st.dictionaries(st.sampled_from(HEADER), RULE), unique=st.sampled_from([(), ("key",), ("word",)])
)
SLOW = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunk, "CELLS", 1)  # sixteen rows


def as_csv(path: Path, rows: Sequence[Sequence[str]], header: Sequence[str] = HEADER) -> Batch:
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
    return Batch(path.name, path, "csv")


def as_jsonl(path: Path, rows: Sequence[Sequence[str]]) -> Batch:
    path.write_text("".join(json.dumps(dict(zip(HEADER, row, strict=True))) + "\n" for row in rows))
    return Batch(path.name, path, "jsonl")


def as_parquet(path: Path, rows: Sequence[Sequence[str]]) -> Batch:
    columns = list(zip(*rows, strict=True))
    pq.write_table(pa.table(dict(zip(HEADER, map(list, columns), strict=True))), path, row_group_size=7)
    return Batch(path.name, path, "parquet")


def told(judgement: Judgement, rows: Sequence[Sequence[str]]) -> set[by_hand.Told]:
    """As `by_hand` says it: rows by their number, found again by their values."""
    texts = [dict(zip(HEADER, row, strict=True)) for row in rows]
    found = set()
    for breach in judgement.judged[0].breaches:
        places: list[int] = []
        for row in breach.rows:
            places.append(next(p for p, text in enumerate(texts) if p not in places and text == dict(row.values)))
        found.add((breach.rule, breach.count, tuple(places)))
    return found


def same(one: set[by_hand.Told], other: set[by_hand.Told], rows: Sequence[Sequence[str]]) -> bool:
    """Equal rows stand for one another."""

    def plain(found: set[by_hand.Told]) -> set[tuple[str, int, tuple[Sequence[str], ...]]]:
        return {(rule, count, tuple(tuple(rows[place]) for place in places)) for rule, count, places in found}

    return plain(one) == plain(other)


@SLOW
@given(ROWS, RULES)
def test_breaches_are_those_found_row_by_row_in_every_format(
    tmp_path: Path, rows: list[tuple[str, ...]], rules: Rules
) -> None:
    expected = by_hand.breaches(HEADER, rows, rules)
    for write in (as_csv, as_jsonl, as_parquet):
        judgement = judge([write(tmp_path / "batch", rows)], rules, "label")
        assert same(told(judgement, rows), expected, rows), write.__name__
        assert judgement.judged[0].rows == len(rows)
        assert judgement.judged[0].unlabelled == sum(not row[3] for row in rows)


@SLOW
@given(ROWS)
def test_a_profile_says_what_is_there_in_every_format(tmp_path: Path, rows: list[tuple[str, ...]]) -> None:
    for write in (as_csv, as_jsonl, as_parquet):
        columns = judge([write(tmp_path / "batch", rows)], Rules(), "label").columns
        for place, name in enumerate(HEADER):
            filled = [row[place].strip() for row in rows if row[place].strip()]
            kinds = ("boolean", "integer", "number", "date")
            kind = next((k for k in kinds if filled and all(by_hand.fits(k, text) for text in filled)), "text")
            found = columns[name]
            assert (found["type"], found["rows"], found["nulls"]) == (kind, len(rows), len(rows) - len(filled))
            assert found["distinct"] == len(set(filled))
            if kind in {"integer", "number"}:
                numbers = [float(text) for text in filled]
                assert (found["min"], found["max"]) == (min(numbers), max(numbers))
                assert found["quantiles"]["0.5"] == sorted(numbers)[(len(numbers) + 1) // 2 - 1]


@SLOW
@given(ROWS, st.integers(1, 59))
def test_profiles_of_batches_add_up(tmp_path: Path, rows: list[tuple[str, ...]], cut: int) -> None:
    parts = [part for part in (rows[:cut], rows[cut:]) if part]
    batches = [as_csv(tmp_path / f"{place}.csv", part) for place, part in enumerate(parts)]
    apart = judge(batches, Rules(), "label").columns
    whole = judge([as_csv(tmp_path / "whole.csv", rows)], Rules(), "label").columns
    for name in HEADER:
        for key in ("type", "rows", "nulls", "distinct", "min", "max", "top", "quantiles"):
            assert apart[name].get(key) == whole[name].get(key), key


def test_lines_are_those_of_the_file_across_values_with_breaks_and_empty_lines(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('\ufeffa,label\n"two\nlines",1\n\n-1,1\n\r\n-2,0\n', encoding="utf-8")
    rules = Rules({"a": ColumnRule(min=0)})
    breach = judge([Batch("a.csv", tmp_path / "a.csv", "csv")], rules, "label").judged[0].breaches[0]
    assert [row.line for row in breach.rows] == [5, 7]


def test_many_values_are_counted_within_a_few_percent_and_their_quantiles_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunk, "CELLS", 400_000)
    rng = np.random.default_rng(7)
    numbers = rng.lognormal(0, 1, 60_000)
    words = [f"w{n}" for n in rng.integers(0, 20_000, 60_000)]
    days = [f"2026-01-01T{n // 3600:02}:{n // 60 % 60:02}:{n % 60:02}Z" for n in rng.integers(0, 86_400, 60_000)]
    rows = list(zip(map(repr, numbers.tolist()), words, days, "0" * 60_000, strict=True))
    found = judge([as_csv(tmp_path / "a.csv", rows)], Rules(), "label").columns
    assert found["key"]["distinct"] == pytest.approx(60_000, rel=0.1)
    assert found["age"]["distinct"] == pytest.approx(len(set(words)), rel=0.1)
    assert found["word"]["distinct"] == pytest.approx(len(set(days)), rel=0.1)
    assert (found["word"]["type"], found["word"]["min"]) == ("date", min(days))
    assert "top" not in found["age"], "a column that may name persons is not shown"
    for q, value in found["key"]["quantiles"].items():
        assert abs((numbers <= value).mean() - float(q)) < 0.03


def test_a_value_of_an_earlier_batch_is_found_again(tmp_path: Path) -> None:
    rules = Rules(unique_together=("key",))
    batches = [
        as_csv(tmp_path / "1.csv", [("a", "", "", "1"), ("b", "", "", "1")]),
        as_csv(tmp_path / "2.csv", [("c", "", "", "1"), ("a", "", "", "1")]),
        as_csv(tmp_path / "3.csv", [("c", "", "", "1"), ("", "", "", "1")]),
    ]
    first, second, third = judge(batches, rules, "label").judged
    assert not first.breaches
    assert [(breach.rule, breach.count) for breach in second.breaches] == [("key stands in an earlier batch, too", 1)]
    assert not third.breaches, "what is quarantined takes no value from others"


def test_the_newest_moment_of_the_good_batches_is_told(tmp_path: Path) -> None:
    rules = Rules({"age": ColumnRule(min=0)}, fresh=Fresh("word", 1000))
    good = as_csv(tmp_path / "1.csv", [("a", "1", "2026-01-01", "1"), ("b", "2", "2026-01-02T01:00:00+01:00", "1")])
    bad = as_csv(tmp_path / "2.csv", [("a", "-1", "2026-05-01", "1")])
    found = judge([good, bad], rules, "label")
    assert found.newest_ms == 1_767_312_000_000


@pytest.mark.parametrize(
    "text, said",
    [
        ("a,label\n1\n", ":2: 1 values in a table of 2 columns"),
        ("a,a\n1,2\n", "must name every column, each once"),
        ("", "must name every column"),
        ('a,label\n"' + "x" * 2_000_000, "field larger than field limit"),
    ],
)
def test_what_is_no_table_is_said_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    judged = judge([Batch("a.csv", tmp_path / "a.csv", "csv")], Rules(), "label").judged[0]
    assert said in judged.breaches[0].rule


def test_json_lines_may_lack_names_and_a_half_written_line_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": 1, "label": true}\n\n{"label": null, "b": [1, {"c": 2}]}\n')
    found = judge([Batch("a.jsonl", path, "jsonl")], Rules(), "label")
    assert found.judged[0].unlabelled == 1
    assert found.columns["a"]["nulls"] == 1
    assert found.columns["b"]["top"] == {'[1, {"c": 2}]': 1}
    path.write_text('{"a": 1, "label": 1}\n{"a": 1, "la')
    assert ":2: " in judge([Batch("a.jsonl", path, "jsonl")], Rules(), "label").judged[0].breaches[0].rule


def test_parquet_keeps_its_types_and_names_what_is_no_value(tmp_path: Path) -> None:
    table = pa.table({
        "n": pa.array([1, None, 3], pa.int16()), "x": pa.array([1.5, float("nan"), None]),
        "d": pa.array([0, 1, None], pa.date32()), "t": pa.array([0, 1, 2], pa.timestamp("ns", tz="Europe/Berlin")),
        "b": [True, False, None], "s": pa.array(["x", " ", "x"]).dictionary_encode(), "label": [1, 0, 1],
        "m": pa.array([1, 2, 3]).cast(pa.decimal128(21, 2)),
    })  # fmt: skip
    pq.write_table(table, tmp_path / "a.parquet")
    found = judge([Batch("a", tmp_path / "a.parquet", "parquet")], Rules({"n": ColumnRule(min=2, nulls=1)}), "label")
    assert found.judged[0].breaches[0].rows[0].values["n"] == "1"
    found = judge([Batch("a", tmp_path / "a.parquet", "parquet")], Rules(), "label")
    kinds = {name: (told["type"], told["nulls"]) for name, told in found.columns.items()}
    assert kinds == {
        "n": ("integer", 1), "x": ("number", 2), "d": ("date", 1), "t": ("date", 0), "b": ("boolean", 1),
        "s": ("text", 1), "label": ("boolean", 0), "m": ("number", 0),
    }  # fmt: skip
    pq.write_table(pa.table({"v": [[1], [2]], "label": [1, 0]}), tmp_path / "a.parquet")
    judged = judge([Batch("a", tmp_path / "a.parquet", "parquet")], Rules(), "label").judged[0]
    assert "'v' holds list" in judged.breaches[0].rule


@given(st.lists(st.one_of(
    st.datetimes().map(lambda moment: moment.isoformat(" ", "seconds")),
    st.datetimes().map(lambda moment: moment.isoformat("T", "seconds")),
    st.sampled_from(["2026-02-30T00:00:00", "0000-01-01T00:00:00", "2026-01-01T24:00:00", "2026-01-01T1٠:00:00"]),
), min_size=1, max_size=6))  # fmt: skip
def test_dates_read_all_at_once_are_those_read_one_by_one(texts: list[str]) -> None:
    moments, there = TextColumn(texts).dates()
    assert [moment if is_one else None for moment, is_one in zip(moments.tolist(), there.tolist(), strict=True)] == [
        read_date(text) for text in texts
    ]
    days = [text[:10] for text in texts]
    moments, there = TextColumn(days).dates()
    assert [moment if is_one else None for moment, is_one in zip(moments.tolist(), there.tolist(), strict=True)] == [
        read_date(text) for text in days
    ]
