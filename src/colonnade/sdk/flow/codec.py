# SPDX-License-Identifier: Apache-2.0
"""Values that pass between steps, as JSON with marks and files (they are listed in `lifecycle/flow/values.py`). Nothing
is pickled: reading a value runs nobody's code. numpy is used only where a value is an array already.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from colonnade.sdk.flow.steps import Each, Promise

PLAIN = (str, int, float, bool, type(None))


class Writer:
    """Turns values into JSON; files of theirs are put into a folder.

    Args:
        folder: where files go.
        project: while planning: paths are files of this folder, named and not copied.
    """

    def __init__(self, folder: Path, project: Path | None = None) -> None:
        self._folder, self._project = folder, project
        self._count = 0

    def write(self, value: Any) -> Any:
        """The JSON of a value. Raises TypeError for what cannot pass between steps."""
        if isinstance(value, PLAIN) and type(value) in PLAIN:
            return value
        if isinstance(value, list):
            return [self.write(one) for one in value]
        if isinstance(value, tuple):
            return {"$tuple": [self.write(one) for one in value]}
        if isinstance(value, dict):
            return self._mapping(value)
        if isinstance(value, Promise):
            return {"$from": value.node, "path": list(value.path)}
        if isinstance(value, Each):
            return {"$each": self.write(value.items)}
        if isinstance(value, Path):
            return self._path(value)
        if isinstance(value, bytes):
            return {"$bytes": self._kept(value)}
        return self._numbers(value)

    def _mapping(self, value: dict[Any, Any]) -> Any:
        if all(type(key) is str and not key.startswith("$") for key in value):
            return {key: self.write(one) for key, one in value.items()}
        if not all(isinstance(key, PLAIN) for key in value):
            raise TypeError("keys of a mapping that passes between steps are words or numbers")
        return {"$dict": [[key, self.write(one)] for key, one in value.items()]}

    def _path(self, path: Path) -> Any:
        if self._project is not None:
            inside = path.relative_to(self._project) if path.is_absolute() else path
            return {"$input": inside.as_posix()}
        if not path.exists():
            raise TypeError(f"the step gave the path {path}, and there is nothing")
        import shutil  # with its compressors it would make every fork of a warm interpreter dearer

        target = self._folder / f"f{self._next()}"
        if path.is_dir():
            shutil.copytree(path, target / path.name)
            return {"$folder": f"{target.name}/{path.name}"}
        target.mkdir()
        shutil.copyfile(path, target / path.name)
        return {"$file": f"{target.name}/{path.name}"}

    def _numbers(self, value: Any) -> Any:
        numpy = sys.modules.get("numpy")
        if numpy is not None and isinstance(value, numpy.generic):
            return self.write(value.item())
        if numpy is not None and isinstance(value, numpy.ndarray):
            if value.dtype.hasobject:
                raise TypeError("an array of Python objects cannot pass between steps; numbers and words can")
            name = f"a{self._next()}.npy"
            numpy.save(self._folder / name, value, allow_pickle=False)
            return {"$array": name}
        if isinstance(value, PLAIN):  # a subclass: an enumeration, say
            return next(kind(value) for kind in (bool, int, float, str) if isinstance(value, kind))
        what = f"{type(value).__module__}.{type(value).__qualname__}"
        raise TypeError(
            f"a {what} cannot pass between steps: give words, numbers, lists, mappings, bytes, numpy arrays, "
            "or write a file and give its Path"
        )

    def _kept(self, data: bytes) -> str:
        name = f"b{self._next()}"
        (self._folder / name).write_bytes(data)
        return name

    def _next(self) -> int:
        self._count += 1
        return self._count


def read(value: Any, folder: Path) -> Any:
    """The value of JSON whose files lie in a folder: by their content (a call's), or as an artifact has them."""
    if isinstance(value, list):
        return [read(one, folder) for one in value]
    if not isinstance(value, dict):
        return value
    mark = next((key for key in value if key.startswith("$")), "")
    if not mark:
        return {key: read(one, folder) for key, one in value.items()}
    inner = value[mark]
    if mark == "$tuple":
        return tuple(read(one, folder) for one in inner)
    if mark == "$dict":
        return {key: read(one, folder) for key, one in inner}
    if mark == "$bytes":
        return (folder / inner).read_bytes()
    if mark == "$array":
        import numpy

        return numpy.load(folder / inner, allow_pickle=False)
    if mark == "$file":
        return folder / inner
    if mark == "$folder":
        return folder / (inner if isinstance(inner, str) else value["name"])
    raise TypeError(f"a value of a newer release: {mark}")
