# SPDX-License-Identifier: Apache-2.0
"""What may be declared about retraining, capture, labels and alarms; and what is said of the rest."""

from __future__ import annotations

import pytest

from colonnade.app.settings.declaration import Declaration, parse_declaration
from colonnade.app.settings.retrain import Retrain
from colonnade.app.settings.watch import Alarms, Capture, Labels
from colonnade.core.errors import DeclarationError
from colonnade.lifecycle.watching.due import RetrainRule
from colonnade.lifecycle.watching.rules import AlarmRule, CaptureRule, LabelRule

TEXT = """\
version: 1
project: p
models:
  m:
    data: data/*.csv
    label: y
    train: train.py
    evaluate: evaluate.py
    retrain: {RETRAIN}
services:
  s: {model: m, SERVICE}
"""


def declared(retrain: str = "{}", service: str = "limit: 1") -> Declaration:
    return parse_declaration(TEXT.replace("{RETRAIN}", retrain).replace("SERVICE", service), "colonnade.yaml")


def test_the_defaults_are_those_of_the_rules() -> None:
    assert Retrain().rule() == RetrainRule()
    assert Capture().rule() == CaptureRule(30 * 86_400_000, 1.0, 2 << 30)
    assert Labels().rule("y") == LabelRule("", "y")
    assert Alarms().rule() == AlarmRule(10_000, 0.01, 0.005)


def test_everything_that_can_be_said() -> None:
    found = declared(
        '{on: [data, alarm], at: "03:30", settle: 2s, cooldown: 1h, gpu_hours_per_day: 1.5, per_day: 3, '
        "window: recent, rows: 80}",
        "capture: {keep: 7d, share: 0.1, most: 1GiB}, "
        "labels: {key: customer, score: error, metric: hit, writers: [everyone]}, "
        "alarms: {run_length: 500, errors: 0.1, latency: 50ms, off: [missing]}",
    )
    assert found.models["m"].retrain.rule() == RetrainRule(
        frozenset({"data", "alarm"}), None, 210, 2000, 3_600_000, 5_400_000, 3, "recent", 80
    )
    service = found.services["s"]
    assert isinstance(service.capture, Capture)
    assert service.capture.rule() == CaptureRule(604_800_000, 0.1, 1 << 30)
    assert service.alarms is not None
    assert service.alarms.rule() == AlarmRule(500, 0.1, 0.005, 50, frozenset({"missing"}))
    assert declared(service="capture: none").services["s"].capture == "none"


@pytest.mark.parametrize(
    ("retrain", "service", "said"),
    [
        ("{every: soon}", "limit: 1", "'soon' is no length of time: write for example 90s, 15m, 12h or 30d"),
        ('{at: "25:00"}', "limit: 1", "'25:00' is no time of day: write for example 03:00"),
        ('{at: "03:00", every: 1d}', "limit: 1", "a schedule has either `every` or `at`"),
        ("{cool: 1s}", "limit: 1", "'cool' is not a key here"),
        ("{}", "labels: {metric: hit}", "name the score, too"),
        ("{}", "alarms: {off: [errors, errors]}", "a measure stands there twice"),
        ("{}", "labels: {writers: [nobody]}", "there is no group 'nobody'"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_a_sentence(retrain: str, service: str, said: str) -> None:
    with pytest.raises(DeclarationError) as error:
        declared(retrain, service)
    assert said in error.value.message


def test_only_services_with_a_model_are_watched() -> None:
    text = TEXT.replace("{RETRAIN}", "{}").replace("model: m, SERVICE", "knowledge: k, capture: none")
    with pytest.raises(DeclarationError) as error:
        parse_declaration(text + "knowledge:\n  k: {sources: [{path: docs}]}\n", "colonnade.yaml")
    assert "go with a `model`" in error.value.message
