# SPDX-License-Identifier: Apache-2.0
"""The house of one state directory: its store, keys, people, knowledge bases and services, and how a declaration comes
into force.

Threads, sockets and processes are `runtime`'s and `daemon`'s; what pages show is `pages`'s.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colonnade.app import wiring
from colonnade.app.active import ACTIVE, read_active
from colonnade.app.builtin import builtin_folder
from colonnade.app.flowing import open_flows
from colonnade.app.plan import Change, changes
from colonnade.app.settings.compute import Compute
from colonnade.app.settings.declaration import Declaration, Source
from colonnade.app.settings.environment import Places
from colonnade.core import entries
from colonnade.core.errors import Lost, StateError, UsageError
from colonnade.core.leaf import Leaf
from colonnade.govern.access.apikeys import ApiKeys
from colonnade.govern.access.people import OWNER, People
from colonnade.knowledge.asking import Asking
from colonnade.knowledge.base import KnowledgeBase, Tools
from colonnade.knowledge.contents import Shelf
from colonnade.knowledge.ingest.loop import IngestLoop
from colonnade.knowledge.recording import Recording
from colonnade.knowledge.sources import FolderSource
from colonnade.ports.journal import Journal
from colonnade.ports.outside.state import Transaction
from colonnade.ports.rowlease import RowLease

if TYPE_CHECKING:
    from colonnade.app.computing import Computing
    from colonnade.app.flows import Flows
    from colonnade.app.modelling import Modelling
    from colonnade.app.rollouts import Rollouts
    from colonnade.app.serving import Serving
    from colonnade.app.tracing import Tracing
    from colonnade.app.tracking import Tracking
    from colonnade.app.watching import Watches

SYSTEM = "colonnade"


class House:
    """Everything that a daemon holds open."""

    def __init__(self, places: Places, *, holder: str) -> None:
        self.places, self.holder = places, holder
        self.clock = wiring.open_clock()
        self.state = wiring.open_state(places, self.clock)
        self.keys = wiring.open_keys(places, self.state)
        self.blobs = wiring.open_blobs(places)
        self.parsers = wiring.open_parsers()
        self.embedders = wiring.Embedders(places, self.stored_embedder)
        self.stop = threading.Event()
        self.url = ""
        self.on_change: Callable[[], None] = lambda: None
        self.on_open: Callable[[], None] = lambda: None
        self.declaration: Declaration | None = None
        self.project = ""
        self.loops: dict[str, IngestLoop] = {}
        self.asking: dict[str, Asking] = {}
        self.computing: Computing | None = None
        self.modelling: Modelling | None = None
        self.flowing: Flows | None = None
        self.serving: Serving | None = None
        self.tracking: Tracking | None = None
        self.rollouts: Rollouts | None = None
        self.watching: Watches | None = None
        self.tracing: Tracing | None = None
        self._applying = threading.Lock()

    def open_project(self, name: str) -> None:
        """Open the state's project, or begin it under this name."""
        rows = self.state.rows("projects_all")
        if rows and rows[0]["name"] != name:
            raise UsageError(
                f"the state in {self.places.home} belongs to the project {rows[0]['name']!r}, not to {name!r}",
                hint="keep the project's name, or set COLONNADE_HOME to another directory",
                code="project_differs",
            )
        if self.project:
            return
        self.project = rows[0]["id"] if rows else self.state.new_id("prj")
        self.journal = Journal(self.state, self.keys, self.project)
        self.people = People(self.state, self.keys, self.journal)
        self.api_keys = ApiKeys(self.state, self.journal)
        with self.state.transaction() as tx:
            if not rows:
                tx.run("project_add", id=self.project, name=name, created_ms=self.state.now_ms())
                self.keys.create(tx, self.project, self.project)
            self.system = self.people.ensure(tx, SYSTEM, "service")
            self.owner = self.people.ensure(tx, OWNER, "owner")
            if not rows:
                stamp = self.journal.stamp(self.system)
                tx.append(entries.project_created(stamp, self.journal.mac, name=name))
        self.recording = Recording(self.state, self.keys, self.journal, self.system)

    def active(self) -> dict[str, Any] | None:
        """The declaration in force, as it was dumped."""
        return read_active(self.state, self.keys, self.project)

    def apply(self, declaration: Declaration) -> list[Change]:
        """Bring a declaration into force; applying it again changes nothing. Returns what changed."""
        with self._applying:
            self.open_project(declaration.project)
            if not self.loops:
                from colonnade.app.erasing import Erasing

                Erasing(self).resume()
            wanted = declaration.model_dump(mode="json")
            if any(service.model is not None for service in declaration.services.values()):
                from colonnade.app.serving import check_served

                check_served(self, declaration)
            difference = changes(self.active(), wanted)
            if difference:
                self._write(declaration, wanted, len(difference))
            self.declaration = declaration
            self._open_rooms(declaration)
            self._open_tracking(declaration)
            self._open_tracing(declaration)
            held = self.state.rows("leases_open", project=self.project)
            if declaration.compute is not None or declaration.models or held or self.computing is not None:
                self.open_compute(declaration.compute or Compute(devices="none"), declaration)
                self._open_serving(declaration)
            open_flows(self, needed=False)
            self.on_change()
            return difference

    def break_leases(self) -> None:
        """End the row leases of a daemon that was killed, and remove what it had no time to: our lock on the state
        directory says that it is gone.
        """
        with self.state.transaction() as tx:
            tx.run("leases_break")
        if self.places.work.is_dir():
            from colonnade.lifecycle.work import sweep

            sweep(self.state, self.places.work)

    def stored_embedder(self, specification: str) -> str | None:
        """The id under which vectors of that embedder are stored already."""
        for row in self.state.rows("knowledge_of_project", project=self.project):
            known = self.state.rows("meta_get", key=f"embedder/{row['embedder']}")
            if known and known[0]["value"] == specification:
                return str(row["embedder"])
        return None

    def origin(self) -> str:
        """The log's name."""
        return "colonnade/" + str(self.state.rows("meta_get", key="log_id")[0]["value"])

    def close(self) -> None:
        """Save what is derived, end children, close the store. Commands under leases go on."""
        if self.computing is not None:
            self.computing.close()
        for asking in self.asking.values():
            asking.close()
        for loop in self.loops.values():
            loop.base.save()
            loop.lease.release()
        self.parsers.close()
        self.embedders.close()
        with contextlib.suppress(StateError), self.state.transaction() as tx:
            tx.run("leases_break")  # no loop runs any more: whoever comes next waits for none of ours
        self.state.close()

    def source_readers(self, source: Source) -> str:
        """The id of a source's reader set."""
        names = json.dumps(sorted(set(source.readers)))
        return next(
            str(row["id"])
            for row in self.state.rows("reader_sets_of_project", project=self.project)
            if row["names"] == names
        )

    def _write(self, declaration: Declaration, wanted: dict[str, Any], count: int) -> None:
        body = json.dumps(wanted, sort_keys=True, ensure_ascii=False).encode()
        sealed = self.keys.seal((self.project,), body, "declaration")
        with self.state.transaction() as tx:
            stamp = self.journal.stamp(self.owner)
            tx.append(entries.declaration_applied(stamp, self.journal.mac, declaration=body, changes=count))
            digest = "sha256:" + hashlib.sha256(sealed).hexdigest()
            tx.run(
                "artifact_add",
                digest=digest,
                project=self.project,
                kind=ACTIVE,
                body=sealed,
                created_ms=self.state.now_ms(),
            )
            self._point(tx, digest)
            self.people.set_groups(tx, declaration.access.groups, actor=self.owner)
            for name, base in declaration.knowledge.items():
                tx.run(
                    "knowledge_add",
                    id=self.state.new_id("knw"),
                    project=self.project,
                    name=name,
                    created_ms=self.state.now_ms(),
                )
                row = next(r for r in tx.rows("knowledge_of_project", project=self.project) if r["name"] == name)
                self.keys.create(tx, row["id"], self.project)
                for source in base.sources:
                    readers = self.people.reader_set(tx, source.readers, actor=self.owner)
                    self._grant(tx, row["id"], source.key, readers)
            for name in declaration.services:
                tx.run("service_add", id=self.state.new_id("svc"), project=self.project, name=name)

    def _point(self, tx: Transaction, digest: str) -> None:
        """Move the name `declaration/active`, by compare-and-set."""
        here = tx.rows("name_get", project=self.project, kind=ACTIVE, name="active")
        if not here:
            tx.run("name_create", project=self.project, kind=ACTIVE, name="active", digest=digest)
        elif not tx.run(
            "name_move",
            project=self.project,
            kind=ACTIVE,
            name="active",
            digest=digest,
            generation=here[0]["generation"],
        ):
            raise Lost("another declaration was applied meanwhile", hint="run `colonnade plan` and `up` again")

    def _grant(self, tx: Transaction, knowledge: str, source: str, readers: str) -> None:
        """Documents of a source whose readers changed."""
        for row in tx.rows("documents_of_knowledge", knowledge=knowledge):
            if row["source"] == source and row["readers"] != readers:
                tx.run("document_readers", id=row["id"], readers=readers)
                tx.append(self._reread(tx, row["id"], readers))

    def _regrant(self, knowledge: str, sources: list[Source]) -> None:
        """Documents that ingestion wrote between the new declaration and its own learning of it."""
        with self.state.transaction() as tx:
            for source in sources:
                self._grant(tx, knowledge, source.key, self.source_readers(source))

    def _reread(self, tx: Transaction, document: str, readers: str) -> Leaf:
        """The entry of a document whose readers changed and whose content did not."""
        version = tx.rows("versions_of_document", document=document)[-1]
        content = tx.rows("content_get", id=version["content"])[0]
        path = self.keys.open((document,), version["path_sealed"], f"{document}/path").decode("utf-8", "replace")
        return entries.document_changed(
            self.journal.stamp(self.owner),
            self.journal.mac,
            document=document,
            run=self.project,
            content=version["content"],
            readers=readers,
            data=content["mac"],
            path=path,
            chars=content["chars"],
            chunks=content["chunks"],
        )

    def _open_rooms(self, declaration: Declaration) -> None:
        rows = {row["name"]: row["id"] for row in self.state.rows("knowledge_of_project", project=self.project)}
        for name, knowledge in rows.items():
            declared = declaration.knowledge.get(name)
            sources = [self._source(s) for s in declared.sources] if declared else []
            embed_with = declared.embed_with if declared else None
            specification = embed_with.model_dump_json() if embed_with else ""
            loop = self.loops.get(name)
            if loop is None:
                loop = self._loop(name, knowledge, sources, specification)
                self.loops[name] = loop
                self.asking[name] = Asking(loop.base, self.link)
                changed = True
            else:
                changed = (loop.sources, loop.specification) != (sources, specification)
                loop.sources, loop.specification, loop.why = sources, specification, "declaration changed"
                if declared is not None:
                    self._regrant(knowledge, declared.sources)
                documents = [row["id"] for row in self.state.rows("documents_of_knowledge", knowledge=knowledge)]
                loop.base.take_in([], documents)
                self.asking[name].forget()
            loop.watch = declared.watch if declared else True
            loop.look()
            if changed:
                loop.doubt()

    def open_compute(self, declared: Compute, declaration: Declaration) -> None:
        """The fabric and the models, as declared."""
        models = declaration.models
        if self.computing is None:
            from colonnade.app.computing import Computing

            self.computing = Computing(
                self.places,
                self.state,
                self.keys,
                self.journal,
                actor=self.system,
                holder=self.holder,
                declared=declared,
            )
        self.computing.apply(declared, self.owner)
        self.computing.closed = declaration.compute is None and not models
        if self.modelling is None and models:
            from colonnade.app.modelling import Modelling
            from colonnade.app.rollouts import Rollouts

            self.rollouts = Rollouts(self)
            self.modelling = Modelling(
                self.places,
                self.state,
                self.keys,
                self.blobs,
                self.journal,
                self.computing,
                actor=self.system,
                holder=self.holder,
                rolling=self.rollouts.rolling,
            )
        if self.modelling is not None and self.rollouts is not None:
            self.modelling.apply(models, self.rollouts.plans(declaration), declaration.services)

    def _open_serving(self, declaration: Declaration) -> None:
        served = {name: service for name, service in declaration.services.items() if service.model is not None}
        if self.serving is None and served:
            from colonnade.app.serving import Serving

            self.serving = Serving(self)
            if self.rollouts is not None:
                self.serving.exchanges.watchers.append(self.rollouts.exchanges)
        if self.watching is None and self.serving is not None:
            from colonnade.app.watching import Watches

            self.watching = Watches(self)
            if self.rollouts is not None:
                self.watching.outcomes.append(self.rollouts.outcomes)
            self.serving.exchanges.watchers.append(self.watching.take)
            if self.modelling is not None:
                self.modelling.telling = self.watching.told
        if self.serving is not None:
            self.serving.apply(served)
        if self.watching is not None:
            self.watching.apply(declaration)

    def _open_tracing(self, declaration: Declaration) -> None:
        if self.tracing is None:
            from colonnade.app.tracing import Tracing

            self.tracing = Tracing(self)
        self.tracing.apply(declaration)

    def _open_tracking(self, declaration: Declaration) -> None:
        if self.tracking is None:
            from colonnade.app.tracking import Tracking

            self.tracking = Tracking(self)
        self.tracking.apply(declaration)

    def _loop(self, name: str, knowledge: str, sources: list[FolderSource], specification: str) -> IngestLoop:
        tools = Tools(self.state, self.keys, self.embedders.get, wiring.open_vectors, self.places.index)
        shelf = Shelf(self.state, self.blobs, self.keys, self.project, knowledge)
        return IngestLoop(
            state=self.state,
            base=KnowledgeBase(tools, shelf, self.project, knowledge, name),
            parsers=self.parsers,
            journal=self.journal,
            lease=RowLease(self.state, f"ingest/{knowledge}", self.holder),
            actor=self.system,
            sources=sources,
            specification=specification,
            changed=lambda: self.on_change(),
            stop=self.stop,
        )

    def _source(self, source: Source) -> FolderSource:
        root = (
            builtin_folder(self.places.home, source.builtin)
            if source.builtin
            else self.places.folder / str(source.path)
        )
        return FolderSource(
            key=source.key,
            root=Path(root),
            readers=self.source_readers(source),
            include=tuple(source.include),
            exclude=tuple(source.exclude),
            skip=frozenset({self.places.home, self.places.declaration}),  # who is in which group is nobody's reading
        )

    def link(self, document: str, content: str) -> str:
        """The URL of a source."""
        return f"{self.url}/documents/{document}@{content}"
