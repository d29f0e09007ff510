# SPDX-License-Identifier: Apache-2.0
"""One model's loop: something changed -> a pipeline -> its steps, each once -> a candidate -> a verdict -> live or not.

Level-triggered: everything that was done stands in rows; killed between any two lines, the next step goes on from the
last finished one. Scripts run under leases, which outlive us.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from colonnade.core import model_entries
from colonnade.core.errors import ColonnadeError, Lost, UsageError
from colonnade.lifecycle.closure import closure, digest_of
from colonnade.lifecycle.doing import Doing, Stopped, Tools
from colonnade.lifecycle.judging import PREDICTIONS, Finding, Report, judge, read_predictions
from colonnade.lifecycle.pipelines import CHAMPION, FINDINGS, Pipelines, Step
from colonnade.lifecycle.serving.rollback import rolled_back
from colonnade.lifecycle.serving.safe import unsafe
from colonnade.lifecycle.wanted import Wanted, key_of
from colonnade.ports.outside.state import Row, Transaction
from colonnade.ports.rowlease import RowLease

SETTLE_MS = 800
"""Files must have stood still for so long: a copy that is under way is not read."""
_log = logging.getLogger("colonnade.lifecycle")


class ModelLoop:
    """Follows one model. `step` is called by one thread."""

    def __init__(self, tools: Tools, wanted: Wanted, row: RowLease) -> None:
        self._tools, self.wanted, self._row = tools, wanted, row
        self.pipelines = Pipelines(tools.state, tools.journal, tools.actor)
        self._seen: tuple[Any, ...] = ()
        self._seen_ms = 0
        self._taken: tuple[Any, ...] | None = None
        self.trouble: ColonnadeError | None = None
        self.by_hand = False

    def step(self) -> bool:
        """One look; whether a pipeline is under way. Raises ColonnadeError."""
        if not self._row.take():
            return False
        newest = self.pipelines.of_model(self.wanted.id, 1)
        if newest and newest[0]["state"] == "running":
            self._advance(newest[0])
            return True
        return self._look(newest[0] if newest else None)

    def ask(self) -> str:
        """Begin a pipeline although nothing has changed; the newest run of before, or "". Raises UsageError for data or
        code that cannot be read.
        """
        self._parts(self._code())
        newest = self.pipelines.of_model(self.wanted.id, 1)
        self.by_hand = True
        return str(newest[0]["run"]) if newest else ""

    # why
    def _look(self, last: Row | None) -> bool:
        """Begin a pipeline if there is a cause."""
        here = self._fingerprint()
        now = self._tools.state.now_ms()
        if here != self._seen:
            self._seen, self._seen_ms = here, now
        if here == self._taken and not self.by_hand:
            return False
        if now - self._seen_ms < SETTLE_MS and last is not None:
            return True
        self.trouble = None
        try:
            code = self._code()
            parts = self._parts(code)
        except ColonnadeError as error:
            self.trouble, self._taken, self.by_hand = error, here, False
            return False
        self._taken = here
        cause = self._cause(parts, last)
        if cause:
            self.by_hand = False
            run = self.pipelines.begin(self.wanted.id, cause, {**parts, **self._kept(code)})
            _log.info("model %s: %s, run/%s", self.wanted.name, cause, run)
        return bool(cause)

    def _cause(self, parts: Mapping[str, str], last: Row | None) -> str:
        if last is None:
            return "first"
        before = json.loads(last["wanted"])
        words = {"data": "new data", "code": "changed code", "specification": "changed declaration"}
        changed = [word for part, word in words.items() if before.get(part) != parts[part]]
        if changed and self.wanted.watch:
            return ", ".join(changed)
        return "by hand" if self.by_hand else ""

    def _fingerprint(self) -> tuple[Any, ...]:
        """Changes whenever a file of data or code may have; cheap."""
        files = [*self.wanted.files(), *sorted({self.wanted.train, self.wanted.evaluate})]
        stats = []
        for path in files:
            try:
                stat = path.stat()
            except OSError:
                continue
            stats.append((str(path), stat.st_size, stat.st_mtime_ns, stat.st_ino))
        return (*stats, self.wanted.specification())

    def _parts(self, code: Mapping[str, dict[str, bytes]]) -> dict[str, str]:
        """What a pipeline of now would be made of: digests. Raises UsageError for what cannot be read."""
        files = self.wanted.files()
        if not files:
            said = ", ".join(self.wanted.patterns)
            raise UsageError(
                f"no file matches {said}", hint="`data` is relative to the declaration", code="data_missing"
            )
        whole = hashlib.sha256()
        for path in files:
            try:
                content = hashlib.sha256(path.read_bytes()).hexdigest()
            except OSError as error:
                raise UsageError(f"{path.name} cannot be read: {error.strerror}", code="data_missing") from error
            whole.update(f"{path.relative_to(self.wanted.folder)}\0{content}\n".encode())
        digests = {step: digest_of(files) for step, files in code.items()}
        return {
            "data": whole.hexdigest(),
            "code": key_of("code", digests),
            "specification": self.wanted.specification(),
        }

    def _code(self) -> dict[str, dict[str, bytes]]:
        """Each script and what it imports, as they are now."""
        return {step: closure(self.wanted.script(step)) for step in ("train", "evaluate")}

    def _kept(self, code: Mapping[str, dict[str, bytes]]) -> dict[str, str]:
        """The scripts and what they import, kept as they were read: a pipeline runs what it began with."""
        return {step: self._tools.artifacts.put("code", dict(files), {}).digest for step, files in code.items()}

    # steps
    def _advance(self, pipeline: Row) -> None:
        """Do as much as can be done now."""
        doing = Doing(self._tools, self.wanted, self._row, self.pipelines, pipeline)
        while True:
            steps = {step.step: step for step in self.pipelines.steps(pipeline["run"])}
            current = next((step for step in steps.values() if not step.over), None)
            if current is None:
                self._judge(pipeline, steps)
                return
            try:
                if not doing.further(current, steps):
                    return
            except Lost:
                raise
            except Stopped as stopped:
                self._end(pipeline, stopped.outcome, reason=stopped.reason)
                return
            except UsageError as error:
                self.pipelines.fail(current, error.message)
                self._end(pipeline, "failed", reason=f"{current.step}: {error.message}")
                return

    # the verdict
    def _judge(self, pipeline: Row, steps: Mapping[str, Step]) -> None:
        """Gates against the incumbent; a candidate that passes goes live by compare-and-set."""
        tools, state = self._tools, self._tools.state
        version = steps["package"].artifact
        metrics: dict[str, float] = tools.artifacts.get(version).about["metrics"]
        here = state.rows("name_get", project=tools.journal.project, kind=CHAMPION, name=self.wanted.name)
        live = here[0]["digest"] if here else None
        if live == version:
            self._end(pipeline, "unchanged", version=version, reason="it is live already", metrics=metrics)
            return
        compared = json.loads(steps["compare"].told)["incumbent"]
        if live and compared != live and any(gate.limit is None for gate in self.wanted.gates):
            reason = "the live version was changed while its candidate was compared; it is compared anew"
            self._end(pipeline, "failed", version=version, reason=reason, metrics=metrics)
            self.by_hand, self._taken = True, None
            return
        incumbent = self._report(steps["compare"].artifact) if live else None
        findings = judge(self.wanted.gates, self._report(steps["evaluate"].artifact), incumbent)
        failed = [finding.reason for finding in findings if not finding.passed] + self._may_not(version)
        compared_well = [finding.reason for finding in findings if finding.against == "incumbent"]
        decision = state.new_id("dec")
        with state.transaction() as tx:
            self._row.check(tx)
            tx.append(
                model_entries.candidate_judged(
                    tools.journal.stamp(tools.actor),
                    decision=decision,
                    model=self.wanted.id,
                    run=steps["evaluate"].run,
                    version=version,
                    verdict="deny" if failed else "allow",
                    gates=len(self.wanted.gates),
                    failed=len(failed),
                    found=_in_millionths(findings),
                )
            )
            if not failed:
                self._promote(tx, pipeline, version, decision, here)
            self.pipelines.end(
                tx,
                pipeline,
                "refused" if failed else "promoted",
                version=version,
                reason="; ".join(failed or compared_well),
                metrics=metrics,
                decision=decision,
            )
            found = json.dumps([finding.to_json() for finding in findings], ensure_ascii=False)
            tx.run("meta_put", key=f"{FINDINGS}{decision}", value=found)
        _log.info("model %s: %s", self.wanted.name, f"refused: {'; '.join(failed)}" if failed else "promoted")

    def _may_not(self, version: str) -> list[str]:
        """Why a version must not go live, whatever it measured: it was rolled back, or it may not be loaded."""
        tools = self._tools
        if version in rolled_back(tools.state, self.wanted.id):
            return ["it was rolled back; `colonnade rollback --to` brings it back"]
        if tools.scan is None or not self.wanted.served:
            return []
        return unsafe(tools.scan, tools.artifacts, version)

    def _report(self, digest: str) -> Report:
        """An evaluation's report; or a version, of which only what was measured then is known."""
        artifact = self._tools.artifacts.get(digest)
        rows = next((entry for entry in artifact.files if entry.path == PREDICTIONS), None)
        if artifact.kind != "report" or rows is None:
            return Report(artifact.about["metrics"])
        return Report(artifact.about["metrics"], read_predictions(self._tools.artifacts.read(rows)))

    def _promote(self, tx: Transaction, pipeline: Row, version: str, decision: str, here: list[Row]) -> None:
        project, name = self._tools.journal.project, self.wanted.name
        generation = here[0]["generation"] if here else 0
        if here:
            done = tx.run("name_move", project=project, kind=CHAMPION, name=name, digest=version, generation=generation)
        else:
            done = tx.run("name_create", project=project, kind=CHAMPION, name=name, digest=version)
        if not done:
            raise Lost("the live version was changed meanwhile")
        tx.append(
            model_entries.model_promoted(
                self._tools.journal.stamp(self._tools.actor),
                model=self.wanted.id,
                run=pipeline["run"],
                decision=decision,
                version=version,
                generation=generation + 1,
                cause="promoted",
            )
        )

    def _end(
        self,
        pipeline: Row,
        outcome: str,
        *,
        version: str = "",
        reason: str = "",
        metrics: Mapping[str, float] | None = None,
    ) -> None:
        with self._tools.state.transaction() as tx:
            self._row.check(tx)
            self.pipelines.end(tx, pipeline, outcome, version=version, reason=reason, metrics=metrics)


def _in_millionths(findings: Sequence[Finding]) -> Mapping[str, int]:
    """The difference and its interval of the gate that decides (the first that failed, else the first), for the log."""
    found = sorted((one for one in findings if one.low is not None), key=lambda one: one.passed)
    if not found:
        return {}
    ends = {"difference": found[0].difference, "low": found[0].low, "high": found[0].high}
    return {f"{name}_millionths": round(1e6 * value) for name, value in ends.items() if value is not None
            and abs(value) < 1e9}  # fmt: skip
