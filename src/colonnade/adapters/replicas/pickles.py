# SPDX-License-Identifier: Apache-2.0
"""A scikit-learn model in a pickle, or as joblib writes it. It was judged before it was laid out here, and is judged
again now, in this process, from the handle that it is then read from: nothing can be put in between.
"""

from __future__ import annotations

import pickle
from pathlib import Path

from colonnade.adapters.replicas.estimators import model_of
from colonnade.adapters.replicas.model import Loading, need
from colonnade.adapters.replicas.table import TableModel

EXTRA = "pip install 'colonnade[sklearn]'"


def load(loading: Loading, path: Path) -> TableModel:
    """The model of a file. Raises SystemExit when it may not be loaded."""
    if loading.judge is None:
        raise SystemExit("nobody here judges pickles, so none is loaded")
    with path.open("rb") as file:
        if why := loading.judge.why_not(file, path.name):
            raise SystemExit(f"unsafe_pickle: {why}")
        need("sklearn", "a scikit-learn model", EXTRA)
        if path.suffix in {".joblib", ".sav"} or file.read(1) != pickle.PROTO:
            file.seek(0)
            estimator = need("joblib", "a file of joblib's", EXTRA).load(file)
        else:
            file.seek(0)
            estimator = pickle.load(file)  # noqa: S301  (judged a moment ago, from this handle)
    return model_of(estimator, path.parent, loading.threads, "sklearn_pickle")
