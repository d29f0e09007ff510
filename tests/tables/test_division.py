# SPDX-License-Identifier: Apache-2.0
"""How rows are divided: nothing that trains knows the future of the rows that are held out, in either format."""

from __future__ import annotations

import csv
import random
import shutil
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from colonnade.adapters.tables import chunk
from colonnade.adapters.tables import divide as dividing
from colonnade.adapters.tables.divide import divide
from colonnade.core.errors import UsageError
from colonnade.ports.outside.tables import Batch, Division
from tests.tables import by_hand

HEADER = ("row", "time", "known", "label")
ZONES = st.sampled_from([None, UTC, timezone(timedelta(hours=5, minutes=30)), timezone(timedelta(hours=-8))])
NUMBERS = st.one_of(
    st.tuples(st.just("integer"), st.lists(st.integers(-20, 40), min_size=2, max_size=50)),
    st.tuples(st.just("integer"), st.lists(st.integers(1_700_000_000_000_000_000, 1_700_000_000_000_000_003),
                                           min_size=2, max_size=20)),
    st.tuples(st.just("number"), st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=50)),
    st.tuples(st.just("date"), st.lists(st.builds(
        lambda minutes, zone: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes) if zone is None else (
            datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)).astimezone(zone),
        st.integers(0, 60 * 24 * 40), ZONES), min_size=2, max_size=50)),
)  # fmt: skip
SLOW = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunk, "CELLS", 1)  # sixteen rows
    monkeypatch.setattr(dividing, "BUCKET_CELLS", 0)
    monkeypatch.setattr(dividing, "FEWEST_ROWS", 5)


def said(time: object) -> str:
    return time.isoformat() if isinstance(time, datetime) else repr(time)


def sides(folder: Path, batches: Sequence[Batch], division: Division) -> tuple[list[Any], list[Any]]:
    out = folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    (out / "buckets").mkdir(parents=True)
    found = divide(batches, division, out)
    rows = []
    for name in ("train", "test"):
        path = out / f"{name}.{division.format}"
        if division.format == "csv":
            with open(path, newline="") as file:
                rows.append(list(csv.DictReader(file)))
        else:
            rows.append(pq.read_table(path).to_pylist())
    assert (found.train, found.test) == (len(rows[0]), len(rows[1]))
    return rows[0], rows[1]


def batches_of(folder: Path, rows: Sequence[Sequence[str]], cut: int, header: Sequence[str] = HEADER) -> list[Batch]:
    found = []
    for number, part in enumerate((rows[:cut], rows[cut:])):
        if part:
            path = folder / f"{number}.csv"
            with open(path, "w", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(header)
                writer.writerows(part)
            found.append(Batch(path.name, path, "csv"))
    return found


@SLOW
@given(
    NUMBERS, st.floats(0.05, 0.9), st.sampled_from([0, 0.5, 3, 11]), st.integers(0, 50), st.randoms(),
    st.sampled_from(["csv", "parquet"]),
)  # fmt: skip
def test_a_training_set_never_sees_the_future_of_its_labels(
    tmp_path: Path, times: tuple[str, list[Any]], holdout: float, delay: float, cut: int, rng: random.Random, form: str
) -> None:
    kind, moments = times
    step = timedelta(days=1) if kind == "date" else 1
    known = [None if rng.random() < 0.1 else m + step * rng.randrange(0, 9) for m in moments]
    rows = [
        (str(place), said(m), "" if k is None else said(k), rng.choice(("0", "1", "a\nb", 'c,"d"', "e\rf", "g\r\n")))
        for place, (m, k) in enumerate(zip(moments, known, strict=True))
    ]
    types = {"row": "integer", "time": kind, "known": kind}
    division = Division("label", holdout, "time", delay, {"label": "known"}, form, types)
    train, test = sides(tmp_path, batches_of(tmp_path, rows, cut), division)
    expected = by_hand.divided(moments, known, holdout, delay)
    assert ({int(row["row"]) for row in train}, {int(row["row"]) for row in test}) == expected
    assert all(row["label"] == rows[int(row["row"])][3] for row in (*train, *test))
    numbers = [moments[int(row["row"])] for row in test]
    assert numbers == sorted(numbers), "the held-out rows come in the order of time"


@SLOW
@given(st.lists(st.integers(0, 12), min_size=2, max_size=80), st.floats(0.1, 0.9), st.randoms(),
       st.sampled_from(["csv", "parquet"]))  # fmt: skip
def test_equal_rows_give_equal_bytes_in_whatever_order_and_files_they_come(
    tmp_path: Path, times: list[int], holdout: float, rng: random.Random, form: str
) -> None:
    rows = [(str(place), str(time), "", "1") for place, time in enumerate(times)]
    types = {"row": "integer", "time": "integer", "label": "integer"}
    division = Division("label", holdout, "time", format=form, types=types)
    sides(tmp_path, batches_of(tmp_path, rows, 7), division)
    first = {path.name: path.read_bytes() for path in (tmp_path / "out").glob("t*")}
    rng.shuffle(rows)
    sides(tmp_path, batches_of(tmp_path, rows, len(rows) // 2), division)
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").glob("t*")} == first


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_without_a_time_a_row_stays_on_its_side_whatever_comes_with_it(tmp_path: Path, form: str) -> None:
    rows = [(str(n), str(n * 7), "x", "1") for n in range(300)]
    division = Division("label", 0.3, format=form)
    few = sides(tmp_path, batches_of(tmp_path, rows[:100], 50), division)
    many = sides(tmp_path, batches_of(tmp_path, rows, 220), division)
    for before, after in zip(few, many, strict=True):
        assert [row["row"] for row in before] == [row["row"] for row in after if int(row["row"]) < 100]
    assert 60 < len(many[1]) < 120


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_value_that_was_not_known_at_its_rows_time_counts_as_empty(tmp_path: Path, form: str) -> None:
    header = ("row", "time", "income", "income_known", "label")
    days = ["2026-01-10", "2026-01-11", "2026-01-12", "2026-01-13"]
    rows = [
        ("0", days[0], "5", "2026-01-09T23:00:00-01:00", "1"), ("1", days[1], "6", "2026-01-11T00:00:01Z", "0"),
        ("2", days[2], "7", "", "1"), ("3", days[3], "8", "2026-02-01", "1"),
    ]  # fmt: skip
    types = {"income": "integer"}
    division = Division("label", 0.25, "time", known_at={"income": "income_known"}, format=form, types=types)
    train, test = sides(tmp_path, batches_of(tmp_path, rows, 2, header), division)
    assert [row["income"] or None for row in (*train, *test)] in ([5, None, None, None], ["5", None, None, None])


def test_parquet_beside_csv_gives_one_schema(tmp_path: Path) -> None:
    days = [date(2026, 1, day) for day in range(1, 21)]
    table = pa.table({"row": pa.array(range(20), pa.int32()), "time": days, "known": [1.5] * 20, "label": [1, 0] * 10})
    pq.write_table(table, tmp_path / "a.parquet")
    rows = [(str(n), f"2026-02-{n - 19:02}", "" if n % 2 else "2.5", "1") for n in range(20, 40)]
    batches = [Batch("a", tmp_path / "a.parquet", "parquet"), *batches_of(tmp_path, rows, 0)]
    train, test = sides(tmp_path, batches, Division("label", 0.25, "time", format="parquet"))
    assert [row["row"] for row in (*train, *test)] == list(range(40))
    assert train[0]["time"] == date(2026, 1, 1)
    assert [row["known"] for row in test[:2]] == [2.5, None]
    train, test = sides(tmp_path, batches, Division("label", 0.25, "time"))
    assert [row["row"] for row in (*train, *test)] == [str(n) for n in range(40)]
    assert train[0]["time"] == "2026-01-01"
    assert (tmp_path / "out" / "train.csv").exists()


@pytest.mark.parametrize(
    "times", [["31.12.2025", "01.01.2026"], ["1", ""], ["1", "2026-01-01"], ["2026-01-01", "tomorrow"]]
)
def test_a_time_that_has_no_order_is_refused(tmp_path: Path, times: list[str]) -> None:
    rows = [(str(place), time, "", "1") for place, time in enumerate(times)]
    with pytest.raises(UsageError, match=r"neither a number nor a date|a date in some rows"):
        sides(tmp_path, batches_of(tmp_path, rows, 1), Division("label", 0.5, "time"))


def test_dates_are_ordered_as_moments_and_a_delay_counts_days(tmp_path: Path) -> None:
    times = ["2025-12-31", "2026-01-01T00:00:00+00:00", "2026-01-31", "2026-02-15", "2026-02-16"]
    rows = [(str(place), time, "", "1") for place, time in enumerate(times)]
    train, test = sides(tmp_path, batches_of(tmp_path, rows, 2), Division("label", 0.4, "time", 30))
    assert [row["time"] for row in test] == times[3:]
    assert [row["time"] for row in train] == times[:2]
