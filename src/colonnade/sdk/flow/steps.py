# SPDX-License-Identifier: Apache-2.0
"""The decorators. A call of a step runs the function, as if nothing stood above it; only while a pipeline is planned
does it become a promise, and a node of the plan. So a pipeline can be tried, tested and debugged as plain Python.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Generic, ParamSpec, TypeVar, overload

P = ParamSpec("P")
R = TypeVar("R")
OPTIONS = ("retries", "timeout_s", "gpus", "gpu", "cpu", "memory")


@dataclass
class Plan:
    """What has been called so far."""

    nodes: list[dict[str, Any]] = field(default_factory=list)
    names: dict[str, int] = field(default_factory=dict)

    def add(self, function: str, name: str, args: list[Any], kwargs: dict[str, Any], options: Mapping[str, Any]) -> str:
        """A call as a node; its id."""
        count = self.names[name] = self.names.get(name, 0) + 1
        node = name if count == 1 else f"{name}-{count}"
        self.nodes.append({"id": node, "function": function, "args": args, "kwargs": kwargs, "options": dict(options)})
        return node


_planning: ContextVar[Plan | None] = ContextVar("planning", default=None)


@contextmanager
def planning(plan: Plan) -> Iterator[None]:
    """Calls of steps are written into the plan, and run nothing."""
    token = _planning.set(plan)
    try:
        yield
    finally:
        _planning.reset(token)


class Promise:
    """What a step will give. It can be handed to other steps, whole or in parts (`promise["model"]`), and nothing else:
    its value is not known while a pipeline is planned.
    """

    def __init__(self, node: str, path: tuple[Any, ...] = ()) -> None:
        self.node, self.path = node, path

    def __getitem__(self, key: str | int) -> Promise:
        if not isinstance(key, str | int):
            raise TypeError("a part of what a step gives is named by a word or a number")
        return Promise(self.node, (*self.path, key))

    def __repr__(self) -> str:
        return f"<what {self.node} will give>"

    def _unknown(self, *_: object) -> Any:
        raise TypeError(
            f"what {self.node} gives is not known while the pipeline is planned; hand it to a step, "
            "or call a step for each of its items with each()"
        )

    __bool__ = __iter__ = __len__ = __int__ = __float__ = __index__ = __contains__ = _unknown
    __eq__ = __lt__ = __le__ = __gt__ = __ge__ = _unknown
    __add__ = __radd__ = __sub__ = __mul__ = __truediv__ = _unknown
    __hash__ = object.__hash__


@dataclass(frozen=True)
class Each:
    """See `each`."""

    items: Any


def each(items: Any) -> Any:
    """Call the step once for each of these items: a list, or what a step gives if that is a list. The call then gives
    the list of results. Several lists go side by side, and are of one length.
    """
    return Each(items)


class Step(Generic[P, R]):
    """A function that is a step of pipelines. Made by `step`."""

    def __init__(self, function: Callable[P, R], options: Mapping[str, Any]) -> None:
        functools.update_wrapper(self, function)
        self.function, self.options = function, options
        self._signature = inspect.signature(function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        bound = self._signature.bind(*args, **kwargs)  # a wrong call is said where it is written
        plan = _planning.get()
        if plan is None:
            found: R = self._here(bound.args, bound.kwargs)
            return found
        name = self.function.__name__
        promise: Any = Promise(plan.add(name, name, list(bound.args), dict(bound.kwargs), self.options))
        return promise  # type: ignore[no-any-return]

    def _here(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run it now, in this process."""
        lists = [len(value.items) for value in (*args, *kwargs.values()) if isinstance(value, Each)]
        if not lists:
            return self.function(*args, **kwargs)
        if len(set(lists)) != 1:
            raise ValueError(f"each() was given lists of {sorted(set(lists))} items")

        def at(value: Any, place: int) -> Any:
            return value.items[place] if isinstance(value, Each) else value

        return [
            self.function(*(at(one, n) for one in args), **{name: at(one, n) for name, one in kwargs.items()})
            for n in range(lists[0])
        ]


class Pipeline(Generic[P, R]):
    """A function that calls steps. Made by `pipeline`. Called, it runs everything here and now; `run` has it run by a
    daemon, each step in a process of its own, and none that was done before.
    """

    def __init__(self, function: Callable[P, R]) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self._signature = inspect.signature(function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        plan = _planning.get()
        if plan is None:
            return self.function(*args, **kwargs)
        given = self.function(*args, **kwargs)
        promise: Any = Promise(plan.add("", self.function.__name__, [given], {}, {}))
        return promise  # type: ignore[no-any-return]

    def plan(self, parameters: Mapping[str, Any]) -> tuple[Plan, Any]:
        """(what it calls, what it gives), with these parameters. Runs no step."""
        plan = Plan()
        asked: Callable[..., Any] = self.function
        with planning(plan):
            return plan, asked(**parameters)

    def check(self, parameters: Mapping[str, Any]) -> None:
        """Raise TypeError unless these are its parameters."""
        self._signature.bind(**parameters)

    def run(self, *, url: str | None = None, key: str | None = None, **parameters: Any) -> Any:
        """Have the daemon run it, wait, and give its result; files are given as `Path`s of copies.

        The daemon is the one of the nearest `colonnade.yaml` above the pipeline's file, unless `url` and `key` say
        otherwise; the file lies beside or below that. Raises `NeedsDaemon` where none runs, `PipelineFailed`.
        """
        from colonnade.sdk.flow.remote import run_remotely

        return run_remotely(inspect.getfile(self.function), self.function.__name__, parameters, url, key)


@overload
def step(function: Callable[P, R], /) -> Step[P, R]: ...
@overload
def step(
    *,
    retries: int = ...,
    timeout_s: float = ...,
    gpus: int = ...,
    gpu: float = ...,
    cpu: float = ...,
    memory: str = ...,
) -> Callable[[Callable[P, R]], Step[P, R]]: ...
def step(function: Callable[P, R] | None = None, /, **options: Any) -> Any:
    """Make a function a step.

    Args:
        retries: how often it is tried again when it fails; 0.
        timeout_s: it is ended after so many seconds; 3600.
        gpus, gpu: how many devices, and the share of each; 0 and 1.
        cpu, memory: cores, and an amount as "2GiB".
    """
    strange = options.keys() - set(OPTIONS)
    if strange:
        raise TypeError(f"step() has no option {sorted(strange)[0]!r}; it has {', '.join(OPTIONS)}")
    if function is None:
        return lambda found: Step(found, options)
    return Step(function, options)


def pipeline(function: Callable[P, R]) -> Pipeline[P, R]:
    """Make a function that calls steps a pipeline. Its parameters need values that JSON has."""
    return Pipeline(function)
