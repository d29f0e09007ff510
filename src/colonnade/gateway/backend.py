# SPDX-License-Identifier: Apache-2.0
"""What the gateway needs of the house: one Protocol that `app` implements and tests fake.

Everything here is synchronous and may take milliseconds; the gateway calls it in a thread, except `snapshot` and
`record`, which never wait. What an asker may not read answers as what does not exist: methods return None, never
"forbidden".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from colonnade.core.answers import Answer, Asker, Found
from colonnade.gateway.offers import Offers
from colonnade.gateway.views import AnswerView as AnswerView
from colonnade.gateway.views import FileView as FileView
from colonnade.gateway.views import KnowledgeView as KnowledgeView
from colonnade.gateway.views import LedgerView as LedgerView
from colonnade.gateway.views import RunView as RunView
from colonnade.gateway.views import Source as Source
from colonnade.gateway.views import Version as Version
from colonnade.gateway.views import Walk as Walk

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Upstream:
    """An OpenAI-compatible language model. `key` is a secret: it is never shown."""

    url: str
    model: str
    key: str = field(default="", repr=False)
    timeout_ms: int = 60_000
    first_byte_ms: int = 20_000


@dataclass(frozen=True, slots=True)
class Route:
    """A service under its name: with knowledge, with a language model, or both."""

    service: str
    name: str
    knowledge: str | None
    upstream: Upstream | None
    created_s: int


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """What a key opens. `expires_ms` is the store's time; None = never."""

    asker: Asker
    expires_ms: int | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the hot path needs; replaced as a whole whenever keys, rights or routes change.

    Attributes:
        version: grows with each change.
        keys: SHA-256 of a key's UTF-8 bytes -> its holder (revoked keys are absent).
        people: declared name -> asker, for `--as` by an owner.
        routes: service name -> route.
        hosts: values of the Host header that we answer to (DNS rebinding); Origin must be one of them with http(s)://.
        same_user: who a program without a key is, if it runs as the daemon's user on this machine; None for nobody.
    """

    version: int
    project: str
    project_name: str
    keys: Mapping[bytes, KeyHolder]
    people: Mapping[str, Asker]
    routes: Mapping[str, Route]
    hosts: frozenset[str]
    max_body_bytes: int = 10 * 1024 * 1024
    same_user: Asker | None = None


@dataclass(frozen=True, slots=True)
class Capture:
    """What one chat request without knowledge leaves behind: an `answer.given` entry, written in a group by one
    writer.
    """

    ref: str
    asker: Asker
    service: str
    status: str
    ms: int
    tokens_in: int
    tokens_out: int


class Backend(Offers, Protocol):
    """The house behind the gateway."""

    def snapshot(self) -> Snapshot:
        """The current snapshot; never waits."""
        ...

    def now_ms(self) -> int:
        """The store's time; never waits."""
        ...

    def record(self, capture: Capture) -> None:
        """Hand a capture to the writer; never waits."""
        ...

    def used(self, key: str) -> None:
        """A key was used just now; never waits."""
        ...

    def new_ref(self) -> str:
        """A fresh `answer/ans_...`; never waits."""
        ...

    # knowledge
    def ask(
        self,
        asker: Asker,
        service: str,
        question: str,
        *,
        history: Sequence[Mapping[str, str]] = (),
        as_of_ms: int | None = None,
    ) -> Answer:
        """An extractive answer, recorded. Raises UnknownName for a service that does not exist or has no knowledge."""
        ...

    def passages(
        self,
        asker: Asker,
        service: str,
        question: str,
        *,
        history: Sequence[Mapping[str, str]] = (),
        as_of_ms: int | None = None,
        k: int = 8,
    ) -> tuple[str, list[Found], Answer]:
        """For a language model: the question as understood from the conversation, the passages to number, and the
        extractive answer to fall back to (not yet recorded)."""
        ...

    def record_answer(
        self,
        asker: Asker,
        service: str,
        question: str,
        answer: Answer,
        *,
        way: str,
        as_of_ms: int | None = None,
        tokens_in: int = 0,
        tokens_out: int = 0,
    ) -> None:
        """Record an answer that the gateway composed from `passages`; way: extractive, model, fallback."""
        ...

    def search(
        self,
        asker: Asker,
        knowledge: str,
        query: str,
        *,
        k: int = 10,
        as_of_ms: int | None = None,
        mode: str = "hybrid",
    ) -> list[Found]:
        """Passages that the asker may read, best first. Raises UnknownName."""
        ...

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """[len(texts), dimensions] rows of length 1."""
        ...

    def embedding_model(self) -> str:
        """The name under which embeddings are served, as `/v1/models` lists it; "" when there are no weights."""
        ...

    def source(self, asker: Asker, document: str, content: str | None) -> Source | None:
        """A document's text, as of that content or now."""
        ...

    def versions(self, asker: Asker, document: str) -> Sequence[Version]:
        """A document's contents that the asker may read, newest first; empty for what may not be read. Erased ones
        are absent.
        """
        ...

    def raw(self, asker: Asker, document: str, content: str | None) -> bytes | None:
        """A document's original bytes."""
        ...

    # pages
    def knowledge(self, asker: Asker) -> list[KnowledgeView]:
        """Every knowledge base, without files."""
        ...

    def knowledge_page(self, asker: Asker, name: str) -> KnowledgeView | None:
        """One knowledge base with its files."""
        ...

    def runs(self, asker: Asker, *, before: str = "", limit: int = 50) -> list[RunView]:
        """Newest first; keyset paging by id. Owners see all, others none."""
        ...

    def run(self, asker: Asker, run: str) -> RunView | None:
        """One run."""
        ...

    def answers(self, asker: Asker, *, before: str = "", limit: int = 50) -> list[AnswerView]:
        """The asker's own answers, newest first; for an owner everybody's, texts only where the owner may read them."""
        ...

    def answer(self, asker: Asker, answer: str) -> AnswerView | None:
        """One answer."""
        ...

    def feedback(self, asker: Asker, answer: str, verdict: str, note: str) -> bool:
        """Remember "right" or "wrong" for an answer; False if the asker may not see it."""
        ...

    def why(self, asker: Asker, ref: str) -> Walk | None:
        """What led to it."""
        ...

    def impact(self, asker: Asker, ref: str) -> Walk | None:
        """What it touched."""
        ...

    def ledger(self, asker: Asker, *, before: int | None = None, limit: int = 50) -> LedgerView | None:
        """Newest entries first; owners only."""
        ...

    def find(self, asker: Asker, text: str) -> str | None:
        """A pasted id, ref or x-request-id: the path of its page."""
        ...

    # administration, owners only: the gateway checks `asker.owner`
    def status(self) -> Mapping[str, Any]:
        """`colonnade.status/1`."""
        ...

    def apply(self, declaration: str, folder: str) -> Mapping[str, Any]:
        """Apply a declaration handed over by a second `up`; returns when it is in force: `{changes: [...]}`."""
        ...

    def create_key(self, asker: Asker, name: str, person: str, expires_ms: int | None) -> Mapping[str, Any]:
        """A new key, shown once: `{key, id, name, person}`. In force when this returns."""
        ...

    def keys(self) -> list[Mapping[str, Any]]:
        """Keys without their secrets."""
        ...

    def revoke_key(self, asker: Asker, key: str) -> bool:
        """Out of force when this returns."""
        ...

    def events(self) -> Iterator[Mapping[str, Any]]:
        """Progress for pages and `up`: one mapping a change, blocks up to a second between two; ends when the daemon
        drains.
        """
        ...

    def stop(self) -> None:
        """Begin to drain."""
        ...
