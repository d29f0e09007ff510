# SPDX-License-Identifier: Apache-2.0
"""What an entry may say: each kind with its subject, roles, MAC fields, numbers and enumerations, as data.

The page docs/reference/ledger.md repeats this table and a test holds the two together; another reads every entry that a
house writes and asks `misfits` about it. The table only grows within v1, and a verifier refuses nothing for being
unknown to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from colonnade.core.leaf import Leaf

ROLES: Mapping[str, str] = {
    "about": "what is judged",
    "asked_as_by": "the owner who asked in somebody else's name",
    "before": "what stood there before",
    "by": "who or what did it: a run, a person, or the project whose declaration said so",
    "cites": "a document quoted in the answer; always also given",
    "content": "the content (the text of one or several equal files) that the document has from now on",
    "decided_by": "the decision that let it happen",
    "embedder": "the embedder, by its digest",
    "follows": "the answer before it in the same conversation",
    "for": "the person whom it serves",
    "from": "the service that answered",
    "given": "a document shown to the answerer, best first",
    "index": "the knowledge base whose live index answered",
    "is": "the digest of all that makes the epoch",
    "on": "the knowledge base that the run works on",
    "readers": "the set of readers from now on",
    "under": "the epoch: exactly what answered; of a decision, the rights that it went by",
    "what": "the knowledge base or service that somebody wants to use",
    "who": "the person whose rights were judged",
}
"""Every ref leads from the subject to something that led to it, never to a consequence: so `why` is a walk."""

DIGEST_ROLES = ("code", "embedder", "is", "model", "policy", "step")
"""Roles whose ref may be a plain `sha256:HEX`: what they name is no personal data."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What one kind of entry may carry.

    Attributes:
        meaning: one sentence.
        subjects: prefixes of the subject's id.
        roles: roles of its refs.
        mac: field -> what the MAC is over.
        n: key -> meaning; the unit stands in the key.
        status: key -> allowed values.
    """

    meaning: str
    subjects: tuple[str, ...]
    roles: tuple[str, ...] = ()
    mac: Mapping[str, str] = field(default_factory=dict)
    n: Mapping[str, str] = field(default_factory=dict)
    status: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


_CONTENT = {"content": "the file's bytes", "path": "the declared path"}
_SIZES = {"chars": "code points of the text", "chunks": "chunks of it"}

KINDS: Mapping[str, Kind] = {
    "project.created": Kind("A project begins.", ("prj",), (), {"name": "the project's name"}),
    "declaration.applied": Kind(
        "`up` applied a declaration that differs from the one in force.",
        ("prj",),
        (),
        {"declaration": "the declaration as it was read"},
        {"knowledge": "knowledge bases declared", "services": "services declared"},
    ),
    "readers.defined": Kind(
        "A set of reader groups came into use.", ("rds",), ("by",), n={"groups": "how many groups"}
    ),
    "grant.changed": Kind(
        "Rights changed, for every past as well: who is in a group, or which groups read a source.",
        ("prn", "prj", "knw", "doc"),
        ("by", "readers", "before"),
        {"group": "the group's name"},
        status={"change": ("granted", "revoked", "readers"), "whom": ("one", "everybody", "groups")},
    ),
    "document.added": Kind("A document came in.", ("doc",), ("by", "content", "readers"), _CONTENT, _SIZES),
    "document.changed": Kind(
        "A document has another content.", ("doc",), ("by", "content", "readers"), _CONTENT, _SIZES
    ),
    "document.renamed": Kind(
        "The same content, under another path.", ("doc",), ("by", "content", "readers"), _CONTENT, _SIZES
    ),
    "document.removed": Kind(
        "A document is valid no longer; it stays in the past.",
        ("doc",),
        ("by",),
        status={"why": ("removed", "unreadable", "undeclared")},
    ),
    "run.started": Kind("A run begins.", ("run",), ("on", "by"), status={"kind": ("ingest", "embed", "evaluate")}),
    "run.finished": Kind(
        "A run is over.",
        ("run",),
        n={
            "added": "documents that came in",
            "changed": "documents with another content",
            "embedded": "chunks embedded",
            "removed": "documents that went",
            "renamed": "documents under another path",
            "touched": "files looked at and found the same",
            "unreadable": "files that could not be read",
        },
        status={"outcome": ("done", "failed", "interrupted")},
    ),
    "epoch.opened": Kind(
        "From here on answers are given by exactly this.",
        ("epc",),
        ("is", "index", "embedder", "model", "policy", "step", "code"),
        {"index": "the index manifest"},
        {"generation": "generation of the live index"},
    ),
    "decision.made": Kind(
        "Whether somebody may use something.",
        ("dec",),
        ("who", "what", "under", "for"),
        n={"reader_sets": "sets of readers that the person is in"},
        status={"decision": ("allow", "deny")},
    ),
    "answer.given": Kind(
        "A question was answered, or honestly not.",
        ("ans",),
        ("by", "under", "decided_by", "from", "given", "cites", "follows", "asked_as_by"),
        {"question": "the question", "text": "the answer's text"},
        {
            "as_of_ms": "the instant asked about, when it was not now",
            "citations": "quotes in the answer",
            "ms": "milliseconds until the last byte",
            "tokens_in": "tokens read by a language model",
            "tokens_out": "tokens written by it",
        },
        {"reason": ("topic", "unsupported"), "status": ("answered", "abstained", "failed")},
    ),
    "feedback.given": Kind(
        "A person judged an answer.",
        ("fbk",),
        ("about", "by"),
        {"note": "what they wrote"},
        status={"verdict": ("up", "down")},
    ),
    "key.created": Kind(
        "An API key was made.",
        ("key",),
        ("for", "by"),
        {"name": "the key's name"},
        {"expires_ms": "when it ends"},
        {"right": ("owner", "reader")},
    ),
    "key.revoked": Kind("An API key ended.", ("key",), ("by",)),
    "switch.made": Kind(
        "A Name moved: what it points to changed at once.",
        ("knw",),
        ("by", "embedder"),
        {"index": "the index manifest that is live from now on"},
        {"generation": "generation of the Name from now on"},
        {"of": ("index", "embedder", "policy")},
    ),
}


def misfits(leaf: Leaf) -> list[str]:
    """What in the leaf is not in this table, in words; empty for a leaf that this release could have written."""
    kind = KINDS.get(leaf.kind)
    if kind is None:
        return [f"kind {leaf.kind}"]
    found = [] if leaf.subject[:3] in kind.subjects else [f"subject {leaf.subject[:3]}"]
    found += [f"role {role}" for role, _ in leaf.refs if role not in kind.roles]
    found += [f"plain digest as {role}" for role, ref in leaf.refs if ref[:7] == "sha256:" and role not in DIGEST_ROLES]
    found += [f"mac.{name}" for name in leaf.mac if name not in kind.mac]
    found += [f"n.{name}" for name in leaf.n if name not in kind.n]
    found += [f"is.{name}={value}" for name, value in leaf.status.items() if value not in kind.status.get(name, ())]
    return found
