# SPDX-License-Identifier: Apache-2.0
"""A scikit-learn model kept by skops, which names every type in its file instead of pickling it. Types that skops
itself trusts and those on the allow-list of `colonnade scan` are loaded; any other is named, and the model refused.
"""

from __future__ import annotations

from pathlib import Path

from colonnade.adapters.replicas.estimators import model_of
from colonnade.adapters.replicas.model import Loading, need
from colonnade.adapters.replicas.table import TableModel

EXTRA = "pip install 'colonnade[sklearn]'"
LEAST = (0, 12)
"""Versions before hid types from the list that they gave (CVE-2025-54412, CVE-2025-54413)."""


def load(loading: Loading, path: Path) -> TableModel:
    """The model of a file."""
    need("sklearn", "a scikit-learn model", EXTRA)
    package, io = need("skops", "a skops file", EXTRA), need("skops.io", "a skops file", EXTRA)
    if tuple(int(part) for part in package.__version__.split(".")[:2]) < LEAST:
        raise SystemExit(f"skops {package.__version__} hides types from its own list: pip install -U 'skops>=0.12'")
    if loading.judge is None:
        raise SystemExit("nobody here judges what may be loaded, so no skops file is")
    data = path.read_bytes()
    unknown = io.get_untrusted_types(data=data)
    foreign = [name for name in unknown if not loading.judge.known(*_split(name))]
    if foreign:
        raise SystemExit(
            f"{path.name} holds types that nobody vouches for: {', '.join(foreign[:5])}; "
            "write the model as ONNX, or serve it with a script of yours"
        )
    return model_of(io.loads(data, trusted=unknown), path.parent, loading.threads, "sklearn_skops")


def _split(name: str) -> tuple[str, str]:
    module, _, last = name.rpartition(".")
    return module, last
