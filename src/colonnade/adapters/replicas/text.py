# SPDX-License-Identifier: Apache-2.0
"""The built-in model of texts, as `adapters.learning.texts` writes it: JSON and arrays, none of them a program. It
embeds with the same model that it was trained with, in this process.
"""

from __future__ import annotations

from pathlib import Path

from colonnade.adapters.learning.texts import TextModel
from colonnade.adapters.replicas.columns import Columns, Matrix
from colonnade.adapters.replicas.model import Loading
from colonnade.adapters.replicas.table import Found, TableModel, of_classes
from colonnade.core.errors import ColonnadeError


def load(loading: Loading, path: Path) -> TableModel:
    """The model of a folder. Raises SystemExit with a sentence, as when the embedder's weights are not installed."""
    try:
        model = TextModel.load(path.parent, threads=loading.threads)
    except ColonnadeError as error:
        raise SystemExit(f"{error.message}; {error.hint}" if error.hint else error.message) from error
    answer = of_classes(model.classes)

    def ask(matrix: Matrix) -> Found:
        rows = [[str(value) for value in row if value == value] for row in matrix.tolist()]
        return answer(model.predict(["\n".join(filter(None, (value.strip() for value in row))) for row in rows]))

    names = tuple(model.text)
    return TableModel("colonnade_text", Columns(len(names), names, texts=frozenset(names)), ask, model.classes)
