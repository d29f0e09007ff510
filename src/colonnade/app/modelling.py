# SPDX-License-Identifier: Apache-2.0
"""The models of a house: their loops, opened as the declaration says, and the fabric as they ask for it."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from colonnade.app.computing import Computing
from colonnade.app.logs import last_bytes
from colonnade.app.scanning import FolderScan
from colonnade.app.settings.compute import DEFAULT_QUEUE
from colonnade.app.settings.data import patterns_of, sources_of
from colonnade.app.settings.declaration import Service
from colonnade.app.settings.environment import Places, for_programs
from colonnade.app.settings.models import BUILTIN, Between, Model
from colonnade.app.settings.models import Gate as DeclaredGate
from colonnade.app.settings.models import Search as DeclaredSearch
from colonnade.app.wiring import learning_folder, open_sources, open_tables, open_tuner
from colonnade.core.answers import Asker
from colonnade.core.errors import MissingExtra, UnknownName
from colonnade.fabric.leases import Asked
from colonnade.lifecycle.artifacts import Artifacts
from colonnade.lifecycle.aside import Aside
from colonnade.lifecycle.closure import digest_of
from colonnade.lifecycle.doing import Tools
from colonnade.lifecycle.loop import ModelLoop
from colonnade.lifecycle.rollout.plan import Plan
from colonnade.lifecycle.rollout.rolling import Rolling
from colonnade.lifecycle.searching.space import Search
from colonnade.lifecycle.seeded import SEEDS
from colonnade.lifecycle.wanted import Gate, Slicing, Wanted
from colonnade.lifecycle.watching.due import RetrainRule
from colonnade.lifecycle.watching.telling import Telling, nothing_told
from colonnade.lifecycle.work import Bench
from colonnade.ports.journal import Journal
from colonnade.ports.outside.blobs import Blobs
from colonnade.ports.outside.keys import Keys
from colonnade.ports.outside.state import State, Transaction
from colonnade.ports.outside.tuner import Range
from colonnade.ports.rowlease import RowLease
from colonnade.ports.skills.leases import Over, Wish

TAIL_BYTES = 4096


class FabricLeasing:
    """Implements `ports.skills.leases.Leasing` over this house's fabric."""

    def __init__(self, computing: Computing, runs: Path, state: State) -> None:
        self._computing, self._runs, self._state = computing, runs, state

    def ask(self, wish: Wish, also: Callable[[Transaction, str, str], None]) -> tuple[str, str]:
        """See `Leasing.ask`."""
        asked = Asked(
            claim=wish.claim,
            command=wish.command,
            folder=wish.folder,
            queue=wish.queue,
            principal=wish.principal,
            environment=wish.environment,
        )
        made = self._computing.leases.ask(asked, also)[0]
        self._computing.loop.look()
        return made

    def look(self, lease: str) -> Over | None:
        """See `Leasing.look`."""
        rows = self._state.rows("lease_get_one", id=lease)
        if not rows or rows[0]["state"] != "ended":
            return None if rows else Over("lost", None)
        return Over(rows[0]["outcome"], rows[0]["code"], rows[0]["note"] or self._said(lease))

    def waits(self, lease: str) -> bool:
        """See `Leasing.waits`."""
        rows = self._state.rows("lease_get_one", id=lease)
        return bool(rows) and rows[0]["state"] == "pending"

    def release(self, lease: str) -> None:
        """See `Leasing.release`."""
        for one in self._computing.leases.open():
            if one.id == lease:
                self._computing.loop.release(one, "cancelled", one.principal)

    def _said(self, lease: str) -> str:
        try:
            return last_bytes(self._runs / lease / "err", TAIL_BYTES)[0].decode("utf-8", "replace")
        except OSError:
            return ""


class Modelling:
    """Every model that was ever declared here; those that are declared now are followed."""

    def __init__(
        self, places: Places, state: State, keys: Keys, blobs: Blobs, journal: Journal, computing: Computing, *,
        actor: str, holder: str, rolling: Rolling | None = None,
    ) -> None:  # fmt: skip
        self._places, self._state, self._keys, self._journal = places, state, keys, journal
        self._computing, self._holder = computing, holder
        bench = Bench(places.work, sys.executable, for_programs())
        self._tools = Tools(
            state, journal, Artifacts(state, blobs, keys, journal.project),
            FabricLeasing(computing, places.runs, state), bench, actor, interpreter(), open_tables(),
            open_sources(places), FolderScan(), Aside(threaded=True),
        )  # fmt: skip
        self._tools = replace(
            self._tools, tuner=open_tuner(), rolling=rolling, told=lambda *asked: self.telling(*asked)
        )
        self.telling: Telling = nothing_told
        """Who has rows whose truth was told: `app.watching`, where a model is served."""
        self.loops: dict[str, ModelLoop] = {}

    def apply(
        self, declared: Mapping[str, Model], served: Mapping[str, Plan | None], services: Mapping[str, Service]
    ) -> None:
        """Follow what is declared now, and nothing else; `served`: models that a service loads, and how their versions
        are rolled out (None: at once); the scripts of `services` are packaged with the versions that they answer with.
        """
        with self._state.transaction() as tx:
            for name in declared:
                tx.run("model_add", id=self._state.new_id("mod"), project=self._journal.project, name=name)
        rows = self._state.rows("models_of_project", project=self._journal.project)
        ids = {row["name"]: row["id"] for row in rows}
        for name, model in declared.items():
            folder = self._places.folder
            scripts = {by: folder / one.serve for by, one in services.items() if one.model == name and one.serve}
            wanted = replace(
                self._wanted(ids[name], name, model), served=name in served, rollout=served.get(name), serving=scripts
            )
            if name in self.loops:
                self.loops[name].wanted = wanted
            else:
                self._keys_for(ids[name])
                row = RowLease(self._state, f"model/{ids[name]}", self._holder)
                self.loops[name] = ModelLoop(self._tools, wanted, row)
        for name in [name for name in self.loops if name not in declared]:
            del self.loops[name]

    def train(self, asker: Asker, model: str) -> Mapping[str, Any]:  # noqa: ARG002  (the port's)
        """See `gateway.models_admin.TrainingBackend`. The pipeline's entries are the daemon's own."""
        found = next((loop for name, loop in self.loops.items() if model in {name, f"model/{loop.wanted.id}"}), None)
        if found is None:
            known = ", ".join(sorted(self.loops)) or "none"
            raise UnknownName(f"no model {model!r} is declared", hint=f"declared under `models`: {known}")
        after = found.ask()
        return {
            "schema": "colonnade.training/1",
            "ref": f"model/{found.wanted.id}",
            "name": found.wanted.name,
            "after": f"run/{after}",
        }

    def _keys_for(self, model: str) -> None:
        with self._state.transaction() as tx:
            self._keys.create(tx, model, self._journal.project)

    def _wanted(self, ident: str, name: str, model: Model) -> Wanted:
        queues = {
            row["name"]: row["id"] for row in self._state.rows("queues_of_project", project=self._journal.project)
        }
        full = self._computing.declared.queue_names().get(model.queue or DEFAULT_QUEUE, DEFAULT_QUEUE)
        folder = self._places.folder
        return Wanted(
            id=ident,
            name=name,
            folder=folder,
            patterns=tuple(pattern.removeprefix("./") for pattern in patterns_of(model.data)),
            label=model.label,
            time=model.time,
            holdout=model.holdout,
            rules=model.contract.rules(),
            sources=tuple(sources_of(model.data)),
            known_at=model.known_at,
            format=model.format or ("csv" if model.train == BUILTIN else ""),
            train=_script(folder, model, model.train),
            evaluate=_script(folder, model, model.evaluate),
            parameters={**model.parameters, **_built_in(model), **({SEEDS: model.seeds} if model.seeds > 1 else {})},
            gates=tuple(_gate(gate) for gate in model.gates),
            claim=model.claim(),
            queue=queues[full],
            timeout_ms=model.timeout_s * 1000,
            retries=model.retries,
            watch=model.watch,
            retrain=_retrain(model),
            label_delay=model.label_delay,
            search=_search(model.search),
            slices=tuple(
                Slicing(one, ()) if isinstance(one, str) else Slicing(one.column, tuple(map(float, one.bins)))
                for one in model.slices
            ),
            recent=model.recent,
        )


def _script(folder: Path, model: Model, declared: str) -> Path:
    """A user's script; or the built-in one, which lies in the package and runs like any other."""
    if declared != BUILTIN:
        return folder / declared
    if model.task != "text-classification" and find_spec("lightgbm") is None:
        message = "built-in training of tables needs LightGBM, which is not installed"
        raise MissingExtra(message, hint="pip install 'colonnade[ml]'")
    return learning_folder() / "script.py"


def _built_in(model: Model) -> dict[str, Any]:
    """What the built-in script is told beside the parameters: the task, and a digest of how it learns."""
    if model.task is None:
        return {}
    files = {path.name: path.read_bytes() for path in learning_folder().glob("*.py")}
    told: dict[str, Any] = {"task": model.task, "recipe": digest_of(files)}
    if model.text is not None:
        told["text"] = model.text if isinstance(model.text, str) else "\n".join(model.text)
    return told


def _retrain(model: Model) -> RetrainRule:
    rule = model.retrain.rule()
    return rule if model.watch else replace(rule, on=rule.on - {"data", "code", "declaration"})


def _search(declared: DeclaredSearch | None) -> Search | None:
    if declared is None:
        return None
    space = {
        name: Range(one.low, one.high, one.log) if isinstance(one, Between) else tuple(one)
        for name, one in declared.parameters.items()
    }
    return Search(space, declared.trials, declared.metric, declared.direction == "maximize", declared.parallel,
                  declared.prune, declared.seed)  # fmt: skip


def _gate(gate: DeclaredGate) -> Gate:
    low = gate.at_least is not None or gate.not_below is not None
    limit = gate.at_least if gate.at_least is not None else gate.at_most
    where = next(iter(gate.slice.items())) if gate.slice else None
    return Gate(gate.metric, "at_least" if low else "at_most", limit, gate.margin, where, gate.each,
                gate.part == "recent")  # fmt: skip


def interpreter() -> str:
    """The interpreter and everything that it can import: part of what a result depends on."""
    installed = sorted(f"{d.metadata['Name']}=={d.version}" for d in metadata.distributions())
    told = "\n".join([sys.version, *installed])
    return f"sha256:{hashlib.sha256(told.encode()).hexdigest()}"
