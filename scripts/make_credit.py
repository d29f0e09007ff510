# SPDX-License-Identifier: Apache-2.0
"""Write days of `examples/credit`: made-up people who ask for credit, and whether they failed to pay it back.

    python scripts/make_credit.py                              the two batches that are committed
    python scripts/make_credit.py --days 180:270 --out FILE    another batch; FILE.parquet is written as Parquet
    ... --known-on 300        a later look: labels that were still open may be known by then
    ... --drift               as if the drift had come before these days already
    ... --shuffle-labels      a broken export: the labels belong to other rows
    ... --negative-ages 3     another: three ages below zero
    ... --requests            FILE gets the rows without labels, to be predicted; FILE.labels.csv what became of each

A day's rows depend on the day and the seed alone, so batches fit together however they are cut. Seasons: more people
ask before the holidays, with more debt. Drift: from day DRIFT on, rates rise: debt weighs twice, income and years of
work little. A default is known only LATE days after the day of the credit; until then the label is empty. `group` is
protected: it moves incomes, and nothing else.
"""

from __future__ import annotations

import argparse
import csv
import math
import random
from collections.abc import Iterable
from pathlib import Path

HOME = Path(__file__).resolve().parents[1] / "examples/credit/data"
DRIFT = 240
LATE = 30
A_DAY = 16
HEADER = ("customer", "day", "age", "group", "region", "income", "debt", "months_employed", "late_before", "default")
REGIONS = {"north": 0.0, "south": 0.25, "east": -0.1, "west": 0.1}
BATCHES = {"2025-q1.csv": range(90), "2025-q2.csv": range(90, 180)}
LOOKED_ON = 180
"""The day on which the committed batches were exported."""
Row = list[str]


def day_of(day: int, seed: int, known_on: int, *, drift: bool = False) -> list[Row]:
    """The rows of one day, as they are known at the end of day `known_on`."""
    rng = random.Random(f"{seed}/{day}")
    season = 1 + 0.3 * math.sin(2 * math.pi * (day - 250) / 365)
    rows = []
    for number in range(round(A_DAY * season)):
        age = min(79, max(18, round(rng.gauss(42, 14))))
        group = "a" if rng.random() < 0.6 else "b"
        region = rng.choice(list(REGIONS))
        income = round(math.exp(rng.gauss(3.6 if group == "a" else 3.45, 0.45)), 1)
        debt = round(rng.expovariate(1 / (9 * season)), 1)
        months = round(max(0, min(12 * (age - 17), rng.expovariate(1 / 60))))
        late = min(9, sum(rng.random() < 0.25 for _ in range(6)))
        risk = _risk(drift or day >= DRIFT, income, debt, months, late) + REGIONS[region]
        label = str(int(rng.random() < 1 / (1 + math.exp(-risk))))
        known = label if day + LATE <= known_on else ""
        rows.append([f"c{day:04d}{number:02d}", str(day), str(age), group, region, f"{income}", f"{debt}",
                     str(months), str(late), known])  # fmt: skip
    return rows


def _risk(after: bool, income: float, debt: float, months: int, late: int) -> float:
    """Log-odds of a default, before the drift and after it."""
    if not after:
        return -1.0 - 2.4 * (math.log(income) - 3.5) + 0.1 * debt - 0.018 * months + 1.1 * (late - 1.5)
    return -1.5 - 1.0 * (math.log(income) - 3.5) + 0.2 * debt - 0.006 * months + 1.0 * (late - 1.5)


def batch(days: Iterable[int], *, seed: int = 7, known_on: int | None = None, drift: bool = False) -> list[Row]:
    """Rows of several days; left out, `known_on` is the last of them."""
    asked = list(days)
    known = max(asked) if known_on is None else known_on
    return [row for day in asked for row in day_of(day, seed, known, drift=drift)]


def shuffled(rows: list[Row], seed: int = 7) -> list[Row]:
    """The same rows with the known labels dealt out anew."""
    known = [row for row in rows if row[-1]]
    labels = [row[-1] for row in known]
    random.Random(seed).shuffle(labels)
    dealt = iter(labels)
    return [[*row[:-1], next(dealt) if row[-1] else ""] for row in rows]


def with_negative_ages(rows: list[Row], count: int) -> list[Row]:
    """The same rows; so many of the first have an age below zero."""
    return [[*row[:2], f"-{row[2]}", *row[3:]] if place < count else row for place, row in enumerate(rows)]


def write(path: Path, rows: list[Row], header: tuple[str, ...] = HEADER) -> None:
    """Write a batch, whole or not at all: as Parquet by that ending, otherwise as CSV."""
    part = path.with_name(path.name + ".part")
    if path.suffix == ".parquet":
        _write_parquet(part, rows, header)
    else:
        with open(part, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(header)
            writer.writerows(rows)
    part.replace(path)


def write_requests(path: Path, rows: list[Row]) -> Path:
    """Write rows to be predicted, without labels; the file beside it that tells what became of each customer."""
    labels = path.with_name(path.stem + ".labels.csv")
    write(path, [row[:-1] for row in rows], HEADER[:-1])
    write(labels, [[row[0], row[-1]] for row in rows], (HEADER[0], HEADER[-1]))
    return labels


def _write_parquet(path: Path, rows: list[Row], header: tuple[str, ...]) -> None:
    from pyarrow import Table, parquet  # the extra `tables`

    kinds = {"day": int, "age": int, "income": float, "debt": float, "months_employed": int, "late_before": int,
             "default": int}  # fmt: skip
    columns = {
        name: [None if row[place] == "" else kinds.get(name, str)(row[place]) for row in rows]
        for place, name in enumerate(header)
    }
    parquet.write_table(Table.from_pydict(columns), path)


def main() -> None:
    """Parse arguments; write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", metavar="FROM:TO", help="days of the batch, the last one not included")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the file to write (with --days)")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--known-on", type=int, metavar="DAY")
    parser.add_argument("--drift", action="store_true")
    parser.add_argument("--shuffle-labels", action="store_true")
    parser.add_argument("--negative-ages", type=int, default=0, metavar="N")
    parser.add_argument("--requests", action="store_true")
    args = parser.parse_args()
    if (args.days is None) != (args.out is None):
        parser.error("--days and --out go together")
    try:
        first, end = map(int, (args.days or "0:0").split(":"))
    except ValueError:
        parser.error(f"{args.days} is no FROM:TO, such as 180:270")
    if args.out and first >= end:
        parser.error(f"{args.days} holds no day")
    wanted = {args.out: range(first, end)} if args.out else {HOME / n: d for n, d in BATCHES.items()}
    known_on = args.known_on if args.out else LOOKED_ON
    for path, days in wanted.items():
        known_on = 10**6 if args.requests else known_on
        rows = batch(days, seed=args.seed, known_on=known_on, drift=args.drift)
        rows = shuffled(rows, args.seed) if args.shuffle_labels else rows
        rows = with_negative_ages(rows, args.negative_ages)
        if args.requests:
            print(f"{path}: {len(rows)} requests; {write_requests(path, rows)}: what became of them")
        else:
            write(path, rows)
            print(f"{path}: {len(rows)} rows, {sum(not row[-1] for row in rows)} of them without a label yet")


if __name__ == "__main__":
    main()
