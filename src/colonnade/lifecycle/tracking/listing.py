# SPDX-License-Identifier: Apache-2.0
"""Lists of files as clients ask for them: of a run by its id, or of a path below `mlflow-artifacts:/`."""

from __future__ import annotations

from typing import Any

from colonnade.core.errors import UnknownName
from colonnade.lifecycle.tracking.checks import inner_path
from colonnade.lifecycle.tracking.files import Files, folder
from colonnade.lifecycle.tracking.runs import Runs


class Listing:
    """What lies where."""

    def __init__(self, runs: Runs, files: Files) -> None:
        self._runs, self._files = runs, files

    def of_run(self, *, run_id: str = "", run_uuid: str = "", path: str = "", page_token: str = "") -> Any:  # noqa: ARG002
        """A folder of a run's files, whole: there are no pages."""
        run = self._runs.one(run_id or run_uuid)
        return {"root_uri": run.doc["location"], "files": folder(self._files.of(run), inner_path(path))}

    def of_path(self, *, path: str = "") -> Any:
        """What lies in a folder, by base name; nothing for a file, or where nothing was ever written."""
        try:
            place = self._files.place(path)
        except UnknownName:
            return {"files": []}
        found = folder(self._files.entries(place), place.inner)
        return {"files": [{**one, "path": one["path"].rpartition("/")[2]} for one in found]}
