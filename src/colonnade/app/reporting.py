# SPDX-License-Identifier: Apache-2.0
"""Reports of what lies in a state directory: read without a daemon, proved under the last signed checkpoint, sealed by
the log's key. What a report says is the business of `govern.reports`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from colonnade.app.active import ACTIVE
from colonnade.app.evidence import Signed, signed_of
from colonnade.app.lineage import Labels
from colonnade.app.settings.environment import Places
from colonnade.app.stored import reading
from colonnade.core.errors import UnknownName, UsageError
from colonnade.core.note import Checkpoint, NoteKey, sign_note
from colonnade.govern.reports import standalone
from colonnade.govern.reports.kinds import KINDS, write
from colonnade.govern.reports.log import Log
from colonnade.govern.reports.making import Maker
from colonnade.govern.reports.openings import Openings
from colonnade.govern.reports.points import DATES
from colonnade.govern.reports.subject import Named, live_of, sets_of
from colonnade.lifecycle.pipelines import FINDINGS, SLICES
from colonnade.ports.outside.keys import Keys
from colonnade.ports.outside.state import State

ALL_PIPELINES = 1_000_000


def make_report(places: Places, kind: str, *, model: str = "", service: str = "") -> dict[str, Any]:
    """A report as a document (`colonnade.report/1`), with its seal.

    Args:
        kind: annex-iv, model-card, data-sheet, art-12, ml-bom.
        model, service: what it is of; left out, the only one.

    Raises:
        UnknownName, UsageError: no such model, or several and none named.
        StateError, Tampered: nothing is signed yet; the log is not what was signed.
    """
    if kind not in KINDS:
        raise UsageError(f"there is no report {kind!r}", hint=f"the reports are {', '.join(KINDS)}")
    with reading(places) as (state, keys):
        signed = signed_of(places, state)
        project = state.rows("projects_all")[0]
        known = _Known(state, keys, project["id"])
        log = Log(state, project["id"], signed.checkpoint.size, signed.checkpoint.root)
        openings = Openings(state, keys, project["id"], known.candidates)
        asked = model or service or known.declaration.get("models")
        of_model = KINDS[kind].of_model and (asked or kind != "data-sheet")
        named = known.named(model, service) if of_model else known.project()
        sets = sets_of(log, named)
        make = Maker(log, openings, sets, Labels(state, keys).people())
        about = {"project": project["name"], "model": named.name, "services": sorted(named.services)}
        report = write(
            kind, make, named, live_of(log, named, sets), about={k: v for k, v in about.items() if v},
            made_ms=state.now_ms(), checkpoint=_checkpoint(signed), notes=(DATES, _later(state, signed)),
        )  # fmt: skip
        document = report.to_json()
        document["seal"] = seal(document, signed.key, keys)
        return document


def check_report(document: Mapping[str, Any], key: str, folder: str = "") -> dict[str, Any]:
    """What a stranger finds (`colonnade.report_check/1`). `folder`: an exported log, to count again in. UsageError for
    a key that is none.
    """
    try:
        NoteKey.parse(key)
    except ValueError as error:
        hint = "`colonnade checkpoint --key` prints it"
        raise UsageError(f"--key is no verifier key: {error}", hint=hint, code="usage") from error
    return standalone.check(document, key, folder)


def _checkpoint(signed: Signed) -> dict[str, Any]:
    point = signed.checkpoint
    return {"origin": point.origin, "size": point.size, "root": point.root.hex(), "note": signed.note}


def _later(state: State, signed: Signed) -> str:
    later = state.rows("entries_count")[0]["count"] - signed.checkpoint.size
    return f"Entries after the checkpoint, which this report does not speak of: {later}."


def seal(document: Mapping[str, Any], key: NoteKey, keys: Keys) -> str:
    """The log's key on all that the report says: a note like a checkpoint, whose root is the digest of the document."""
    digest = hashlib.sha256(standalone.sealed_bytes(document)).digest()
    said = Checkpoint(key.name + standalone.REPORT, document["checkpoint"]["size"], digest)
    return sign_note(said.text(), key, keys.sign)


class _Known:
    """What rows know of a project: its models, and what entries may have been made of. The MAC decides."""

    def __init__(self, state: State, keys: Keys, project: str) -> None:
        self._state, self._keys, self._project = state, keys, project
        self._gave: dict[str, str] = {}
        here = state.rows("name_get", project=project, kind=ACTIVE, name="active")
        sealed = state.rows("artifact_get", digest=here[0]["digest"])[0]["body"] if here else None
        self._declaration = keys.open((project,), sealed, "declaration") if sealed is not None else b"{}"
        self.declaration: dict[str, Any] = json.loads(self._declaration)

    def named(self, model: str, service: str) -> Named:
        """The model, by its name or a service's. Raises UnknownName, UsageError."""
        declared: dict[str, Any] = self.declaration.get("models", {})
        services: dict[str, Any] = self.declaration.get("services", {})
        if service and services.get(service, {}).get("model") is None:
            raise UnknownName(f"no service {service!r} answers with a model", hint=f"there are {_list(services)}")
        model = model or (services[service]["model"] if service else "")
        if not model and len(declared) != 1:
            raise UsageError("of which model?", hint=f"--model NAME; there are {_list(declared)}")
        model = model or next(iter(declared))
        ids = {row["name"]: str(row["id"]) for row in self._state.rows("models_of_project", project=self._project)}
        if model not in ids or model not in declared:
            raise UnknownName(f"there is no model {model!r}", hint=f"there are {_list(declared)}")
        known = {row["name"]: str(row["id"]) for row in self._state.rows("services_of_project", project=self._project)}
        mine = {name: known[name] for name, one in services.items() if one.get("model") == model and name in known}
        uses = [name for name, one in self.declaration.get("use_cases", {}).items() if model in one["models"]]
        runs, use_case, bases = self._runs(ids[model]), uses[0] if uses else "", self.project().bases
        return Named(ids[model], model, mine, runs, use_case, bases)

    def project(self) -> Named:
        """The project without a model."""
        rows = self._state.rows("knowledge_of_project", project=self._project)
        declared = self.declaration.get("knowledge", {})
        return Named("", "", {}, (), bases={row["name"]: str(row["id"]) for row in rows if row["name"] in declared})

    def _runs(self, model: str) -> Sequence[str]:
        """Runs of the model's steps, oldest first; what each gave is remembered."""
        for pipeline in self._state.rows("pipelines_of_model", model=model, limit=ALL_PIPELINES):
            for step in self._state.rows("pipeline_steps", pipeline=pipeline["run"]):
                if step["run"]:
                    self._gave[step["run"]] = step["artifact"]
        return sorted(self._gave)

    def candidates(self, entry: Mapping[str, Any], field: str) -> Iterable[bytes]:
        """What a field of an entry may have been made of."""
        if entry["kind"] == "declaration.applied":
            yield self._declaration
        elif entry["kind"] == "candidate.judged":
            prefix = FINDINGS if field == "findings" else SLICES
            for row in self._state.rows("meta_get", key=f"{prefix}{entry['subject']}"):
                yield str(row["value"]).encode()
        elif entry["kind"] in {"dataset.snapshotted", "step.finished"}:
            runs = [entry["subject"], *(ref for role, ref in entry.get("refs", ()) if role == "by")]
            yield from (self._gave[run].encode() for run in runs if self._gave.get(run))


def _list(names: Mapping[str, Any]) -> str:
    return ", ".join(sorted(names)) or "none"
