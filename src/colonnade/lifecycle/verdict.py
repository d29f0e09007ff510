# SPDX-License-Identifier: Apache-2.0
"""The verdict on a candidate: gates beside the incumbent, and what must not go live whatever it measured.

What it is made of is `doing`'s business, how a version that passed is tried on real requests `rollout`'s.
"""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from colonnade.core import model_entries
from colonnade.lifecycle.data import format_of, side
from colonnade.lifecycle.doing import Tools
from colonnade.lifecycle.judging import judge
from colonnade.lifecycle.pipelines import CHAMPION, FINDINGS, SLICES, Pipelines, Step
from colonnade.lifecycle.promotion import promote
from colonnade.lifecycle.reports import PREDICTIONS, Finding, Report, read_predictions, read_seeds
from colonnade.lifecycle.serving.rollback import rolled_back
from colonnade.lifecycle.serving.safe import unsafe
from colonnade.lifecycle.slices import Parts, cut, told
from colonnade.lifecycle.wanted import Wanted
from colonnade.ports.outside.state import Row, Transaction
from colonnade.ports.outside.tables import Batch
from colonnade.ports.rowlease import RowLease

_log = logging.getLogger("colonnade.lifecycle")


class Verdict:
    """Judges the candidates of one model."""

    def __init__(self, tools: Tools, wanted: Wanted, row: RowLease, pipelines: Pipelines) -> None:
        self._tools, self._wanted, self._row, self._pipelines = tools, wanted, row, pipelines

    def judge(self, pipeline: Row, steps: Mapping[str, Step]) -> bool:
        """Gates against the incumbent; a candidate that passes is rolled out, or goes live by compare-and-set where
        nothing is live or no rollout is declared.

        True: the live version was changed meanwhile, and the candidate is to be compared anew.
        """
        tools, state = self._tools, self._tools.state
        version = steps["package"].artifact
        metrics: dict[str, float] = tools.artifacts.get(version).about["metrics"]
        here = state.rows("name_get", project=tools.journal.project, kind=CHAMPION, name=self._wanted.name)
        live = here[0]["digest"] if here else None
        if live == version:
            self._end(pipeline, "unchanged", version=version, reason="it is live already", metrics=metrics)
            return False
        compared = json.loads(steps["compare"].told)["incumbent"]
        if live and compared != live and any(gate.limit is None for gate in self._wanted.gates):
            reason = "the live version was changed while its candidate was compared; it is compared anew"
            self._end(pipeline, "failed", version=version, reason=reason, metrics=metrics)
            return True
        under_way = tools.rolling.rows.open(self._wanted.id) if tools.rolling is not None else None
        if under_way is not None and under_way.challenger == version:
            self._end(pipeline, "unchanged", version=version, reason="it is being rolled out already", metrics=metrics)
            return False
        incumbent = self._report(steps["compare"].artifact) if live else None
        candidate, parts = self._report(steps["evaluate"].artifact), self._parts(steps["split"].artifact)
        findings = judge(self._wanted.gates, candidate, incumbent, parts)
        slices = told(candidate.rows, incumbent.rows if incumbent else {}, parts)
        failed = [finding.reason for finding in findings if not finding.passed] + self._may_not(
            version, pipeline["cause"]
        )
        compared_well = [finding.reason for finding in findings if finding.against == "incumbent"]
        known = {"version": version, "reason": "; ".join(failed or compared_well), "metrics": metrics}
        self._decided(pipeline, steps["evaluate"].run, here, known, findings, slices, failed=len(failed))
        return False

    def repackaged(self, pipeline: Row, steps: Mapping[str, Step]) -> None:
        """The live version with other serving code: no gate is asked, as the model is the same; it is tried all the
        same.
        """
        tools, version = self._tools, steps["package"].artifact
        metrics: dict[str, float] = tools.artifacts.get(version).about["metrics"]
        here = tools.state.rows("name_get", project=tools.journal.project, kind=CHAMPION, name=self._wanted.name)
        if not here or here[0]["digest"] != json.loads(pipeline["wanted"])["base"]:
            reason = "the live version was changed meanwhile; that one is packaged"
            self._end(pipeline, "superseded", version=version, reason=reason, metrics=metrics)
            return
        failed = self._may_not(version, pipeline["cause"])
        reason = "; ".join(failed) or "the model is the one that is live; its serving code is new"
        known = {"version": version, "reason": reason, "metrics": metrics}
        self._decided(pipeline, steps["package"].run, here, known, [], [], failed=len(failed))

    def _decided(
        self, pipeline: Row, run: str, here: Sequence[Row], known: dict[str, Any], findings: Sequence[Finding],
        slices: Sequence[Mapping[str, Any]], *, failed: int,
    ) -> None:  # fmt: skip
        """The verdict and what follows from it, in one transaction."""
        tools, state = self._tools, self._tools.state
        version, live = known["version"], str(here[0]["digest"]) if here else None
        trial = self._trial(str(live), version)
        decision = state.new_id("dec")
        known = {**known, "decision": decision}
        kept = {
            "findings": json.dumps([finding.to_json() for finding in findings], ensure_ascii=False),
            "slices": json.dumps(slices, ensure_ascii=False),
        }
        with state.transaction() as tx:
            self._row.check(tx)
            tx.append(
                model_entries.candidate_judged(
                    tools.journal.stamp(tools.actor),
                    tools.journal.mac,
                    decision=decision,
                    model=self._wanted.id,
                    run=run,
                    version=version,
                    verdict="deny" if failed else "allow",
                    gates=len(findings),
                    failed=failed,
                    found=_in_millionths(findings),
                    told=kept,
                )
            )
            if failed:
                self._pipelines.end(tx, pipeline, "refused", **known)
            elif live and trial is not None:
                trial(tx, pipeline["run"], decision)
                self._pipelines.judged(tx, pipeline, **known)
            else:
                promote(
                    tx, tools.journal, tools.actor, model=self._wanted.id, name=self._wanted.name, run=pipeline["run"],
                    version=version, decision=decision, here=here,
                )  # fmt: skip
                self._pipelines.end(tx, pipeline, "promoted", **known)
            tx.run("meta_put", key=f"{FINDINGS}{decision}", value=kept["findings"])
            tx.run("meta_put", key=f"{SLICES}{decision}", value=kept["slices"])
        said = f"refused: {known['reason']}" if failed else "promoted" if trial is None or not live else "is rolled out"
        _log.info("model %s: %s", self._wanted.name, said)

    def _trial(self, live: str, version: str) -> Callable[[Transaction, str, str], None] | None:
        """How the candidate's rollout begins, in the transaction that judges it; None: it goes live at once."""
        rolling, wanted = self._tools.rolling, self._wanted
        if rolling is None or wanted.rollout is None:
            return None
        before, plan = rolling.rows.open(wanted.id), wanted.rollout
        supersede = rolling.supersede(before) if before is not None else None

        def begin(tx: Transaction, pipeline: str, decision: str) -> None:
            if supersede is not None:
                supersede(tx)
            rolling.rows.begin(
                tx, model=wanted.id, pipeline=pipeline, decision=decision, champion=live, challenger=version, plan=plan
            )

        return begin

    def _may_not(self, version: str, cause: str) -> list[str]:
        """Why a version must not go live, whatever it measured: it was rolled back, or it may not be loaded."""
        tools = self._tools
        if version in rolled_back(tools.state, self._wanted.id):
            return ["it was rolled back; `colonnade rollback --to` brings it back"]
        tried = tools.rolling.rows.of_model(self._wanted.id) if tools.rolling is not None else []
        last = next((one for one in tried if one.challenger == version), None)
        if last is not None and last.outcome == "rolled_back" and "by hand" not in cause:
            return [f"its rollout was rolled back ({last.reason}); `colonnade train` tries it again"]
        if tools.scan is None or not self._wanted.served:
            return []
        return unsafe(tools.scan, tools.artifacts, version)

    def _report(self, digest: str) -> Report:
        """An evaluation's report with those of its other seeds; or a version, of which only what was measured then is
        known.
        """
        artifact = self._tools.artifacts.get(digest)
        if artifact.kind != "report":
            return Report(artifact.about["metrics"])
        files = {entry.path: self._tools.artifacts.read(entry) for entry in artifact.files}
        rows = read_predictions(files[PREDICTIONS]) if PREDICTIONS in files else {}
        return Report(artifact.about["metrics"], rows, read_seeds(files, len(next(iter(rows.values()), ()))))

    def _parts(self, split: str) -> Parts:
        """How the held-out rows are cut."""
        tools, wanted = self._tools, self._wanted
        artifact = tools.artifacts.get(split)
        names = [*(one.column for one in wanted.slices), *([wanted.time] if wanted.time else [])]
        if not names:
            return Parts(artifact.about["test"])
        entry = side(artifact, "test")
        with tempfile.TemporaryDirectory(prefix="colonnade-slices-") as folder:
            path = Path(folder) / entry.path
            tools.artifacts.write(entry, path)
            columns = tools.tables.columns(Batch(entry.path, path, format_of(entry.path)), names)
        return cut(columns, artifact.about["test"], wanted.slices, wanted.time, wanted.recent)

    def _end(
        self, pipeline: Row, outcome: str, *, version: str, reason: str, metrics: Mapping[str, float]
    ) -> None:  # fmt: skip
        with self._tools.state.transaction() as tx:
            self._row.check(tx)
            self._pipelines.end(tx, pipeline, outcome, version=version, reason=reason, metrics=metrics)


def _in_millionths(findings: Sequence[Finding]) -> Mapping[str, int]:
    """The difference and its interval of the gate that decides (the first that failed, else the first), for the log."""
    found = sorted((one for one in findings if one.low is not None), key=lambda one: one.passed)
    if not found:
        return {}
    ends = {"difference": found[0].difference, "low": found[0].low, "high": found[0].high}
    return {f"{name}_millionths": round(1e6 * value) for name, value in ends.items() if value is not None
            and abs(value) < 1e9}  # fmt: skip
