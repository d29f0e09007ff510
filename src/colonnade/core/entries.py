# SPDX-License-Identifier: Apache-2.0
"""One builder a kind of entry, so that no room spells a role or a field by hand. Pure: ids, time and the MAC are handed
in.

What each kind may carry stands in `core.vocabulary`; a test holds the two together. Optional values are None or empty,
and then the leaf says nothing of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from colonnade.core.canonical import canonical_json
from colonnade.core.leaf import Leaf

Mac = Callable[[str, str, str, bytes], bytes]
"""(subject, entry id, field, value) -> 32 bytes: the `mac` method of the port `keys`."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What every entry carries: its id (`evt_...`), time, project, and the principal who acts."""

    id: str
    at_ms: int
    project: str
    actor: str


def project_created(stamp: Stamp, mac: Mac, *, name: str) -> Leaf:
    """A project begins. Its own key (subject = the project) must exist."""
    project = stamp.project
    return _leaf(stamp, "project.created", project, _some(by=stamp.actor), _macs(mac, stamp, project, name=name))


def declaration_applied(stamp: Stamp, mac: Mac, *, declaration: bytes, changes: int) -> Leaf:
    """`up` applied a declaration."""
    macs = _macs(mac, stamp, stamp.project, declaration=declaration)
    return _leaf(stamp, "declaration.applied", stamp.project, _some(by=stamp.actor), macs, {"changes": changes})


def readers_defined(stamp: Stamp, mac: Mac, *, readers: str, groups: Iterable[str]) -> Leaf:
    """A set of readers came into use. The groups are under the project's own key."""
    names = sorted(groups)
    macs = _macs(mac, stamp, stamp.project, groups=canonical_json(names))
    return _leaf(stamp, "readers.defined", readers, _some(by=stamp.actor), macs, {"groups": len(names)})


def grant_changed(stamp: Stamp, mac: Mac, *, person: str, name: str, groups: Iterable[str], change: str) -> Leaf:
    """A person's groups are these from now on; change: granted, changed, withdrawn. The person's key must exist."""
    names = sorted(groups)
    macs = _macs(mac, stamp, person, name=name, groups=canonical_json(names))
    by = _some(by=stamp.actor if stamp.actor != person else None)
    return _leaf(stamp, "grant.changed", person, by, macs, {"groups": len(names)}, {"change": change})


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
    refs = _some(by=run, into=knowledge, holds=content, readers=readers)
    macs = _macs(mac, stamp, document, content=data, path=path)
    return _leaf(stamp, "document.added", document, refs, macs, {"chars": chars, "chunks": chunks})


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
    refs = _some(by=run, holds=content, readers=readers)
    macs = _macs(mac, stamp, document, content=data, path=path)
    return _leaf(stamp, "document.changed", document, refs, macs, {"chars": chars, "chunks": chunks})


def document_renamed(stamp: Stamp, mac: Mac, *, document: str, run: str, content: str, readers: str, path: str) -> Leaf:
    """The same content, under another path."""
    refs = _some(by=run, holds=content, readers=readers)
    return _leaf(stamp, "document.renamed", document, refs, _macs(mac, stamp, document, path=path))


def document_removed(stamp: Stamp, *, document: str, run: str, reason: str) -> Leaf:
    """A document is no longer valid; reason: deleted, undeclared, unreadable."""
    return _leaf(stamp, "document.removed", document, _some(by=run), status={"reason": reason})


def run_started(
    stamp: Stamp, *, run: str, step: str, on: str | None, person: str | None = None, follows: str | None = None
) -> Leaf:
    """A run begins; step: ingest, embed, evaluate, collect; `person` is who ordered it, if anybody did."""
    refs = [*_some(on=on, follows=follows), *_some_as("for", person)]
    return _leaf(stamp, "run.started", run, refs, status={"step": step})


def run_finished(
    stamp: Stamp, *, run: str, step: str, outcome: str, done: int, failed: int, ms: int, on: str | None = None
) -> Leaf:
    """A run is over; outcome: succeeded, failed, cancelled, lost."""
    n = {"done": done, "failed": failed, "ms": ms}
    return _leaf(stamp, "run.finished", run, _some(on=on), n=n, status={"step": step, "outcome": outcome})


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
    refs = [*_some(on=service, into=knowledge), *sorted((digests or {}).items()), *_some(follows=follows)]
    values = {"index": index, "settings": None if settings is None else canonical_json(dict(settings))}
    macs = _macs(mac, stamp, stamp.project, **values)
    return _leaf(stamp, "epoch.opened", epoch, refs, macs, _known(generation=generation))


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
    refs = [*_some_as("for", person), *_some(on=on, policy=policy, by=by)]
    status = {"action": action, "verdict": verdict}
    return _leaf(stamp, "decision.made", decision, refs, n=_known(readers=readers), status=status)


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
    refs = _some(asked_by=asker, asked_of=service, under=epoch, decided_by=decision, follows=follows)
    for document, content in dict.fromkeys(given):
        refs += _some(given=document, read=content or None)
    refs += [("cites", document) for document in dict.fromkeys(cites)]
    macs = {**_macs(mac, stamp, asker, question=question), **_macs(mac, stamp, answer, text=text)}
    n = _known(ms=ms, tokens_in=tokens_in, tokens_out=tokens_out, as_of_ms=as_of_ms)
    says = {"status": status, **_said(reason=reason, way=way)}
    return _leaf(stamp, "answer.given", answer, refs, macs, n, says)


def feedback_given(
    stamp: Stamp, mac: Mac, *, feedback: str, answer: str, person: str, verdict: str, note: str = ""
) -> Leaf:
    """A person judged an answer: up or down. The note is under the person's key."""
    macs = _macs(mac, stamp, person, note=note or None)
    return _leaf(stamp, "feedback.given", feedback, _some(about=answer, by=person), macs, status={"verdict": verdict})


def key_created(stamp: Stamp, mac: Mac, *, key: str, person: str, name: str, expires_ms: int | None = None) -> Leaf:
    """An API key was made for a person, whose key keeps its name."""
    refs = [*_some_as("for", person), *_some(by=stamp.actor)]
    return _leaf(stamp, "key.created", key, refs, _macs(mac, stamp, person, name=name), _known(expires_ms=expires_ms))


def key_revoked(stamp: Stamp, *, key: str) -> Leaf:
    """An API key ended."""
    return _leaf(stamp, "key.revoked", key, _some(by=stamp.actor))


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
    refs = _some(by=run, embedder=embedder)
    macs = _macs(mac, stamp, stamp.project, index=index)
    return _leaf(stamp, "switch.made", knowledge, refs, macs, {"generation": generation}, {"name": name})


def _leaf(
    stamp: Stamp,
    kind: str,
    subject: str,
    refs: Sequence[tuple[str, str]] = (),
    mac: Mapping[str, tuple[str, bytes]] | None = None,
    n: Mapping[str, int] | None = None,
    status: Mapping[str, str] | None = None,
) -> Leaf:
    return Leaf(
        kind, stamp.id, stamp.at_ms, stamp.project, stamp.actor, subject, tuple(refs), mac or {}, n or {}, status or {}
    )


def _some(**refs: str | None) -> list[tuple[str, str]]:
    """Refs in the order given, without the absent ones."""
    return [(role, ref) for role, ref in refs.items() if ref is not None]


def _some_as(role: str, ref: str | None) -> list[tuple[str, str]]:
    """The same for a role that is a word of the language."""
    return [] if ref is None else [(role, ref)]


def _known(**numbers: int | None) -> dict[str, int]:
    return {name: value for name, value in numbers.items() if value is not None}


def _said(**words: str | None) -> dict[str, str]:
    return {name: value for name, value in words.items() if value is not None}


def _macs(mac: Mac, stamp: Stamp, subject: str, **values: bytes | str | None) -> dict[str, tuple[str, bytes]]:
    """field -> (subject, MAC) for the values that are there; text as UTF-8."""
    return {
        name: (subject, mac(subject, stamp.id, name, value.encode() if isinstance(value, str) else value))
        for name, value in values.items()
        if value is not None
    }
