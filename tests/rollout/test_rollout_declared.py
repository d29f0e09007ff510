# SPDX-License-Identifier: Apache-2.0
"""What a declaration may say of rollouts, what it becomes, and where it is wrong, by its line."""

from __future__ import annotations

import struct

import pytest

from colonnade.app.settings.declaration import Declaration, parse_declaration
from colonnade.app.settings.rollout import Rollout
from colonnade.core.errors import DeclarationError
from colonnade.lifecycle.rollout.outputs import is_invalid
from colonnade.lifecycle.rollout.plan import Plan

HEAD = """\
version: 1
project: p
access: {groups: {everyone: ["*"], risk: [anna]}}
models:
  m: {data: d.csv, label: y, train: ./train.py, evaluate: ./evaluate.py}
services:
"""


def declared(*services: str) -> Declaration:
    return parse_declaration(HEAD + "\n".join(services) + "\n", "colonnade.yaml")


def rollout(text: str) -> Rollout:
    found = declared(f"  s: {{model: m, rollout: {{{text}}}}}").services["s"].rollout
    assert isinstance(found, Rollout)
    return found


def test_by_default_there_is_one_with_the_sizes_that_were_measured() -> None:
    assert declared("  s: {model: m}").services["s"].rollout is None
    plan = Rollout().plan(("svc_2", "svc_1"), (), ())
    assert (plan.canary.shadow_requests, plan.canary.stages) == (5_000, (1.0, 5.0, 25.0, 100.0))
    assert (plan.canary.min_labels, plan.quiet_ms, plan.services) == (0, 10_000, ("svc_1", "svc_2"))
    assert Plan.of(plan.to_json()) == plan


def test_everything_that_is_said_becomes_a_plan() -> None:
    said = rollout("shadow: 600, canary: [2.5, 50], alpha: 0.05, tolerances: {errors: 0.01}, min_labels: 50, "
                   "without_labels: ask, approve: [anna], groups: [a, b], quiet_s: 0.5, probation: false")  # fmt: skip
    plan = said.plan(("svc_1",), ("a", "b"), ("prn_1",))
    assert (plan.canary.stages, plan.canary.errors, plan.canary.groups) == ((2.5, 50.0), 0.01, ("a", "b"))
    assert (plan.canary.latency_reference, plan.quiet_ms, plan.approve) == (300, 500, ("prn_1",))
    assert Plan.of(plan.to_json()) == plan


@pytest.mark.parametrize(
    "text, said",
    [
        ("canary: [5, 1]", "must rise"),
        ("canary: [1, 120]", "at most 100"),
        ("shadow: 0, approve: [anna]", "after the shadow"),
        ("approve: [otto]", "there is no person 'otto'"),
        ("shadows: 3", "did you mean 'shadow'"),
        ("without_labels: wait", "hold"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_line(text: str, said: str) -> None:
    with pytest.raises(DeclarationError) as error:
        rollout(text)
    assert said in f"{error.value.message} {error.value.hint}"
    assert error.value.line == 7


def test_services_of_one_model_share_its_rollouts() -> None:
    assert declared("  a: {model: m, rollout: {shadow: 10}}", "  b: {model: m, rollout: {shadow: 10}}")
    with pytest.raises(DeclarationError, match="b and a answer with the same model") as error:
        declared("  a: {model: m}", "  b: {model: m, rollout: none}")
    assert error.value.line == 8
    with pytest.raises(DeclarationError, match="there is none"):
        declared("  a: {answer_with: {url: http://x, model: y}, rollout: none}")


@pytest.mark.parametrize(
    "data, mark, bad",
    [
        (b"[0.5, 1]", 0, False),
        (b'["a", "b"]', 0, False),
        (b"[null]", 0, True),
        (b"[NaN]", 0, True),
        (b"[[1, 2], [3, 4]]", 0, False),
        (b"[[1, 2], [3]]", 0, True),
        (b'[{"p": 0.1}, {"p": null}]', 0, True),
        (b"not json", 0, True),
        (b'{"outputs": [{"name": "y", "datatype": "FP32", "shape": [2], "data": [1.0, null]}]}', 0, True),
        (b'{"outputs": [{"name": "y", "datatype": "FP32", "shape": [2], "data": [1.0, 2.0]}]}', 0, False),
    ],
)
def test_answers_that_are_none_are_told(data: bytes, mark: int, bad: bool) -> None:
    assert is_invalid(data, mark) is bad


@pytest.mark.parametrize("kind, code, size", [("FP32", "f", 4), ("FP64", "d", 8), ("FP16", "e", 2), ("INT64", "q", 8)])
def test_tensors_in_bytes_are_looked_into(kind: str, code: str, size: int) -> None:
    head = (
        f'{{"outputs": [{{"name": "y", "datatype": "{kind}", "shape": [3], '
        f'"parameters": {{"binary_data_size": {3 * size}}}}}]}}'
    ).encode()
    good = struct.pack(f"<3{code}", 1, 2, 3)
    assert not is_invalid(head + good, len(head))
    if kind != "INT64":
        assert is_invalid(head + struct.pack(f"<3{code}", 1, float("nan"), 3), len(head))
