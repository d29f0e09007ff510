# SPDX-License-Identifier: Apache-2.0
"""The allow-list, put together: which globals a pickle may import, and what it may do with each.

An entry is a module and one name in it, spelt as the pickle spells it. No pattern, no module as a whole, and no dotted
name: `os.system` under a listed module is another name, and not listed. The tables with their reasons are in
`allowed_plain`, `allowed_sklearn` and `allowed_torch`; how calls are checked further is in `calls`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache

from colonnade.observe.security import allowed_plain, allowed_sklearn, allowed_torch

VALUE, MADE, CALLED = "value", "made", "called"
"""A value in the state of something; an instance without its constructor; a call with arguments."""

_SPELLINGS = {"__builtin__": "builtins", "copy_reg": "copyreg", "numpy.core": "numpy._core"}
"""Modules as protocols before 3, and numpy before 2, spell them."""
_OLD_NUMPY = ("multiarray", "numeric")


@cache
def allowed() -> Mapping[tuple[str, str], frozenset[str]]:
    """(module, name) -> the uses that are allowed."""
    table: dict[tuple[str, str], set[str]] = {}
    for use, part in _parts():
        for module, names in part.items():
            for name in names.split():
                table.setdefault((module, name), {VALUE}).add(use)
    return {key: frozenset(uses) for key, uses in table.items()}


def uses(module: str, name: str) -> frozenset[str]:
    """What a pickle may do with this global; empty: it may not even import it."""
    module = _SPELLINGS.get(module, module)
    if module.startswith("numpy.core.") and module[11:] in _OLD_NUMPY:
        module = "numpy._core." + module[11:]
    return allowed().get((module, name), frozenset())


def _parts() -> Iterable[tuple[str, Mapping[str, str]]]:
    return (
        (CALLED, allowed_plain.CALLED),
        (MADE, allowed_plain.MADE),
        (VALUE, allowed_plain.VALUES),
        (MADE, allowed_sklearn.ESTIMATORS),
        (VALUE, allowed_sklearn.VALUES),
        (CALLED, allowed_torch.CALLED),
        (VALUE, allowed_torch.VALUES),
        (MADE, allowed_torch.MODULES),
    )
