# SPDX-License-Identifier: Apache-2.0
"""The tree's arithmetic against its definition, and against the proofs of transparency-dev/merkle."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colonnade.core.merkle import (
    EMPTY_ROOT,
    Frontier,
    HashTree,
    consistency_proof,
    inclusion_proof,
    inclusion_root,
    leaf_hash,
    node_hash,
    verify_consistency,
    verify_inclusion,
)

VECTORS = Path(__file__).resolve().parents[3] / "shared" / "data" / "merkle_rfc6962" / "testdata"
LEAVES = [leaf_hash(number.to_bytes(2, "big")) for number in range(300)]
SIZES = st.integers(0, len(LEAVES))


def naive_root(leaves: Sequence[bytes]) -> bytes:
    """RFC 6962 section 2.1, word by word."""
    if not leaves:
        return EMPTY_ROOT
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return node_hash(naive_root(leaves[:split]), naive_root(leaves[split:]))


def test_known_roots_of_rfc_6962_implementations() -> None:
    leaves = [
        bytes.fromhex(text) for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "60616263")
    ]
    tree = HashTree([leaf_hash(leaf) for leaf in leaves[:7]])
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert tree.root(1).hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert tree.root(2).hex() == "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"
    assert tree.root(3).hex() == "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"


@given(SIZES)
def test_frontier_and_tree_have_the_root_of_the_definition(size: int) -> None:
    frontier = Frontier()
    for leaf in LEAVES[:size]:
        frontier.append(leaf)
    assert frontier.root() == HashTree(LEAVES).root(size) == naive_root(LEAVES[:size])
    assert len(frontier.hashes) == size.bit_count()


@given(SIZES, SIZES)
def test_a_stored_frontier_continues_as_if_it_had_never_been_stored(first: int, then: int) -> None:
    frontier = Frontier()
    for leaf in LEAVES[:first]:
        frontier.append(leaf)
    again = Frontier.from_bytes(frontier.to_bytes())
    for leaf in LEAVES[first:then]:
        again.append(leaf)
    assert again.root() == naive_root(LEAVES[: max(first, then)])


@pytest.mark.parametrize(
    "data", [b"", b"\0" * 7, b"\0" * 9, (1).to_bytes(8, "big"), (2).to_bytes(8, "big") + b"x" * 64]
)
def test_bytes_that_are_no_frontier_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        Frontier.from_bytes(data)


@given(st.data(), st.integers(1, len(LEAVES)))
def test_an_inclusion_proof_holds_and_holds_for_nothing_else(data: st.DataObject, size: int) -> None:
    index = data.draw(st.integers(0, size - 1))
    tree = HashTree(LEAVES)
    root, proof = tree.root(size), inclusion_proof(index, size, tree.node)
    assert len(proof) <= max(0, (size - 1).bit_length())
    assert verify_inclusion(index, size, LEAVES[index], proof, root)
    other = data.draw(st.integers(0, size))
    if other != index:
        assert not verify_inclusion(other, size, LEAVES[index], proof, root)
    assert not verify_inclusion(index, size, leaf_hash(b"other"), proof, root)
    assert not verify_inclusion(index, size, LEAVES[index], [*proof, root], root)
    assert not verify_inclusion(index, size, LEAVES[index], proof, leaf_hash(root))
    if proof:
        at = data.draw(st.integers(0, len(proof) - 1))
        flipped = bytes([proof[at][0] ^ 1]) + proof[at][1:]
        assert not verify_inclusion(index, size, LEAVES[index], [*proof[:at], flipped, *proof[at + 1 :]], root)
        assert not verify_inclusion(index, size, LEAVES[index], proof[:-1], root)


@given(st.data(), SIZES)
def test_a_consistency_proof_holds_and_holds_for_nothing_else(data: st.DataObject, size2: int) -> None:
    size1 = data.draw(st.integers(0, size2))
    tree = HashTree(LEAVES)
    root1, root2, proof = tree.root(size1), tree.root(size2), consistency_proof(size1, size2, tree.node)
    assert verify_consistency(size1, size2, root1, root2, proof)
    assert not verify_consistency(size1, size2, leaf_hash(root1), root2, proof)
    assert not verify_consistency(size1, size2, root1, root2, [*proof, root1])
    if size1:
        assert not verify_consistency(size1, size2, root1, leaf_hash(root2), proof)
    if proof:
        at = data.draw(st.integers(0, len(proof) - 1))
        flipped = bytes([proof[at][0] ^ 1]) + proof[at][1:]
        assert not verify_consistency(size1, size2, root1, root2, [*proof[:at], flipped, *proof[at + 1 :]])
        assert not verify_consistency(size1, size2, root1, root2, proof[:-1])


@pytest.mark.parametrize("size1, size2", [(0, 5), (3, 3), (3, 7), (4, 7), (7, 7), (6, 300), (256, 300)])
def test_a_rewritten_history_has_no_consistency_proof(size1: int, size2: int) -> None:
    honest = HashTree(LEAVES)
    forged = HashTree([leaf_hash(b"forged"), *LEAVES[1:]])
    proof = consistency_proof(size1, size2, forged.node)
    assert verify_consistency(size1, size2, forged.root(size1), forged.root(size2), proof)
    if size1:
        assert not verify_consistency(size1, size2, honest.root(size1), forged.root(size2), proof)


@pytest.mark.parametrize("index, size", [(-1, 3), (3, 3), (0, 0)])
def test_there_is_no_proof_for_what_is_not_in_the_tree(index: int, size: int) -> None:
    tree = HashTree(LEAVES)
    with pytest.raises(ValueError):
        inclusion_proof(index, size, tree.node)
    assert inclusion_root(index, size, LEAVES[0], []) is None


@pytest.mark.parametrize("size1, size2", [(-1, 3), (4, 3)])
def test_a_larger_tree_is_no_prefix(size1: int, size2: int) -> None:
    with pytest.raises(ValueError):
        consistency_proof(size1, size2, HashTree(LEAVES).node)
    assert not verify_consistency(size1, size2, LEAVES[0], LEAVES[1], [])


def test_the_public_vectors_are_accepted_and_rejected_exactly_as_they_say() -> None:
    if not VECTORS.exists():
        pytest.skip("needs the Merkle vectors beside the clone (../shared/data)")
    files = sorted(VECTORS.glob("*/*/*.json"))
    wrong = [str(path.relative_to(VECTORS)) for path in files if _accepts(vector := _read(path)) == vector["wantErr"]]
    assert wrong == []
    assert len(files) == 96


def _read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text()))


def _accepts(vector: dict[str, Any]) -> bool:
    proof = [base64.b64decode(item) for item in vector["proof"] or []]
    if "leafIdx" in vector:
        leaf, root = base64.b64decode(vector["leafHash"]), base64.b64decode(vector["root"])
        return verify_inclusion(vector["leafIdx"], vector["treeSize"], leaf, proof, root)
    roots = base64.b64decode(vector["root1"]), base64.b64decode(vector["root2"])
    return verify_consistency(vector["size1"], vector["size2"], *roots, proof)
