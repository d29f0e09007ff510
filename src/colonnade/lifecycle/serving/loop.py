# SPDX-License-Identifier: Apache-2.0
"""One service's loop: its model's live version -> replicas under leases -> who is asked. Level-triggered.

A new version's replicas are begun beside the old ones; only when one has answered the health probe does the route
move, and only after that do the old ones end. The version that was live before stays warm for a while, so that a roll
back waits for nothing. Replicas outlive the daemon: rows say where they are.
"""

from __future__ import annotations

import json
import logging
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from colonnade.core.errors import ColonnadeError, Refused, UsageError
from colonnade.core.predicting import SOCKET
from colonnade.lifecycle.artifacts import Artifacts
from colonnade.lifecycle.closure import closure, digest_of
from colonnade.lifecycle.pipelines import CHAMPION
from colonnade.lifecycle.serving.probe import probe
from colonnade.lifecycle.serving.safe import refuse, unsafe_files
from colonnade.lifecycle.serving.scaling import Load, Scaling
from colonnade.lifecycle.serving.served import Answering, Code, Replica, Rival, Serve, Trial
from colonnade.ports.outside.state import State, Transaction
from colonnade.ports.skills.leases import Leasing, Wish
from colonnade.ports.skills.scan import Scan

WARM_MS = 600_000
"""How long a version that is not asked any more stays up."""
LINGER_MS = 1_500
"""How long a replica of other code stays up after the route has moved: whoever asks still finishes."""
START_MS = 120_000
BACK_OFF_MS = (0, 1_000, 5_000, 30_000)
_log = logging.getLogger("colonnade.serving")


@dataclass(frozen=True)
class Means:
    """What the loops work with. `program`: the command line of a replica, which gets its folder after it."""

    state: State
    project: str
    artifacts: Artifacts
    leasing: Leasing
    scan: Scan
    folder: Path
    program: tuple[str, ...]
    environment: Mapping[str, str]
    actor: str


class ServiceLoop:
    """Follows one service. `step` is called by one thread; `answering` may be read by any."""

    def __init__(self, means: Means, serve: Serve) -> None:
        self._means, self.serve = means, serve
        self.answering = Answering(serve.name, serve.model, "waiting")
        self.trouble: ColonnadeError | None = None
        self.also: str = ""
        """A version that is to be up as well, before it is live: what a roll back goes to."""
        self.load = Load()
        """What the gateway sees of the service now; whoever calls `step` sets it."""
        self._scaling = Scaling()
        self._begun: dict[str, int] = {}
        self._surplus: frozenset[str] = frozenset()
        self._refused: dict[tuple[str, str], ColonnadeError] = {}
        self._failures: dict[tuple[str, str], tuple[int, int]] = {}
        self._troubles: dict[str, str] = {}
        self._code: tuple[tuple[int, int], dict[str, bytes]] | None = None
        self._packaged: dict[str, Code | None] = {}
        self._said = ""

    def step(self) -> bool:
        """One look; whether something is under way. Raises ColonnadeError."""
        trial = self._trial()  # before the Name: where that moves meanwhile, the challenger is only asked more
        version, generation = self._live()
        replicas = [self._looked(one) for one in self.replicas()]
        replicas = [one for one in replicas if one.state != "ended"]
        rival = trial.challenger if trial is not None else ""
        tried = (rival, trial.champion) if trial is not None else ()
        wanted = [one for one in dict.fromkeys((version, *tried, self.also)) if one]
        self.trouble = None
        codes = {one: self._code_of(one) for one in wanted}
        marks = {one: code.mark for one, code in codes.items()}
        count = self._count(version, rival, marks, replicas)
        for one in wanted:
            here = [each for each in replicas if each.is_of(one, marks) and each.state != "draining"]
            missing = (count if one in {version, rival} else 1) - len(here)
            live, self.trouble = self.trouble, None
            for _ in range(missing):
                if not self._start(one, codes[one]):
                    break
            self._troubles[one] = self.trouble.message if self.trouble is not None else ""
            self.trouble = self.trouble if one == version else live  # another version's is no trouble of the service
        self._troubles = {one: self._troubles[one] for one in wanted}
        self._route(version, generation, marks, replicas, trial)
        self._let_go(set(marks.items()), replicas)
        return self.answering.state == "starting" or any(one.state == "starting" for one in replicas) or not (
            not version or self.answering.version == version
        )  # fmt: skip

    def _count(self, version: str, rival: str, marks: Mapping[str, str], replicas: list[Replica]) -> int:
        """How many of the live version (and of the one that is tried beside it) should be up; what is beyond that is
        surplus: the newest, unready ones first.
        """
        ranked = sorted(replicas, key=lambda one: (one.state != "ready", one.created_ms, one.lease))
        ranked = [one for one in ranked if one.is_of(one.version, marks) and one.state != "draining"]
        here, beside = ([one for one in ranked if one.version == each] for each in (version, rival))
        ready = sum(one.state == "ready" for one in here)
        count = self._scaling.look(self.serve.bounds, self.load, ready, self._means.state.now_ms())
        self._surplus = frozenset(one.lease for one in (*here[count:], *(beside[count:] if rival != version else ())))
        return count

    def replicas(self) -> list[Replica]:
        """Those that have not ended, oldest first."""
        rows = self._means.state.rows("replicas_open", service=self.serve.id)
        fields = Replica.__dataclass_fields__
        return [Replica(**{**{name: row[name] for name in fields}, "told": json.loads(row["told"])}) for row in rows]

    def warm(self, version: str) -> bool:
        """Whether a replica of this version answers."""
        return any(one.version == version and one.state == "ready" for one in self.replicas())

    def refusal(self, version: str) -> ColonnadeError | None:
        """Why a version may not be loaded."""
        return next((error for (one, _), error in self._refused.items() if one == version), None)

    def troubles(self, version: str) -> str:
        """Why a version that is wanted does not come up; "" while it may."""
        return self._troubles.get(version, "")

    def close(self) -> list[str]:
        """Give every replica's lease back; the leases."""
        replicas = self.replicas()
        for one in replicas:
            self._release(one)
        return [one.lease for one in replicas]

    def sweep(self) -> None:
        """Rows and folders of replicas that have ended."""
        for one in self.replicas():
            self._looked(one)

    def _live(self) -> tuple[str, int]:
        here = self._means.state.rows("name_get", project=self._means.project, kind=CHAMPION, name=self.serve.model)
        return (str(here[0]["digest"]), int(here[0]["generation"])) if here else ("", 0)

    def _trial(self) -> Trial | None:
        """The model's rollout that has not ended."""
        for row in self._means.state.rows("rollout_trial", model=self.serve.model_id):
            share = row["share_millionths"] / 10_000
            return Trial(row["id"], row["champion"], row["challenger"], row["state"], share)
        return None

    def _code_of(self, version: str) -> Code:
        """With what a version is served: the script that was packaged with it; for a version that was made before the
        service had one, the script as it lies there now.
        """
        if version not in self._packaged:
            artifacts = self._means.artifacts
            digest = artifacts.get(version).about.get("serving", {}).get(self.serve.name)
            made: Code | None = None
            if digest is not None:
                kept = artifacts.get(digest)
                files = {entry.path: artifacts.read(entry) for entry in kept.files}
                made = Code(str(kept.about["script"]), digest_of(files), files)
            self._packaged = {**dict(list(self._packaged.items())[-8:]), version: made}
        found = self._packaged[version]
        if found is None:
            files = self._script()
            name = self.serve.script.name if self.serve.script is not None else ""
            found = Code(name, digest_of(files) if files else "", files)
        return replace(found, mark=self.serve.mark(found.mark))

    def _script(self) -> dict[str, bytes]:
        """The user's script and what it imports, read again when it changed. Raises UsageError."""
        if self.serve.script is None:
            return {}
        try:
            stat = self.serve.script.stat()
        except OSError as error:
            message = f"{self.serve.script.name} cannot be read: {error.strerror}"
            raise UsageError(message, code="script_missing") from error
        mark = (stat.st_mtime_ns, stat.st_size)
        if self._code is None or self._code[0] != mark:
            self._code = (mark, closure(self.serve.script))
        return self._code[1]

    # one replica
    def _looked(self, one: Replica) -> Replica:
        """A replica as it is now: it answers, it does not yet, it has ended."""
        over = self._means.leasing.look(one.lease)
        now = self._means.state.now_ms()
        if over is not None:
            self._begun.pop(one.lease, None)
            shutil.rmtree(self._means.folder / one.place, ignore_errors=True)
            if one.state in {"starting", "ready"} and one.idle_ms is None:
                self._failed(one, over.said or f"{over.outcome} (exit {over.code})", now)
            return self._set(one, state="ended")
        if one.state == "starting":
            told = probe(self._means.folder / one.place) if self._socket(one).exists() else None
            if told is not None:
                _log.info("service %s: a replica of %s answers", self.serve.name, one.version[:19])
                return self._set(one, state="ready", told=dict(told), ready_ms=now)
            if self._means.leasing.waits(one.lease):
                return one
            if now - self._begun.setdefault(one.lease, now) > START_MS:
                self._said = f"it did not answer within {START_MS // 1000} s"
                self._means.leasing.release(one.lease)
        return one

    def _socket(self, one: Replica) -> Path:
        return self._means.folder / one.place / SOCKET

    def _failed(self, one: Replica, said: str, now: int) -> None:
        key = (one.version, one.code)
        stood = one.ready_ms is not None and now - one.ready_ms > BACK_OFF_MS[-1]
        count = 1 if stood else self._failures.get(key, (0, 0))[0] + 1
        self._failures[key] = (count, now + BACK_OFF_MS[min(count, len(BACK_OFF_MS)) - 1])
        last = said.strip().splitlines()[-1][:300] if said.strip() else ""
        _log.warning("service %s: a replica of %s ended: %s", self.serve.name, one.version[:19], last)
        self._said = last

    def _set(self, one: Replica, **changed: Any) -> Replica:
        new = replace(one, **changed)
        with self._means.state.transaction() as tx:
            tx.run(
                "replica_set", lease=new.lease, state=new.state, told=json.dumps(dict(new.told)), ready_ms=new.ready_ms,
                idle_ms=new.idle_ms,
            )  # fmt: skip
        return new

    def _start(self, version: str, code: Code) -> bool:
        """Ask for a replica, unless the version may not be loaded or has just failed; whether it was asked for."""
        key, means = (version, code.mark), self._means
        if key in self._refused:
            self.trouble = self._refused[key]
            return False
        count, not_before = self._failures.get(key, (0, 0))
        if count > 1:
            message = f"the replica of {self.serve.name} does not stay up: {self._said}"
            self.trouble = ColonnadeError(message, hint="`colonnade logs` has what it said", code="replica_failed")
        if means.state.now_ms() < not_before:
            return False
        place = f"serve-{secrets.token_hex(8)}"
        folder = means.folder / place
        try:
            self._lay_out(folder, version, code)
        except ColonnadeError as error:
            shutil.rmtree(folder, ignore_errors=True)
            self._refused[key] = self.trouble = error
            return False

        def also(tx: Transaction, run: str, lease: str) -> None:
            tx.run(
                "replica_add", lease=lease, run=run, project=means.project, service=self.serve.id, version=version,
                model=self.serve.model_id, code=code.mark, place=place, created_ms=means.state.now_ms(),
            )  # fmt: skip

        environment = {
            **means.environment, "HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1",
            "OMP_NUM_THREADS": str(self.serve.threads), "OPENBLAS_NUM_THREADS": str(self.serve.threads),
        }  # fmt: skip
        command = [*means.program, str(folder)]
        means.leasing.ask(
            Wish(self.serve.claim, command, str(folder), means.actor, self.serve.queue, environment), also
        )
        return True

    def _lay_out(self, folder: Path, version: str, code: Code) -> None:
        """The model's files, for reading only, once they are judged; and the script. Raises Refused."""
        (folder / "model").mkdir(parents=True)
        self._means.artifacts.lay_out(version, folder / "model")
        refuse(self.serve.model, unsafe_files(self._means.scan, folder / "model"))
        for path, data in code.files.items():
            file = folder / "code" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        about = {
            "service": self.serve.name, "model": self.serve.model, "version": version, "script": code.script,
            "threads": self.serve.threads,
        }  # fmt: skip
        (folder / "serve.json").write_text(json.dumps(about))

    # the route
    def _route(
        self, version: str, generation: int, marks: Mapping[str, str], replicas: list[Replica], trial: Trial | None
    ) -> None:  # fmt: skip
        """Who is asked: the live version's replicas once one of them is ready; until then whoever was, though never a
        version that is only tried.
        """
        serve, ready = self.serve, [one for one in replicas if one.state == "ready"]
        mine = [one for one in ready if one.is_of(version, marks) and one.lease not in self._surplus]
        rival = self._rival(version, marks, ready, trial)
        if rival is not None and not mine:
            ready = [one for one in ready if one.version != rival.version]
        if not mine and ready:  # whoever was asked before, or, after a restart, who was begun last
            asked = self.answering.version
            mine = [one for one in ready if one.version == asked] or [ready[-1]]
            mine = [one for one in mine if (one.version, one.code) == (mine[-1].version, mine[-1].code)]
        if mine:
            places = tuple(self._means.folder / one.place for one in mine)
            about = mine[0].told
            new = Answering(
                serve.name, serve.model, "ready", mine[0].version, generation, places, serve.most * len(mine), "",
                about, rival,
            )  # fmt: skip
        else:
            state, reason = "starting", ""
            if not version:
                state, reason = "waiting", f"no version of the model {serve.model} is live yet"
            elif self.trouble is not None:
                state = "refused" if isinstance(self.trouble, Refused) else "failed"
                reason = self.trouble.message
            new = Answering(serve.name, serve.model, state, version, generation, (), serve.most, reason, {}, rival)
        if new != self.answering:
            if new.version != self.answering.version:
                _log.info("service %s: %s answers", serve.name, new.version[:19] or "nobody")
            self.answering = new

    def _rival(
        self, version: str, marks: Mapping[str, str], ready: list[Replica], trial: Trial | None
    ) -> Rival | None:  # fmt: skip
        """Who is tried beside the live version."""
        if trial is None or trial.state == "probation" or trial.challenger == version:
            return None
        mine = [one for one in ready if one.is_of(trial.challenger, marks)]
        mine = [one for one in mine if one.lease not in self._surplus]
        places = tuple(self._means.folder / one.place for one in mine)
        return Rival(trial.rollout, trial.challenger, trial.share, places, self.serve.most * len(mine))

    def _let_go(self, wanted: set[tuple[str, str]], replicas: list[Replica]) -> None:
        """Replicas that are not asked any more end: the last version's after a while, others soon."""
        now = self._means.state.now_ms()
        rival = self.answering.rival
        asked = {place.name for place in (*self.answering.places, *(rival.places if rival is not None else ()))}
        spare = [
            one for one in replicas
            if ((one.version, one.code) not in wanted or one.lease in self._surplus) and one.place not in asked
        ]  # fmt: skip
        versions = {version for version, _ in wanted}
        others = [one for one in spare if one.state == "ready" and one.version not in versions]
        warm = max(others, key=lambda one: (one.idle_ms or now, one.lease)).lease if others else ""
        for one in replicas:
            if one not in spare:
                if one.idle_ms is not None and one.state == "ready":
                    self._set(one, idle_ms=None)
            elif one.idle_ms is None:
                self._set(one, idle_ms=now)
            elif one.state != "draining" and now - one.idle_ms > (WARM_MS if one.lease == warm else LINGER_MS):
                self._release(one)

    def _release(self, one: Replica) -> None:
        self._set(one, state="draining")
        self._means.leasing.release(one.lease)
