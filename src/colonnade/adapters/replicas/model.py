# SPDX-License-Identifier: Apache-2.0
"""What a model must do to be served, and which of the ways to load it fits the files. No engine is imported here.

Nothing is unpickled by any of the ways; a user's own script may load what it likes, in this process, after the files
were judged.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Row = Mapping[str, Any]
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


def load(folder: Path, code: Path, script: str) -> Loaded:
    """The model in a folder: by the user's script if there is one, else by what the files are.

    Raises SystemExit with a sentence when nothing here can load it.
    """
    made: Loaded
    graphs = sorted(folder.rglob("*.onnx"))
    if script:
        made = importlib.import_module("colonnade.adapters.replicas.script").ScriptModel(folder, code, script)
        return made
    if len(graphs) == 1:
        made = importlib.import_module("colonnade.adapters.replicas.onnx").OnnxModel(graphs[0])
        return made
    if graphs:
        raise SystemExit(f"the model holds {len(graphs)} ONNX files, and one is served: {graphs[0].name}, ...")
    names = ", ".join(path.name for path in sorted(folder.rglob("*")) if path.is_file())
    raise SystemExit(
        f"nothing here serves {names}: write the model as ONNX, or give the service a script (`serve: ./serve.py` with "
        "load(folder) and predict(model, rows))"
    )
