# SPDX-License-Identifier: Apache-2.0
"""What a model must do to be served, and what a way to load one is given. No engine is imported here.

Which files are whose stands in `formats`; each format is one file. Nothing is unpickled that has not been judged in
this very process, from the very handle that it is then read from.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Row = Mapping[str, Any] | Sequence[Any]
"""Values by their columns' names, or in the columns' order."""
Tensors = Mapping[str, "NDArray[np.generic]"]


class Unusable(Exception):
    """A request that the model cannot be asked: the sentence says why."""


class Loaded(Protocol):
    """A model in this process."""

    about: Mapping[str, Any]
    """platform, inputs and outputs (each name, datatype, shape), as the Open Inference Protocol names them."""
    batches: bool
    """Whether requests may be answered together."""

    def rows(self, rows: Sequence[Row]) -> Sequence[Any]:
        """One JSON value a row. Raises Unusable."""
        ...

    def tensors(self, given: Tensors) -> Mapping[str, NDArray[np.generic]]:
        """Outputs by name; the first axis of each is that of the inputs. Raises Unusable."""
        ...


class Judge(Protocol):
    """Says what may be loaded. Reads; never loads."""

    def why_not(self, file: BinaryIO, name: str) -> str:
        """Why this open file may not be unpickled, or ""; it is at its beginning again afterwards."""
        ...

    def known(self, module: str, name: str) -> bool:
        """Whether a global is on the allow-list."""
        ...


@dataclass(frozen=True, slots=True)
class Loading:
    """What a way to load is given.

    Attributes:
        folder: the version's files, for reading only.
        code: the folder of the user's own script; script: its name, or "".
        threads: how many threads the model may compute with.
        judge: None where nobody judges; then no pickle is loaded.
    """

    folder: Path
    code: Path
    script: str = ""
    threads: int = 1
    judge: Judge | None = None


NOT_NEEDED = ("sklearn", "pandas", "pyarrow", "dask", "matplotlib", "graphviz")
"""What LightGBM and XGBoost import where it is there, for ways to be called that a replica does not use: 70 MiB."""


def need(module: str, what: str, pip: str, *, without: Sequence[str] = ()) -> Any:
    """An engine's module, which is to believe that `without` are not installed. Raises SystemExit with the line that
    installs it.
    """
    modules: dict[str, Any] = sys.modules
    hidden = [name for name in without if name not in modules]
    try:
        modules |= dict.fromkeys(hidden)  # None: an import fails
        return importlib.import_module(module)
    except ImportError as missing:
        name = module.partition(".")[0]
        raise SystemExit(f"{what} needs {name}, which is not installed: {pip} ({missing})") from missing
    finally:
        for name in hidden:
            del modules[name]
