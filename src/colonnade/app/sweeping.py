# SPDX-License-Identifier: Apache-2.0
"""Letting go: what `retention:` keeps no longer, folders of runs, artifacts and sealed files that nothing needs.

`gc` shows it beforehand with `--dry-run`, and the daemon does the same once a day. What is needed is decided by
`govern.erasure.needed`; when in doubt a thing stays.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colonnade.core.erasure_entries import state_swept
from colonnade.core.ids import is_id
from colonnade.core.quantities import ms_of
from colonnade.govern.erasure.needed import Rows, needed
from colonnade.ports.outside.state import Transaction

if TYPE_CHECKING:
    from colonnade.app.house import House

EVERY_MS = 86_400_000
BATCH = 500
GRACE_MS = 3_600_000
"""A sealed file that is younger may be about to be named."""
PIECES = "pieces/"
FOLDER = "folder"
SWEPT = "gc/last_ms"


class Sweeping:
    """Lets go, for one house. Used by one thread at a time."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._state, self._keys, self._project = house.state, house.keys, house.project

    def is_due(self) -> bool:
        """Whether a day has gone by since the last time; never where the declaration keeps everything."""
        declared = self._house.declaration
        if declared is None or not any(declared.retention.model_dump().values()):
            return False
        rows = self._state.rows("meta_get", key=SWEPT)
        return not rows or self._state.now_ms() - int(rows[0]["value"]) >= EVERY_MS

    def sweep(self, actor: str, *, dry_run: bool) -> dict[str, Any]:
        """Let go, or only tell: `colonnade.gc/1`."""
        counts: dict[str, int] = {}
        notes: list[str] = []
        counts["answers"] = self._answers(dry_run=dry_run)
        counts["captures"], size = self._captures(dry_run=dry_run)
        runs, ran = self._runs(dry_run=dry_run)
        counts["runs"], size = runs, size + ran
        counts["artifacts"], counts["steps"], freed = self._artifacts(notes, dry_run=dry_run)
        blobs, held = self._blobs(freed, dry_run=dry_run)
        counts["blobs"], counts["bytes"] = blobs, size + held
        if not dry_run:
            self._record(actor, counts)
            self._state.fold()
        words = [f"{count:,} {_WORDS[what]}" for what, count in counts.items() if count and what in _WORDS]
        kept = self._house.declaration.retention.model_dump() if self._house.declaration else {}
        return {
            "schema": "colonnade.gc/1", "dry_run": dry_run, "counts": counts, "words": words, "notes": notes,
            "retention": kept,
        }  # fmt: skip

    def _record(self, actor: str, counts: Mapping[str, int]) -> None:
        with self._state.transaction() as tx:
            tx.run("meta_put", key=SWEPT, value=str(self._state.now_ms()))
            if any(counts.values()):
                tx.append(state_swept(self._house.journal.stamp(actor), person=actor, counts=counts))

    def _before(self, what: str) -> int | None:
        """Older than this instant is let go; None: kept for ever."""
        declared = self._house.declaration
        kept = getattr(declared.retention, what) if declared is not None else None
        return None if kept is None else self._state.now_ms() - ms_of(kept)

    def _answers(self, *, dry_run: bool) -> int:
        before = self._before("answers")
        if before is None:
            return 0
        limit = 10_000_000 if dry_run else BATCH
        count = 0
        while rows := self._state.rows("answers_older", project=self._project, before_ms=before, limit=limit):
            count += len(rows)
            if dry_run:
                break
            with self._state.transaction() as tx:
                for row in rows:
                    tx.run("answer_erase", id=row["id"])
                    tx.run("feedback_erase", answer=row["id"])
                    self._keys.destroy(tx, row["id"])
        return count

    def _captures(self, *, dry_run: bool) -> tuple[int, int]:
        before = self._before("captures")
        rows = [] if before is None else self._state.rows("captures_older", project=self._project, before_ms=before)
        for first in range(0, 0 if dry_run else len(rows), BATCH):
            with self._state.transaction() as tx:
                for row in rows[first : first + BATCH]:
                    tx.run("capture_drop", id=row["id"])
        return len(rows), sum(row["bytes"] for row in rows)

    def _runs(self, *, dry_run: bool) -> tuple[int, int]:
        """Folders of leases that ended long enough ago, and of leases that nobody knows."""
        before, folder = self._before("runs"), self._house.places.runs
        leases = {row["id"]: row for row in self._state.rows("leases_all", project=self._project)}
        count = size = 0
        for place in sorted(folder.iterdir()) if folder.is_dir() else ():
            lease = leases.get(place.name)
            if lease is None:
                old = is_id(place.name) and place.name.startswith("lse_") and _age_ms(place) > GRACE_MS
            else:
                old = before is not None and lease["state"] == "ended" and (lease["ended_ms"] or 0) < before
            if old:
                count, size = count + 1, size + _size(place)
                if not dry_run:
                    shutil.rmtree(place, ignore_errors=True)
        return count, size

    def _artifacts(self, notes: list[str], *, dry_run: bool) -> tuple[int, int, set[str]]:
        """(artifacts, step results, blobs that nothing names any more)."""
        before = self._before("artifacts")
        if before is None:
            return 0, 0, set()
        with self._state.transaction() as tx:
            pipelines = tx.rows("pipelines_all", project=self._project)
            if any(row["state"] == "running" for row in pipelines):
                notes.append("a pipeline runs: artifacts are looked at when none does")
                return 0, 0, set()
            bodies = tx.rows("artifacts_of_kind", project=self._project, kind=FOLDER)
            texts = {row["digest"]: self._manifest(row["digest"], row["body"]) for row in bodies}
            kinds = {digest: str(json.loads(text)["kind"]) for digest, text in texts.items()}
            made = {row["digest"]: int(row["created_ms"]) for row in bodies}
            gone = sorted(set(texts) - needed(self._rows(tx, pipelines, before), texts, kinds, made))
            steps = [row for row in tx.rows("steps_all", project=self._project) if row["artifact"] in set(gone)]
            contents = _contents(texts[digest] for digest in gone)
            contents -= _contents(text for digest, text in texts.items() if digest not in set(gone))
            contents -= {row["content"] for row in tx.rows("tracked_contents", project=self._project)}
            files = tx.rows("artifact_files_all", project=self._project)
            freed = {row["blob"] for row in files if row["content"] in contents}
            blobs = {piece for blob in freed for piece in self._pieces(blob, files)}
            if not dry_run:
                for digest in gone:
                    tx.run("step_drop", project=self._project, artifact=digest)
                    tx.run("artifact_erase", digest=digest)
                for content in sorted(contents):
                    tx.run("artifact_file_drop", project=self._project, content=content)
            return len(gone), len(steps), blobs

    def _rows(self, tx: Transaction, pipelines: list[Any], before: int) -> Rows:
        def of(name: str) -> list[Any]:
            return tx.rows(name, project=self._project)

        return Rows(
            of("names_all"), of("rollbacks_all"), of("rollouts_all"), of("model_versions_of_project"),
            of("replicas_of_project"), pipelines, of("pipeline_steps_all"), tx.rows("meta_all"), before,
        )  # fmt: skip

    def _manifest(self, digest: str, body: bytes) -> str:
        return self._keys.open((self._project,), body, digest).decode()

    def _pieces(self, blob: str, files: Iterable[Any]) -> list[str]:
        """The sealed files of one file's bytes."""
        if not blob.startswith(PIECES):
            return [blob]
        content = next(row["content"] for row in files if row["blob"] == blob)
        listed = blob.removeprefix(PIECES)
        told = self._keys.open((self._project,), self._house.blobs.get(listed), f"pieces/{content}")
        return [listed, *json.loads(told)]

    def _blobs(self, freed: set[str], *, dry_run: bool) -> tuple[int, int]:
        """Those that were freed now, and orphans: what a kill left, or what was deleted without its bytes."""
        blobs = self._house.blobs
        named = self._named_blobs() - freed
        count = size = 0
        for digest in blobs.digests():
            try:
                held, written_ms = blobs.held(digest)
            except KeyError:
                continue
            if digest in named or (digest not in freed and time.time() * 1000 - written_ms < GRACE_MS):
                continue
            count, size = count + 1, size + held
            if not dry_run:
                blobs.delete(digest)
        return count, size

    def _named_blobs(self) -> set[str]:
        files = self._state.rows("artifact_files_all", project=self._project)
        named = {piece for row in files for piece in self._pieces(row["blob"], files)}
        for row in self._state.rows("contents_blobs", project=self._project):
            named |= {row["raw"], row["text"] or row["raw"]}
        return named


_WORDS = {
    "answers": "answers lose their text",
    "captures": "pieces of captured requests",
    "runs": "folders of runs",
    "artifacts": "artifacts",
    "steps": "results of steps",
    "blobs": "sealed files",
}


def _contents(manifests: Iterable[str]) -> set[str]:
    return {str(file[1]) for text in manifests for file in json.loads(text)["files"]}


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())


def _age_ms(place: Path) -> float:
    return (time.time() - place.stat().st_mtime) * 1000
