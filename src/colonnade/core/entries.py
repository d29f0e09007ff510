# SPDX-License-Identifier: Apache-2.0
"""One builder a kind of entry, so that no room spells a role or a field by hand. Pure: ids, time and the MAC are handed
in.

What each kind may carry stands in `core.vocabulary`; a test holds the two together. Optional values are None or empty,
and then the leaf says nothing of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from colonnade.core.building import Mac as Mac
from colonnade.core.building import Stamp as Stamp
from colonnade.core.building import known, leaf_of, macs_of, said, some, some_as
from colonnade.core.canonical import canonical_json
from colonnade.core.leaf import Leaf


def project_created(stamp: Stamp, mac: Mac, *, name: str) -> Leaf:
    """A project begins. Its own key (subject = the project) must exist."""
    project = stamp.project
    return leaf_of(stamp, "project.created", project, some(by=stamp.actor), macs_of(mac, stamp, project, name=name))


def declaration_applied(stamp: Stamp, mac: Mac, *, declaration: bytes, changes: int) -> Leaf:
    """`up` applied a declaration."""
    macs = macs_of(mac, stamp, stamp.project, declaration=declaration)
    return leaf_of(stamp, "declaration.applied", stamp.project, some(by=stamp.actor), macs, {"changes": changes})


def readers_defined(stamp: Stamp, mac: Mac, *, readers: str, groups: Iterable[str]) -> Leaf:
    """A set of readers came into use. The groups are under the project's own key."""
    names = sorted(groups)
    macs = macs_of(mac, stamp, stamp.project, groups=canonical_json(names))
    return leaf_of(stamp, "readers.defined", readers, some(by=stamp.actor), macs, {"groups": len(names)})


def grant_changed(stamp: Stamp, mac: Mac, *, person: str, name: str, groups: Iterable[str], change: str) -> Leaf:
    """A person's groups are these from now on; change: granted, changed, withdrawn. The person's key must exist."""
    names = sorted(groups)
    macs = macs_of(mac, stamp, person, name=name, groups=canonical_json(names))
    by = some(by=stamp.actor if stamp.actor != person else None)
    return leaf_of(stamp, "grant.changed", person, by, macs, {"groups": len(names)}, {"change": change})


def document_added(
    stamp: Stamp,
    mac: Mac,
    *,
    document: str,
    run: str,
    knowledge: str,
    content: str,
    readers: str,
    data: bytes,
    path: str,
    chars: int,
    chunks: int,
) -> Leaf:
    """A document came in: `content` is the id of its text, `data` the file's bytes. The document's key must exist."""
    refs = some(by=run, into=knowledge, holds=content, readers=readers)
    macs = macs_of(mac, stamp, document, content=data, path=path)
    return leaf_of(stamp, "document.added", document, refs, macs, {"chars": chars, "chunks": chunks})


def document_changed(
    stamp: Stamp,
    mac: Mac,
    *,
    document: str,
    run: str,
    content: str,
    readers: str,
    data: bytes,
    path: str,
    chars: int,
    chunks: int,
) -> Leaf:
    """A document has another content or other readers."""
    refs = some(by=run, holds=content, readers=readers)
    macs = macs_of(mac, stamp, document, content=data, path=path)
    return leaf_of(stamp, "document.changed", document, refs, macs, {"chars": chars, "chunks": chunks})


def document_renamed(stamp: Stamp, mac: Mac, *, document: str, run: str, content: str, readers: str, path: str) -> Leaf:
    """The same content, under another path."""
    refs = some(by=run, holds=content, readers=readers)
    return leaf_of(stamp, "document.renamed", document, refs, macs_of(mac, stamp, document, path=path))


def document_removed(stamp: Stamp, *, document: str, run: str, reason: str) -> Leaf:
    """A document is no longer valid; reason: deleted, undeclared, unreadable."""
    return leaf_of(stamp, "document.removed", document, some(by=run), status={"reason": reason})


def run_started(
    stamp: Stamp, *, run: str, step: str, on: str | None, person: str | None = None, follows: str | None = None
) -> Leaf:
    """A run begins; step: ingest, embed, evaluate, collect; `person` is who ordered it, if anybody did."""
    refs = [*some(on=on, follows=follows), *some_as("for", person)]
    return leaf_of(stamp, "run.started", run, refs, status={"step": step})


def run_finished(
    stamp: Stamp, *, run: str, step: str, outcome: str, done: int, failed: int, ms: int, on: str | None = None,
    follows: Sequence[str] = (),
) -> Leaf:  # fmt: skip
    """A run is over; outcome: succeeded, failed, cancelled, lost. `follows`: runs of its last steps."""
    n = {"done": done, "failed": failed, "ms": ms}
    refs = [*some(on=on), *(("follows", before) for before in follows)]
    return leaf_of(stamp, "run.finished", run, refs, n=n, status={"step": step, "outcome": outcome})


def epoch_opened(
    stamp: Stamp,
    mac: Mac,
    *,
    epoch: str,
    service: str,
    knowledge: str | None = None,
    generation: int | None = None,
    index: bytes | None = None,
    settings: Mapping[str, object] | None = None,
    digests: Mapping[str, str] | None = None,
    follows: str | None = None,
) -> Leaf:
    """From here on answers are given by exactly this.

    Args:
        digests: role (model, policy, step, embedder, code) -> `sha256:HEX`.
        index, settings: under the project's own key.
    """
    refs = [*some(on=service, into=knowledge), *sorted((digests or {}).items()), *some(follows=follows)]
    values = {"index": index, "settings": None if settings is None else canonical_json(dict(settings))}
    macs = macs_of(mac, stamp, stamp.project, **values)
    return leaf_of(stamp, "epoch.opened", epoch, refs, macs, known(generation=generation))


def decision_made(
    stamp: Stamp,
    *,
    decision: str,
    person: str,
    on: str | None,
    action: str,
    verdict: str,
    readers: int | None = None,
    policy: str | None = None,
    by: str | None = None,
) -> Leaf:
    """Whether `person` may do something; action: ask, search, read, administer, impersonate; verdict: allow, deny."""
    refs = [*some_as("for", person), *some(on=on, policy=policy, by=by)]
    status = {"action": action, "verdict": verdict}
    return leaf_of(stamp, "decision.made", decision, refs, n=known(readers=readers), status=status)


def answer_given(
    stamp: Stamp,
    mac: Mac,
    *,
    answer: str,
    asker: str,
    service: str,
    status: str,
    ms: int,
    epoch: str | None = None,
    decision: str | None = None,
    follows: str | None = None,
    given: Sequence[tuple[str, str]] = (),
    cites: Iterable[str] = (),
    question: str | None = None,
    text: str | None = None,
    tokens_in: int | None = None,
    tokens_out: int | None = None,
    as_of_ms: int | None = None,
    reason: str | None = None,
    way: str | None = None,
) -> Leaf:
    """A question was answered or not.

    Args:
        given: (document, content) shown to the answerer, best first; cites: the documents quoted, each of them given.
        question, text: under the asker's key and the answer's own; both must exist then.
        status: answered, abstained, failed; reason: topic, unsupported; way: extractive, model, fallback.
    """
    refs = some(asked_by=asker, asked_of=service, under=epoch, decided_by=decision, follows=follows)
    for document, content in dict.fromkeys(given):
        refs += some(given=document, read=content or None)
    refs += [("cites", document) for document in dict.fromkeys(cites)]
    macs = {**macs_of(mac, stamp, asker, question=question), **macs_of(mac, stamp, answer, text=text)}
    n = known(ms=ms, tokens_in=tokens_in, tokens_out=tokens_out, as_of_ms=as_of_ms)
    says = {"status": status, **said(reason=reason, way=way)}
    return leaf_of(stamp, "answer.given", answer, refs, macs, n, says)


def feedback_given(
    stamp: Stamp, mac: Mac, *, feedback: str, answer: str, person: str, verdict: str, note: str = ""
) -> Leaf:
    """A person judged an answer: up or down. The note is under the person's key."""
    macs = macs_of(mac, stamp, person, note=note or None)
    return leaf_of(stamp, "feedback.given", feedback, some(about=answer, by=person), macs, status={"verdict": verdict})


def key_created(stamp: Stamp, mac: Mac, *, key: str, person: str, name: str, expires_ms: int | None = None) -> Leaf:
    """An API key was made for a person, whose key keeps its name."""
    refs = [*some_as("for", person), *some(by=stamp.actor)]
    return leaf_of(
        stamp, "key.created", key, refs, macs_of(mac, stamp, person, name=name), known(expires_ms=expires_ms)
    )


def key_revoked(stamp: Stamp, *, key: str) -> Leaf:
    """An API key ended."""
    return leaf_of(stamp, "key.revoked", key, some(by=stamp.actor))


def switch_made(
    stamp: Stamp,
    mac: Mac,
    *,
    knowledge: str,
    name: str,
    generation: int,
    run: str | None = None,
    embedder: str | None = None,
    index: bytes | None = None,
) -> Leaf:
    """A Name of a knowledge base moved: index, embedder or policy; `embedder` is `sha256:HEX`."""
    refs = some(by=run, embedder=embedder)
    macs = macs_of(mac, stamp, stamp.project, index=index)
    return leaf_of(stamp, "switch.made", knowledge, refs, macs, {"generation": generation}, {"name": name})
