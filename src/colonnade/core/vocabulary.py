# SPDX-License-Identifier: Apache-2.0
"""What an entry may say: each kind with its subject, roles, MAC fields, numbers and enumerations, as data.

The page docs/reference/ledger.md and the tests read this table; builders in `core.entries` write nothing that is not in
it. It only grows within v1, and a verifier refuses nothing for being unknown to it.
"""

from __future__ import annotations

from collections.abc import Mapping

from colonnade.core.claims import ISOLATIONS
from colonnade.core.erasure_entries import ERASURE_KINDS
from colonnade.core.kind import Kind as Kind
from colonnade.core.leaf import Leaf
from colonnade.core.trace_entries import TRACE_KINDS

ROLES: Mapping[str, str] = {
    "by": "who or what did it: a run, or the person who ordered it",
    "for": "the person, run or lease whom it serves",
    "on": "the knowledge base, service, lease or device that it works on",
    "in": "the queue that it counts in, the rollout that it is a part of",
    "into": "the knowledge base that holds the document",
    "holds": "the content (the text of one or several equal files) that the document has from now on",
    "readers": "the set of readers, from now on",
    "asked_by": "who asked",
    "asked_of": "the service that answered",
    "under": "the epoch: the exact model, index, embedder, prompt, policies and settings",
    "decided_by": "the decision that let it happen",
    "given": "a document shown to the answerer, a data set given to a step",
    "read": "the content of a given document, as it was then",
    "cites": "a document quoted in the answer; always also given",
    "follows": "the one before it: of a conversation, of a service's epochs, of runs, of leases",
    "about": "what is judged",
    "caused_by": "the alarm that rang",
    "made_by": "the run that gave it",
    "erased": "what opens no more, or of what a part was taken away",
    "named": "the alias that points to one of its versions from now on, or to none",
    "model": "a model, by its digest",
    "policy": "a policy, by its digest",
    "step": "the code of a step, by its digest",
    "embedder": "an embedder, by its digest",
    "code": "code, by its digest",
}
"""Every ref leads from the subject to something that led to it: never to a consequence, so that `why` is a walk."""

DIGEST_ROLES = ("model", "policy", "step", "embedder", "code")
"""Roles whose ref is a plain `sha256:HEX`: what they name is no personal data."""


_CONTENT = {"content": "the file's bytes", "path": "the declared path"}
_SIZES = {"chars": "code points of the text", "chunks": "chunks of it"}
_RUN = ("ingest", "embed", "evaluate", "collect", "command", "pipeline", "tracked", "erase")
_STEP = ("snapshot", "split", "search", "train", "evaluate", "package", "compare", "plan", "inputs", "call", "result")

_SHARE = {
    "gpus": "how many devices",
    "gpu_milli": "thousandths of each",
    "gpu_mib": "MiB of memory on each",
    "cpu_milli": "thousandths of a CPU core",
    "memory_mib": "MiB of main memory",
}

KINDS: Mapping[str, Kind] = {
    "project.created": Kind("A project begins.", "prj", ("by",), {"name": "the project's name"}),
    "declaration.applied": Kind(
        "`up` applied a declaration.",
        "prj",
        ("by",),
        {"declaration": "the declaration as it was read, in JSON"},
        {"changes": "changes against what was running"},
    ),
    "readers.defined": Kind(
        "A set of readers came into use.",
        "rds",
        ("by",),
        {"groups": "canonical JSON of the sorted group names"},
        {"groups": "how many groups"},
    ),
    "grant.changed": Kind(
        "A person's groups changed, from now on and for every past as well.",
        "prn",
        ("by",),
        {"name": "the declared name", "groups": "canonical JSON of the sorted group names"},
        {"groups": "how many groups"},
        {"change": ("granted", "changed", "withdrawn")},
    ),
    "document.added": Kind("A document came in.", "doc", ("by", "into", "holds", "readers"), _CONTENT, _SIZES),
    "document.changed": Kind(
        "A document has another content or other readers.", "doc", ("by", "holds", "readers"), _CONTENT, _SIZES
    ),
    "document.renamed": Kind(
        "The same content, under another path.", "doc", ("by", "holds", "readers"), {"path": "the new declared path"}
    ),
    "document.removed": Kind(
        "A document is no longer valid; it stays in the past.",
        "doc",
        ("by",),
        status={"reason": ("deleted", "undeclared", "unreadable")},
    ),
    "run.started": Kind("A run begins.", "run", ("on", "for", "follows"), status={"step": _RUN}),
    "run.finished": Kind(
        "A run is over.",
        "run",
        ("on", "follows"),
        n={
            "done": "items done",
            "failed": "items that could not be read",
            "ms": "milliseconds from start to end",
        },
        status={"step": _RUN, "outcome": ("succeeded", "failed", "cancelled", "lost")},
    ),
    "epoch.opened": Kind(
        "From here on answers are given by exactly this.",
        "epc",
        ("on", "into", "follows", *DIGEST_ROLES),
        {"index": "the index manifest", "settings": "canonical JSON of the settings that answer"},
        {"generation": "generation of the live index"},
    ),
    "decision.made": Kind(
        "Whether somebody may do something.",
        "dec",
        ("for", "on", "policy", "by"),
        n={"readers": "sets of readers that the person is in"},
        status={
            "verdict": ("allow", "deny"),
            "action": ("ask", "search", "read", "administer", "impersonate", "erase"),
        },
    ),
    "answer.given": Kind(
        "A question was answered, or honestly not.",
        "ans",
        ("asked_by", "asked_of", "under", "decided_by", "follows", "given", "read", "cites"),
        {"question": "the question", "text": "the answer's text"},
        {
            "ms": "milliseconds until the last byte",
            "tokens_in": "tokens read by a language model",
            "tokens_out": "tokens written by it",
            "as_of_ms": "the instant asked about, when it was not now",
        },
        {
            "status": ("answered", "abstained", "failed", "cancelled"),
            "reason": ("topic", "unsupported"),
            "way": ("extractive", "model", "fallback"),
        },
    ),
    "feedback.given": Kind(
        "A person judged an answer.",
        "fbk",
        ("about", "by"),
        {"note": "what they wrote"},
        status={"verdict": ("up", "down")},
    ),
    "key.created": Kind(
        "An API key was made.", "key", ("for", "by"), {"name": "the key's name"}, {"expires_ms": "when it ends"}
    ),
    "key.revoked": Kind("An API key ended.", "key", ("by",)),
    "switch.made": Kind(
        "A Name moved: what its subject points to changed at once.",
        "knw",
        ("by", "embedder"),
        {"index": "the index manifest that is live from now on"},
        {"generation": "generation of the Name from now on"},
        {"name": ("index", "embedder", "policy")},
    ),
    "device.found": Kind(
        "An accelerator is there.", "dev", (), {"uuid": "the driver's name of it"}, {"memory_mib": "MiB of its memory"}
    ),
    "device.changed": Kind(
        "New work goes to a device no longer, or again.",
        "dev",
        status={"health": ("healthy", "cordoned", "failing", "gone")},
    ),
    "queue.declared": Kind(
        "What a queue is promised from now on.",
        "que",
        ("by",),
        {"name": "the queue's name"},
        {
            "guaranteed_milli": "thousandths of a device that it always gets back",
            "limit_milli": "what it never exceeds",
        },
    ),
    "lease.asked": Kind(
        "Somebody asks for a share of devices.",
        "lse",
        ("asked_by", "in", "follows"),
        n={**_SHARE, "priority": "of the claim; higher goes first"},
    ),
    "lease.granted": Kind(
        "A share is held from now on.",
        "lse",
        ("for", "on", "in"),
        {"command": "canonical JSON of the command and its arguments"},
        {**_SHARE, "token": "the fence: grows whenever the share changes hands"},
        {"isolation": ISOLATIONS},
    ),
    "lease.releasing": Kind(
        "A share is being taken back; it is free only once its process tree is gone.",
        "lse",
        ("for",),
        status={
            "reason": ("reclaim", "preempt", "evacuate", "idle", "cancelled", "left", "exceeded", "unhealthy"),
        },
    ),
    "lease.ended": Kind(
        "A share is free again: the process tree is gone.",
        "lse",
        n={"held_ms": "milliseconds that it was held", "gpu_ms": "milliseconds times devices' thousandths, / 1000"},
        status={"outcome": ("succeeded", "failed", "cancelled", "lost", "moved", "refused")},
    ),
    "dataset.snapshotted": Kind(
        "Data as it was at one moment.",
        "dst",
        ("by",),
        {"content": "the digest of the manifest of its files"},
        {"files": "files taken in", "quarantined": "files that broke the contract", "rows": "rows taken in"},
    ),
    "step.finished": Kind(
        "A step of a pipeline is over.",
        "run",
        ("follows", "step", "model", "given"),
        {"content": "the digest of the folder that it gave, under the project's key"},
        {"attempts": "how often it was tried", "ms": "milliseconds of the last try"},
        status={"outcome": ("succeeded", "failed"), "step": _STEP},
    ),
    "candidate.judged": Kind(
        "Whether a model that was trained may go live.",
        "dec",
        ("on", "by", "model"),
        {
            "findings": "JSON: what each gate found, under the model's key",
            "slices": "JSON: how good the candidate was in each slice, under the model's key",
        },
        {
            "gates": "gates that it had to pass",
            "failed": "of them, those that it did not",
            "difference_millionths": "candidate less incumbent on the same rows, where compared row by row, times 10^6",
            "low_millionths": "the lower end of its interval",
            "high_millionths": "the upper end of its interval",
        },
        status={"verdict": ("allow", "deny")},
    ),
    "model.promoted": Kind(
        "A version of a model is live from now on.",
        "mod",
        ("by", "decided_by", "model"),
        n={"generation": "how often the live version changed"},
        status={"cause": ("promoted", "rolled_back")},
    ),
    "rollout.moved": Kind(
        "A version that is tried on real requests beside the live one (`model`: the two, in this order) goes a stage "
        "further, waits, or has been tried.",
        "rol",
        ("on", "by", "decided_by", "model"),
        n={
            "share_millionths": "of the request keys that it answers from now on, times 10^6",
            "stage": "of its stages, from 0; -1 is the shadow",
            "requests": "answered by either version since it began",
            "exposed": "of them, those that were answered by the new version",
            "rehearsed": "requests of before that were replayed to both versions, because nobody asked",
            "challenger_millionths": "how often the new version was bad by the measure that decided, times 10^6",
            "champion_millionths": "the same of the live version",
        },
        status={
            "state": ("shadow", "canary", "held", "asked", "probation", "ended"),
            "outcome": ("promoted", "rolled_back", "superseded", "failed"),
            "measure": ("errors", "invalid", "slow", "quality", "group_quality"),
            "cause": ("evidence", "quiet", "person", "replica", "label_deadline", "newer", "declaration"),
        },
    ),
    "model.kept": Kind(
        "The live version stays: another one was tried, and did not take its place.",
        "mod",
        ("by", "decided_by", "model"),
        n={"generation": "how often the live version changed"},
        status={"cause": ("rolled_back", "superseded", "failed")},
    ),
    "model.logged": Kind("A tracked run gave a model.", "run", ("model",), n={"files": "its files"}),
    "model.registered": Kind(
        "A version of a registered model.", "mod", ("by", "made_by", "model"), n={"version": "its number"}
    ),
    "alias.moved": Kind(
        "A name of a model's version points elsewhere.",
        "ali",
        ("by", "made_by", "model"),
        {"alias": "the alias"},
        {"version": "the number of the version", "generation": "how often it moved"},
        {"change": ("set", "deleted")},
    ),
    "model.aliased": Kind(
        "The same, told of the model.",
        "mod",
        ("by", "named"),
        n={"version": "the number of the version"},
        status={"change": ("set", "deleted")},
    ),
    "predictions.captured": Kind(
        "Requests to a service and its answers were kept, many in one piece.",
        "cap",
        ("on", "model", "decided_by", "in"),
        {"content": "the packed piece before it was sealed, under the model's key"},
        {"count": "requests in it", "failed": "of them, those that no model could answer"},
    ),
    "truths.told": Kind(
        "What was predicted turned out to be true or not.",
        "svc",
        ("by",),
        {"content": "canonical JSON of the truths, under the model's key"},
        {
            "count": "rows whose truth came in",
            "corrected": "of them, those that had another one",
            "unknown": "rows that no kept prediction fits",
        },
        {"way": ("told", "joined")},
    ),
    "alarm.raised": Kind(
        "A detector rang on what is served.",
        "alm",
        ("on", "model", "decided_by"),
        n={
            "at": "the sample that rang, counted from 1 since the version went live",
            "since": "the first sample that probably belongs to the change",
            "observed_millionths": "the mean since then, times 10^6",
            "mean_millionths": "the mean that was tolerated, times 10^6",
        },
        status={"measure": ("wrong", "errors", "missing", "latency")},
    ),
    "alarm.ended": Kind(
        "An alarm is over.", "alm", (), status={"reason": ("replaced", "calm", "called_off", "undeclared")}
    ),
    "alarm.answered": Kind(
        "A retraining for an alarm is over: whether it helped.",
        "run",
        ("caused_by",),
        status={
            "outcome": ("promoted", "unchanged", "refused", "quarantined", "failed", "rolled_back", "superseded"),
        },
    ),
    "pipeline.caused": Kind(
        "Why a pipeline began.",
        "run",
        ("caused_by",),
        n={
            "causes": "how many there were",
            "recent": "rows since the change that an alarm's pipeline is about; 0: all",
        },
        status={"cause": ("first", "data", "code", "declaration", "schedule", "alarm", "hand")},
    ),
    "retraining.held": Kind(
        "There is a cause to train anew, and it waits.",
        "mod",
        n={"until_ms": "until when, if nothing changes"},
        status={"reason": ("budget", "count", "cooldown", "rows")},
    ),
    **ERASURE_KINDS,
    **TRACE_KINDS,
}


def misfits(leaf: Leaf) -> list[str]:
    """What in the leaf is not in this table, in words; empty for a leaf that this release could have written."""
    kind = KINDS.get(leaf.kind)
    if kind is None:
        return [f"kind {leaf.kind}"]
    found = [f"subject {leaf.subject[:3]}"] if leaf.subject[:3] != kind.subject else []
    found += [f"role {role}" for role, _ in leaf.refs if role not in kind.roles]
    found += [f"plain digest as {role}" for role, ref in leaf.refs if (ref[:7] == "sha256:") != (role in DIGEST_ROLES)]
    found += [f"mac.{name}" for name in leaf.mac if name not in kind.mac]
    found += [f"n.{name}" for name in leaf.n if name not in kind.n]
    found += [f"is.{name}={value}" for name, value in leaf.status.items() if value not in kind.status.get(name, ())]
    return found
