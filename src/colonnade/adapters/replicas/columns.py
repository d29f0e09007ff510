# SPDX-License-Identifier: Apache-2.0
"""Rows and tensors into the matrix that a model of tables is asked with: columns by their names, in the model's order.

A value that is empty (null, "") is NaN. A row without one of the columns is refused by name; columns that the model
does not know are left aside, because files have more of them than models need. No engine here.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colonnade.adapters.replicas.model import Row, Tensors, Unusable

INPUT = "input"
"""The name of the one tensor of a model whose columns have no names."""
NAMED_AT_MOST = 12
Matrix = NDArray[Any]
WRONG = (TypeError, ValueError, OverflowError)


@dataclass(frozen=True, slots=True)
class Columns:
    """What a model is asked with.

    Attributes:
        count: how many columns.
        names: theirs, in order; empty where nobody knows them.
        codes: columns of words whose words are numbered here: name -> words in order; another word is missing.
        texts: columns that the model takes as text itself.
    """

    count: int
    names: tuple[str, ...] = ()
    codes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    texts: frozenset[str] = frozenset()

    @property
    def inputs(self) -> list[dict[str, Any]]:
        """As the Open Inference Protocol's metadata names them: one tensor a column, or one for all without names."""
        if not self.names:
            return [{"name": INPUT, "datatype": "FP64", "shape": [-1, self.count]}]
        words = self.texts.union(self.codes)
        return [{"name": n, "datatype": "BYTES" if n in words else "FP64", "shape": [-1]} for n in self.names]

    def of_rows(self, rows: Sequence[Row]) -> Matrix:
        """[rows, columns]. Raises Unusable, with the row and the column."""
        try:
            values = [
                [row[name] for name in self.names] if isinstance(row, Mapping) else self._listed(row) for row in rows
            ]
        except KeyError:
            raise Unusable(self._missing(rows)) from None
        if not self.names and any(isinstance(row, Mapping) for row in rows):
            raise Unusable(f"the model's columns have no names: a row is a list of {self.count} values")
        return self._matrix(values)

    def of_tensors(self, given: Tensors) -> Matrix:
        """[rows, columns]: a tensor a column, or one tensor [rows, columns] of any name. Raises Unusable."""
        if len(given) == 1 and (self.count > 1 or not self.names):
            ((name, array),) = given.items()
            if array.ndim == 2 and array.shape[1] == self.count:
                return self._matrix(array.tolist()) if array.dtype == object else array.astype(np.float64)
            if name not in self.names:
                raise Unusable(f"the input {name!r} has the shape [-1, {self.count}], not {list(array.shape)}")
        if missing := [name for name in self.names or (INPUT,) if name not in given]:
            raise Unusable(f"the input {_listed(missing)} is missing")
        columns = [given[name] for name in self.names]
        for name, array in zip(self.names, columns, strict=True):
            if array.shape[1:] not in {(), (1,)} or not array.ndim:
                raise Unusable(f"the input {name!r} has the shape [-1], not {list(array.shape)}")
        return self._matrix(list(zip(*(array.reshape(-1).tolist() for array in columns), strict=True)))

    def _listed(self, row: Sequence[Any]) -> list[Any]:
        if len(row) != self.count:
            names = f": {_listed(self.names)}" if self.names else ""
            raise Unusable(f"a row is {self.count} values{names}; this one has {len(row)}")
        return list(row)

    def _matrix(self, values: Sequence[Sequence[Any]]) -> Matrix:
        if not values:
            return np.zeros((0, self.count))
        if not self.codes and not self.texts:
            try:
                matrix = np.asarray(values, dtype=np.float64)  # None becomes NaN
                if matrix.shape == (len(values), self.count):
                    return matrix
            except WRONG:
                pass
        return self._slowly(values)

    def _slowly(self, values: Sequence[Sequence[Any]]) -> Matrix:
        """Column by column, where there are words, empty texts, or something wrong that is to be named."""
        out: Matrix = np.full((len(values), self.count), np.nan, dtype=object if self.texts else np.float64)
        for place in range(self.count):
            name = self.names[place] if self.names else str(place)
            words = self.codes.get(name)
            codes = None if words is None else {word: float(code) for code, word in enumerate(words)}
            for row, value in enumerate(one[place] for one in values):
                if value is None or value == "" or (isinstance(value, float) and value != value):
                    continue
                try:
                    out[row, place] = self._value(name, value, codes)
                except WRONG as wrong:
                    raise Unusable(f"row {row}: {str(value)[:60]!r} is no value for {name!r}: {wrong}") from wrong
        return out

    def _value(self, name: str, value: Any, codes: Mapping[str, float] | None) -> Any:
        if isinstance(value, (list, dict)):
            raise TypeError("it is no single value")
        if name in self.texts:
            return value
        return float(value) if codes is None else codes.get(str(value).strip(), np.nan)

    def _missing(self, rows: Sequence[Row]) -> str:
        for number, row in enumerate(rows):
            if isinstance(row, Mapping) and (lacks := [name for name in self.names if name not in row]):
                more = [str(key) for key in row if key not in self.names]
                near = difflib.get_close_matches(lacks[0], more, n=1)
                hint = f"; is it {near[0]!r}?" if near else ""
                return f"row {number} has no value for {_listed(lacks)}{hint}"
        return "a row lacks a column"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED_AT_MOST} more" if len(names) > NAMED_AT_MOST else ""
    return ", ".join(repr(name) for name in names[:NAMED_AT_MOST]) + more
