# SPDX-License-Identifier: Apache-2.0
"""The published page: its tables are those of the code, and its vectors hold when checked by other means than ours."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from colonnade.adapters.keys.ed25519 import verify_ed25519
from colonnade.core.leaf import parse_leaf
from colonnade.core.merkle import verify_consistency, verify_inclusion
from colonnade.core.note import NoteKey, open_note
from colonnade.core.vocabulary import KINDS, ROLES, misfits
from scripts.make_ledger_reference import PAGE, filled

TEXT = PAGE.read_text("utf-8")
MAC, LEAVES, TREE, NOTE, SEAL = (json.loads(block) for block in re.findall(r"```json\n(.*?)\n```", TEXT, re.DOTALL))


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def keyed(key: bytes, data: bytes) -> bytes:
    return hmac.new(key, data, hashlib.sha256).digest()


def test_the_made_parts_of_the_page_are_those_of_the_code() -> None:
    assert filled(TEXT) == TEXT, "run: python -m scripts.make_ledger_reference"


def test_every_kind_role_and_enumeration_is_on_the_page() -> None:
    for name, kind in KINDS.items():
        section = TEXT.partition(f"### {name}\n")[2].partition("###")[0]
        assert section
        for word in [*kind.roles, *kind.mac, *kind.n, *kind.status]:
            assert f"`{word}`" in section
        assert all(value in section for values in kind.status.values() for value in values)
    assert all(f"| `{role}` |" in TEXT for role in ROLES)


def test_the_mac_follows_from_the_value() -> None:
    k = keyed(bytes.fromhex(MAC["subject_key"]), MAC["entry"].encode() + b"\0" + MAC["field"].encode())
    assert k.hex() == MAC["k"]
    assert base64.b64encode(keyed(k, MAC["value"].encode())).decode() == MAC["mac"]
    leaf = json.loads(LEAVES[1]["bytes"])
    assert leaf["id"] == MAC["entry"]
    assert leaf["mac"]["path"] == [MAC["subject"], MAC["mac"]]


def test_each_leaf_is_canonical_and_hashes_as_it_says() -> None:
    for vector in LEAVES:
        data = vector["bytes"].encode()
        assert sha(b"\0" + data).hex() == vector["hash"]
        assert json.dumps(json.loads(data), sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode() == data
        assert misfits(parse_leaf(data)) == []


def test_the_root_is_that_of_the_leaves_and_the_proofs_hold() -> None:
    a, b, c, d, e = (bytes.fromhex(vector["hash"]) for vector in LEAVES)
    ab, cd = sha(b"\x01" + a + b), sha(b"\x01" + c + d)
    root = sha(b"\x01" + sha(b"\x01" + ab + cd) + e)
    assert root.hex() == TREE["root"]
    proof = [bytes.fromhex(item) for item in TREE["inclusion"]["proof"]]
    assert proof == [d, ab, e]
    assert verify_inclusion(2, 5, c, proof, root)
    root3 = sha(b"\x01" + ab + c)
    assert root3.hex() == TREE["consistency"]["root1"]
    assert verify_consistency(3, 5, root3, root, [bytes.fromhex(item) for item in TREE["consistency"]["proof"]])


def test_the_checkpoint_and_the_seal_are_signed_by_the_published_key() -> None:
    private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(NOTE["seed"]))
    name, ident, key = NOTE["verifier_key"].split("+", 2)
    public = private.public_key().public_bytes_raw()
    assert base64.b64decode(key) == b"\x01" + public
    assert sha(name.encode() + b"\n\x01" + public)[:4].hex() == ident
    for note, body in (
        (NOTE["checkpoint"], f"{name}\n5\n{base64.b64encode(bytes.fromhex(TREE['root'])).decode()}\n"),
        (NOTE["seal"], f"{name}/state\n3\n{base64.b64encode(sha(b'abc')).decode()}\n"),
    ):
        text, _, signature = note.rpartition("\n\n")
        assert text + "\n" == body
        dash, signer, blob = signature.rstrip("\n").split(" ")
        assert (dash, signer, base64.b64decode(blob)[:4].hex()) == ("—", name, ident)
        Ed25519PublicKey.from_public_bytes(public).verify(base64.b64decode(blob)[4:], body.encode())
        assert open_note(note, [NoteKey.parse(NOTE["verifier_key"])], verify_ed25519) == body


def test_the_sealed_value_opens_with_the_keys_of_both_subjects() -> None:
    subjects = sorted(SEAL["subjects"])
    joined = b"".join(bytes.fromhex(SEAL["subjects"][subject]) for subject in subjects)
    info = b"\0".join([b"colonnade/seal/v1", *(subject.encode() for subject in subjects)])
    key = HKDF(SHA256(), 32, None, info).derive(joined)
    assert key.hex() == SEAL["key"]
    sealed = bytes.fromhex(SEAL["sealed"])
    assert sealed[0] == 1
    assert AESGCM(key).decrypt(sealed[1:13], sealed[13:], SEAL["context"].encode()).decode() == SEAL["value"]


def test_the_concept_says_what_is_not_covered() -> None:
    concept = Path(PAGE.parents[1] / "concepts" / "ledger.md").read_text("utf-8")
    assert "## What this does not cover" in concept
