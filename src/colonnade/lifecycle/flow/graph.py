# SPDX-License-Identifier: Apache-2.0
"""What a pipeline calls: steps in an order in which each comes after what it needs. Read from the document that the SDK
makes; pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from colonnade.core.claims import WHOLE, Claim
from colonnade.core.errors import UsageError
from colonnade.core.quantities import mib_of, milli_of
from colonnade.lifecycle.flow.values import marked

MOST_STEPS = 10_000
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(-[0-9]+)?\Z")


@dataclass(frozen=True)
class Node:
    """One call of a function.

    Attributes:
        id: the function's name, with a number where it is called again.
        function: "" for a value that is only put together: what a pipeline within a pipeline gives.
        call: args and kwargs, with marks as `values` says.
        needs: ids of the nodes whose results are in the call.
    """

    id: str
    function: str
    call: Mapping[str, Any]
    needs: tuple[str, ...]
    claim: Claim
    retries: int
    timeout_ms: int

    @property
    def inline(self) -> bool:
        """Whether it is a small step of ours."""
        return not self.function

    @property
    def each(self) -> bool:
        """Whether it is called once for each item of something."""
        return any(marked(self.call, "$each"))


@dataclass(frozen=True)
class Graph:
    """The nodes in order, what the pipeline gives, and the project's files that it takes in."""

    nodes: tuple[Node, ...]
    result: Any
    inputs: tuple[str, ...]


def read_graph(told: Any) -> Graph:
    """The graph of a plan. Raises UsageError for what is none: the plan was made by a user's code."""
    try:
        nodes = tuple(_node(one) for one in told["nodes"])
        result = told["result"]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(f"the pipeline's plan cannot be read: {error}", code="plan_invalid") from error
    if len(nodes) > MOST_STEPS:
        raise UsageError(f"the pipeline has {len(nodes)} steps; {MOST_STEPS} are the most", code="plan_invalid")
    known: set[str] = set()
    for node in nodes:
        if node.id in known or not _NAME.match(node.id) or not known.issuperset(node.needs):
            raise UsageError(f"the step {node.id!r} is there twice, or before what it needs", code="plan_invalid")
        known.add(node.id)
    if not known.issuperset(needs_of(result)):
        raise UsageError("the pipeline gives what none of its steps makes", code="plan_invalid")
    calls = [node.call for node in nodes]
    inputs = sorted({str(one["$input"]) for one in marked([*calls, result], "$input")})
    return Graph(nodes, result, tuple(inputs))


def needs_of(value: Any) -> tuple[str, ...]:
    """Whose results a value is made of, each once."""
    return tuple(dict.fromkeys(str(one["$from"]) for one in marked(value, "$from")))


def _node(told: Mapping[str, Any]) -> Node:
    options = told["options"]
    gpus, memory = int(options.get("gpus", 0)), options.get("memory")
    claim = Claim(
        gpus=gpus,
        gpu_milli=milli_of(options.get("gpu", 1)) if gpus else WHOLE,
        cpu_milli=milli_of(options.get("cpu", 0)),
        memory_mib=mib_of(memory) if memory else 0,
    )
    call = {"args": list(told["args"]), "kwargs": dict(told["kwargs"])}
    return Node(
        str(told["id"]), str(told["function"]), call, needs_of(call), claim,
        int(options.get("retries", 0)), int(float(options.get("timeout_s", 3600)) * 1000),
    )  # fmt: skip
