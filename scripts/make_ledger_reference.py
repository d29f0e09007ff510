# SPDX-License-Identifier: Apache-2.0
"""Write the made parts of docs/reference/ledger.md: the tables of kinds and roles, and the test vectors. Run it again
whenever they change.

    python -m scripts.make_ledger_reference

The prose between the parts is written by hand. Vectors are made from published secrets: never use those for anything
else.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from colonnade.core import entries, keyed
from colonnade.core.entries import Stamp
from colonnade.core.ids import new_id
from colonnade.core.leaf import Leaf
from colonnade.core.merkle import HashTree, consistency_proof, inclusion_proof, leaf_hash
from colonnade.core.note import Checkpoint, NoteKey, sign_note
from colonnade.core.vocabulary import KINDS, ROLES
from colonnade.testing import ed25519

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "ledger.md"
SEED = bytes(range(32))
KEYS = {prefix: bytes([number]) * 32 for number, prefix in enumerate(("doc", "prn", "ans", "prj"), start=1)}
START_MS = 1_790_000_000_000


def main() -> None:
    """Rewrite the page."""
    PAGE.write_text(filled(PAGE.read_text("utf-8")), "utf-8")


def filled(page: str) -> str:
    """The page with every made part renewed."""
    for name, text in (("roles", _roles()), ("kinds", _kinds()), ("vectors", _vectors())):
        begin, end = f"<!-- made: {name} -->\n", f"<!-- end: {name} -->"
        head, _, rest = page.partition(begin)
        _, _, tail = rest.partition(end)
        if not tail:
            raise ValueError(f"the page has no part {name}")
        page = f"{head}{begin}{text}{end}{tail}"
    return page


def _roles() -> str:
    rows = [f"| `{role}` | {meaning} |" for role, meaning in ROLES.items()]
    return "\n".join(["| role | what stands there |", "|---|---|", *rows]) + "\n"


def _kinds() -> str:
    parts = []
    for name, kind in KINDS.items():
        lines = [f"### {name}", f"{kind.meaning} Subject: `{kind.subject}_`.", ""]
        if kind.roles:
            lines.append(f"- refs: {', '.join(f'`{role}`' for role in kind.roles)}")
        lines += [f"- mac `{field}`: {over}" for field, over in kind.mac.items()]
        lines += [f"- n `{key}`: {meaning}" for key, meaning in kind.n.items()]
        lines += [f"- is `{key}`: {', '.join(values)}" for key, values in kind.status.items()]
        parts.append("\n".join(lines).rstrip())
    return "\n\n".join(parts) + "\n"


def _vectors() -> str:
    leaves = _leaves()
    tree = HashTree([leaf_hash(leaf.to_bytes()) for leaf in leaves])
    return "".join(
        f"{title}\n\n```json\n{json.dumps(value, indent=1, ensure_ascii=False)}\n```\n\n"
        for title, value in (
            ("A MAC, from the value to the leaf:", _mac_vector(leaves[1])),
            ("The five leaves of a small log, in order:", _leaf_vectors(leaves)),
            ("Its tree, with a proof of inclusion and one of consistency:", _tree_vector(tree)),
            ("Its checkpoint, signed, and the seal of a state file of three bytes (`abc`):", _note_vector(tree)),
            ("A value sealed under two subjects:", _seal_vector()),
        )
    )


def _id(prefix: str, number: int = 1) -> str:
    return new_id(prefix, START_MS, number.to_bytes(16, "big"))


def _mac(subject: str, entry: str, field: str, value: bytes) -> bytes:
    return keyed.field_mac(KEYS[subject[:3]], entry, field, value)


def _leaves() -> list[Leaf]:
    def stamp(number: int) -> Stamp:
        return Stamp(_id("evt", number), START_MS + number, _id("prj"), _id("prn", 2))

    return [
        entries.run_started(stamp(1), run=_id("run"), step="ingest", on=_id("knw")),
        entries.document_added(
            stamp(2),
            _mac,
            document=_id("doc"),
            run=_id("run"),
            knowledge=_id("knw"),
            content=_id("cnt"),
            readers=_id("rds"),
            data=b"Leave is 30 days.\n",
            path="hr/leave.md",
            chars=18,
            chunks=1,
        ),
        entries.decision_made(
            stamp(3), decision=_id("dec"), person=_id("prn"), on=_id("knw"), action="ask", verdict="allow", readers=2
        ),
        entries.answer_given(
            stamp(4),
            _mac,
            answer=_id("ans"),
            asker=_id("prn"),
            service=_id("svc"),
            status="answered",
            ms=41,
            epoch=_id("epc"),
            decision=_id("dec"),
            given=[(_id("doc"), _id("cnt"))],
            cites=[_id("doc")],
            question="How long is leave? – ¿días?",
            text="“Leave is 30 days.” [1]",
            way="extractive",
        ),
        entries.feedback_given(stamp(5), _mac, feedback=_id("fbk"), answer=_id("ans"), person=_id("prn"), verdict="up"),
    ]


def _mac_vector(leaf: Leaf) -> dict[str, Any]:
    subject = leaf.mac["path"][0]
    key = KEYS["doc"]
    return {
        "subject": subject,
        "subject_key": key.hex(),
        "entry": leaf.id,
        "field": "path",
        "value": "hr/leave.md",
        "k": keyed.field_key(key, leaf.id, "path").hex(),
        "mac": base64.b64encode(leaf.mac["path"][1]).decode(),
    }


def _leaf_vectors(leaves: list[Leaf]) -> list[dict[str, str]]:
    return [{"bytes": leaf.to_bytes().decode(), "hash": leaf_hash(leaf.to_bytes()).hex()} for leaf in leaves]


def _tree_vector(tree: HashTree) -> dict[str, Any]:
    return {
        "size": tree.size,
        "root": tree.root().hex(),
        "inclusion": {"index": 2, "size": 5, "proof": [item.hex() for item in inclusion_proof(2, 5, tree.node)]},
        "consistency": {
            "size1": 3,
            "root1": tree.root(3).hex(),
            "size2": 5,
            "proof": [item.hex() for item in consistency_proof(3, 5, tree.node)],
        },
    }


def _note_vector(tree: HashTree) -> dict[str, str]:
    key = NoteKey("colonnade/00000000000000000000000000000001", ed25519.public_key(SEED))

    def note(checkpoint: Checkpoint) -> str:
        return sign_note(checkpoint.text(), key, lambda text: ed25519.sign(SEED, text))

    digest = bytes.fromhex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    return {
        "seed": SEED.hex(),
        "verifier_key": key.text(),
        "checkpoint": note(Checkpoint(key.name, tree.size, tree.root())),
        "seal": note(Checkpoint(f"{key.name}/state", 3, digest)),
    }


def _seal_vector() -> dict[str, Any]:
    subjects = keyed.seal_order([_id("prn"), _id("doc")])
    keys = [KEYS[subject[:3]] for subject in subjects]
    nonce, context = bytes(range(12)), f"{_id('ans')}/text"
    key = keyed.seal_key(subjects, keys)
    sealed = b"\x01" + nonce + AESGCM(key).encrypt(nonce, b"Leave is 30 days.", context.encode())
    return {
        "subjects": dict(zip(subjects, (item.hex() for item in keys), strict=True)),
        "key": key.hex(),
        "context": context,
        "value": "Leave is 30 days.",
        "sealed": sealed.hex(),
    }


if __name__ == "__main__":
    main()
