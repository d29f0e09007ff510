# SPDX-License-Identifier: Apache-2.0
"""A model left alone on a drifting stream: static, retrained at every batch, an oracle, and our alarm and renewal.

python bench/stream.py [--learner trees] [--out DIR]            # writes bench/results/stream.json and a picture of SEA
python bench/stream.py --data x.csv --labels y.csv --drifts 12500,25000   # one stream of yours; prints, writes nothing

Prequential: every row is predicted, then its label is known. All train on at most 1,000 rows with the same learner.
  static    the first 1,000 rows, for ever
  batches   the last 1,000 rows, every 1,000 rows
  oracle    knows every drift and retrains once for each, on the 1,000 rows after it
  ours      `observe.drift.EDetector` on the errors, `lifecycle.renewal` for what follows an alarm; knows no drift.
            As in the product, a version learns from three quarters of its rows and is measured on the newest quarter

SEA (Street and Kim, 2001) is read from ../shared/data; the other streams are made here: Gaussians that change places,
more of them each time, and planes that turn at random moments by random angles, some by next to nothing.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colonnade.app.pictures.chart import chart
from colonnade.app.pictures.panels import Axis, Lines, Series
from colonnade.lifecycle.renewal import WINDOW, Baseline, Renewal
from colonnade.observe.drift.edetector import EDetector
from report import write_result

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "drift_streams"
CHUNK = 50
"""Rows between two looks; labels come with each."""
SHOWN = 1_000
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Model = Callable[[Floats], Ints]
Learner = Callable[[Floats, Ints], Model]


@dataclass
class Stream:
    """Rows, labels, and the first row of each new time (for the oracle only)."""

    name: str
    x: Floats
    y: Ints
    drifts: Sequence[int]


@dataclass
class Run:
    """How one policy fared: a flag a row from WINDOW on, at which rows it retrained, what it cost."""

    right: NDArray[np.bool_]
    retrained: list[int] = field(default_factory=list)
    alarms: int = 0
    called_off: int = 0
    cpu_s: float = 0.0

    @property
    def accuracy(self) -> float:
        return float(self.right.mean())


def trees(x: Floats, y: Ints) -> Model:
    """LightGBM, one thread, small."""
    import lightgbm

    classes, places = np.unique(y, return_inverse=True)
    if len(classes) == 1:
        return lambda rows: np.full(len(rows), classes[0])
    two = len(classes) == 2
    options: dict[str, Any] = {"verbosity": -1, "num_threads": 1, "seed": 7, "learning_rate": 0.1, "num_leaves": 15}
    options |= {"min_data_in_leaf": 10, "objective": "binary" if two else "multiclass"}
    options |= {} if two else {"num_class": len(classes)}
    booster = lightgbm.train(options, lightgbm.Dataset(x, places, params={"verbosity": -1}), 40 if two else 25)

    def predict(rows: Floats) -> Ints:
        found = np.asarray(booster.predict(rows))
        return np.asarray(classes[(found > 0.5).astype(int) if found.ndim == 1 else found.argmax(1)])

    return predict


def bayes(x: Floats, y: Ints) -> Model:
    """Gaussian naive Bayes."""
    from sklearn.naive_bayes import GaussianNB

    found = GaussianNB().fit(x, y)
    return lambda rows: np.asarray(found.predict(rows))


def planned(stream: Stream, learner: Learner, moments: Sequence[int]) -> Run:
    """Retrained at given rows, on the last WINDOW rows."""
    began = time.process_time()
    model, at, right = learner(stream.x[:WINDOW], stream.y[:WINDOW]), WINDOW, []
    moments = [moment for moment in moments if WINDOW < moment < len(stream.y)]
    for moment in [*moments, len(stream.y)]:
        right.append(model(stream.x[at:moment]) == stream.y[at:moment])
        if moment < len(stream.y):
            model = learner(stream.x[moment - WINDOW : moment], stream.y[moment - WINDOW : moment])
        at = moment
    return Run(np.concatenate(right), moments, cpu_s=time.process_time() - began)


def alone(stream: Stream, learner: Learner) -> Run:
    """Ours: nobody tells it anything but labels."""
    began, x, y = time.process_time(), stream.x, stream.y

    def version(first: int, end: int) -> tuple[Model, Baseline]:
        held = end - (end - first) // 4
        model = learner(x[first:held], y[first:held])
        return model, Baseline(float((model(x[held:end]) != y[held:end]).sum()), end - held)

    run, right = Run(np.zeros(0, bool)), []
    model, baseline = version(0, WINDOW)
    detector, offset = EDetector.from_counts(*baseline.counts), WINDOW
    renewal: Renewal | None = None
    for at in range(WINDOW, len(y), CHUNK):
        end = min(at + CHUNK, len(y))
        wrong = model(x[at:end]) != y[at:end]
        right.append(~wrong)
        after = 0
        for place, one in enumerate(wrong):
            if renewal is not None:
                break
            after = place + 1
            if detector.update(float(one)):
                alarm = detector.last
                assert alarm is not None
                run.alarms += 1
                renewal = Renewal(offset + alarm.since - 1, at + place, alarm.mean, alarm.observed)
            elif baseline.take(float(one), 1):
                detector, offset = EDetector.from_counts(*baseline.counts), at + place + 1
        if renewal is None:
            continue
        said = renewal.take(float(wrong[after:].sum()), len(wrong) - after)
        if said == "train":
            model, baseline = version(max(renewal.since, end - WINDOW), end)
            run.retrained.append(end)
        run.called_off += said == "call_off"
        if said != "wait":
            detector, offset, renewal = EDetector.from_counts(*baseline.counts), end, None
    run.right, run.cpu_s = np.concatenate(right), time.process_time() - began
    return run


def compare(stream: Stream, learner: Learner) -> dict[str, Run]:
    """Every policy on one stream."""
    batches = range(2 * WINDOW, len(stream.y), WINDOW)
    return {
        "static": planned(stream, learner, []),
        "batches": planned(stream, learner, batches),
        "oracle": planned(stream, learner, [drift + WINDOW for drift in stream.drifts]),
        "ours": alone(stream, learner),
    }


def sea() -> Stream:
    """50,000 rows, 10 % of the labels wrong, three drifts."""
    x = np.loadtxt(SHARED / "SEA_training_data.csv", delimiter=",")
    return Stream("SEA", x, np.loadtxt(SHARED / "SEA_training_class.csv").astype(int), (12_500, 25_000, 37_500))


def swapping(seed: int, rows: int = 60_000, classes: int = 15, every: int = 3_000, spread: float = 0.05) -> Stream:
    """Gaussians of random shape in the plane, one a class, that change places every so many rows, more each time."""
    rng = np.random.default_rng(seed)
    centres, shapes = rng.random((classes, 2)), rng.normal(size=(classes, 2, 2)) * spread
    places, moving = np.arange(classes), 2
    xs, ys = [], []
    for first in range(0, rows, every):
        if first:
            who = rng.choice(classes, moving, replace=False)
            places[who] = np.roll(places[who], 1)
            moving = moving + 1 if moving < classes else 2
        y = rng.integers(classes, size=every)
        xs.append(centres[places[y]] + np.einsum("ij,ijk->ik", rng.normal(size=(every, 2)), shapes[y]))
        ys.append(y)
    return Stream(f"swapping-{seed}", np.concatenate(xs), np.concatenate(ys), tuple(range(every, rows, every)))


def turning(seed: int, rows: int = 60_000, columns: int = 10, noise: float = 0.05) -> Stream:
    """Which side of a plane a point lies on; the plane turns at random moments, sometimes by next to nothing."""
    rng = np.random.default_rng(seed)
    x, y, drifts = rng.random((rows, columns)), np.zeros(rows, dtype=int), []
    first, normal = 0, rng.normal(size=columns)
    while first < rows:
        end = min(rows, first + int(rng.integers(1_500, 8_000)))
        y[first:end] = (x[first:end] - 0.5) @ normal > 0
        normal = normal + rng.normal(size=columns) * rng.choice([0.3, 0.6, 1.5])
        first = end
        if first < rows:
            drifts.append(first)
    flipped = rng.random(rows) < noise
    y[flipped] = 1 - y[flipped]
    return Stream(f"turning-{seed}", x, y, tuple(drifts))


def row(stream: Stream, name: str, runs: dict[str, Run]) -> dict[str, Any]:
    """One line of the result."""
    oracle, ours = runs["oracle"], runs["ours"]
    return {
        "stream": stream.name, "learner": name, "drifts": len(stream.drifts),
        "accuracy": {policy: round(run.accuracy, 4) for policy, run in runs.items()},
        "retrainings": {policy: len(run.retrained) for policy, run in runs.items()},
        "cpu_s": {policy: round(run.cpu_s, 2) for policy, run in runs.items()},
        "alarms": ours.alarms, "called_off": ours.called_off,
        "of_oracle": round(ours.accuracy / oracle.accuracy, 4),
        "retrainings_of_oracle": round(len(ours.retrained) / len(oracle.retrained), 2) if oracle.retrained else None,
    }  # fmt: skip


def picture(stream: Stream, runs: dict[str, Run]) -> bytes:
    """Accuracy of the last SHOWN rows over the stream, and when ours retrained."""
    series = []
    for policy, run in runs.items():
        sums = np.cumsum(np.concatenate([[0], run.right.astype(float)]))
        ends = np.arange(SHOWN, len(run.right), 250)
        values = tuple((sums[ends] - sums[ends - SHOWN]) / SHOWN)
        series.append(Series(policy, values, tuple((WINDOW + ends).astype(float)), strong=policy == "ours"))
    ours = runs["ours"]
    title = f"Left alone on {stream.name}: {ours.accuracy:.1%} right, the oracle {runs['oracle'].accuracy:.1%}"
    marks = ", ".join(f"{at:,}" for at in ours.retrained)
    said = f"drifts at {', '.join(f'{d:,}' for d in stream.drifts)}; retrained at {marks}; "
    said += (
        f"{ours.alarms} alarms, {ours.called_off} called off; batches retrained {len(runs['batches'].retrained)} times"
    )
    axis = Axis("accuracy of the last 1,000 rows", say="{:.0%}".format, exact="{:.1%}".format)
    panel = Lines("", tuple(series), x=Axis("rows", say="{:,.0f}".format), y=axis)
    return chart(title, [[panel]], subtitle=said)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--labels", type=Path)
    parser.add_argument("--drifts", default="")
    parser.add_argument("--learner", choices=("trees", "bayes"))
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    learners: dict[str, Learner] = {"trees": trees, "bayes": bayes}
    if asked.learner:
        learners = {asked.learner: learners[asked.learner]}
    if asked.data:
        delimiter = "," if "," in asked.data.open().readline() else None
        x, y = np.loadtxt(asked.data, delimiter=delimiter), np.loadtxt(asked.labels).astype(int)
        streams = [Stream(asked.data.name, x, y, [int(d) for d in asked.drifts.split(",") if d])]
    else:
        made = [make(seed) for seed in range(40, 40 + asked.seeds) for make in (swapping, turning)]
        streams = [*([sea()] if SHARED.exists() else []), *made]
    rows = []
    for stream in streams:
        for name, learner in learners.items():
            runs = compare(stream, learner)
            rows.append(row(stream, name, runs))
            print(json.dumps(rows[-1]), flush=True)
            if stream.name == "SEA" and name == "trees" and asked.out:
                (asked.out / "stream-sea.png").write_bytes(picture(stream, runs))
    if not asked.data:
        write_result(
            "stream",
            asked="at least 95 % of an oracle's accuracy at no more than 1.3 times its retrainings, left alone",
            ran=f"{len(streams)} streams, {', '.join(learners)}; labels right after each prediction, steps of {CHUNK}",
            rows=rows,
            seeds=list(range(40, 40 + asked.seeds)),
        )


if __name__ == "__main__":
    main()
