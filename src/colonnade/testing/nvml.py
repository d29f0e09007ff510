# SPDX-License-Identifier: Apache-2.0
"""A fake of NVIDIA's C library, behind the real `pynvml`: what our code calls is what it would call on a machine.

Every function is checked against `nvml_table.json`, which `nvml_header.py` wrote from NVIDIA's header: a call that is
not in it, with another number of arguments, or answered with a code that its comment does not list, fails the test.
"""

from __future__ import annotations

import contextlib
import importlib
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from colonnade.testing.nvml_driver import SimulatedDriver
from colonnade.testing.nvml_functions import FUNCTIONS
from colonnade.testing.nvml_table import TABLE, arguments, documented


class FakeNvml:
    """The library, over a simulated driver.

    Attributes:
        answers: by function, the code that it returns whatever is asked.
        calls: how often each function was called.
    """

    def __init__(self, driver: SimulatedDriver) -> None:
        self.driver = driver
        self.answers: dict[str, int] = {}
        self._absent: set[str] = set()
        self.calls: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Callable[..., int]:
        if not name.startswith("nvml") or name in self._absent:
            raise AttributeError(name)
        assert name in TABLE["functions"], f"{name} is not in nvml_table.json: take it up from the header first"

        def function(*args: Any) -> int:
            assert len(args) == arguments(name), f"{name} takes {arguments(name)} arguments, not {len(args)}"
            self.calls[name] += 1
            code = self.answers.get(name)
            if code is None:
                code = FUNCTIONS[name](self.driver, *args)
            assert code in documented(name), f"{name} does not return {code} by the header"
            return code

        return function

    def leave_out(self, *names: str) -> None:
        """From now on the driver is an older one, without these functions."""
        self._absent.update(names)
        for name in names:
            _pynvml()._nvmlGetFunctionPointer_cache.pop(name, None)


def _pynvml() -> Any:
    return importlib.import_module("pynvml")


@contextlib.contextmanager
def installed(driver: SimulatedDriver) -> Iterator[FakeNvml]:
    """Within, `pynvml` speaks to this driver."""
    pynvml = _pynvml()
    fake, before = FakeNvml(driver), (pynvml.nvmlLib, dict(pynvml._nvmlGetFunctionPointer_cache))
    pynvml.nvmlLib = fake
    pynvml._nvmlGetFunctionPointer_cache.clear()
    try:
        yield fake
    finally:
        pynvml.nvmlLib = before[0]
        pynvml._nvmlGetFunctionPointer_cache.clear()
        pynvml._nvmlGetFunctionPointer_cache.update(before[1])
