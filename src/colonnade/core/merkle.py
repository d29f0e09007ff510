# SPDX-License-Identifier: Apache-2.0
"""The arithmetic of the log: an RFC 6962 Merkle tree over SHA-256, its frontier, its proofs and how they are checked.

Numbers and hashes only: nothing here knows what a leaf means, where it is stored, or who signs a root.

    leaf hash   SHA-256(0x00 || bytes)                              RFC 6962 section 2.1
    node hash   SHA-256(0x01 || left || right)
    tree        n leaves split at the largest power of two below n
    frontier    the perfect subtrees of a tree, largest first: all that appending needs, at most 64 hashes

A *perfect* subtree is named by (level, index): the leaves `[index << level, (index + 1) << level)`. Proofs are made
from a function that gives the hash of a perfect subtree, so that it may come from memory, rows or tiles alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()
Node = Callable[[int, int], bytes]


def leaf_hash(data: bytes) -> bytes:
    """The hash of a leaf's bytes (32 bytes)."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node (32 bytes)."""
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """A tree that only grows: O(1) amortised to append, O(log n) to give the root.

    >>> tree = Frontier()
    >>> tree.append(leaf_hash(b"one"))
    >>> tree.root() == leaf_hash(b"one"), tree.size
    (True, 1)
    """

    __slots__ = ("hashes", "size")

    def __init__(self, size: int = 0, hashes: Iterable[bytes] = ()) -> None:
        self.size = size
        self.hashes = list(hashes)
        if len(self.hashes) != size.bit_count() or any(len(item) != HASH_BYTES for item in self.hashes):
            raise ValueError(f"a frontier of size {size} has {size.bit_count()} hashes of {HASH_BYTES} bytes")

    def append(self, leaf: bytes) -> None:
        """Add a leaf's hash."""
        size, hashes = self.size, self.hashes
        while size & 1:
            leaf = sha256(b"\x01" + hashes.pop() + leaf).digest()
            size >>= 1
        hashes.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """The tree's root hash: SHA-256 of nothing for the empty tree."""
        if not self.hashes:
            return EMPTY_ROOT
        root = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            root = node_hash(left, root)
        return root

    def to_bytes(self) -> bytes:
        """What `from_bytes` reads: the size in 8 bytes, big endian, then the hashes."""
        return self.size.to_bytes(8, "big") + b"".join(self.hashes)

    @classmethod
    def from_bytes(cls, data: bytes) -> Frontier:
        """Raises ValueError if the bytes are not a frontier."""
        if len(data) < 8 or (len(data) - 8) % HASH_BYTES:
            raise ValueError(f"{len(data)} bytes are not a frontier")
        return cls(
            int.from_bytes(data[:8], "big"), [data[at : at + HASH_BYTES] for at in range(8, len(data), HASH_BYTES)]
        )


class HashTree:
    """All levels of a tree in memory, for proofs: `node` is what the proof functions take.

    Takes 64 bytes a leaf and more: made for tests, exports and logs of some million entries.
    """

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self.size = len(leaves)
        self._levels = [list(leaves)]
        while len(self._levels[-1]) > 1:
            below = self._levels[-1]
            self._levels.append([node_hash(below[at], below[at + 1]) for at in range(0, len(below) - 1, 2)])

    def node(self, level: int, index: int) -> bytes:
        """The hash of the perfect subtree (level, index)."""
        return self._levels[level][index]

    def root(self, size: int | None = None) -> bytes:
        """The root of the first `size` leaves (all by default)."""
        return range_hash(0, self.size if size is None else size, self.node)


def range_hash(start: int, end: int, node: Node) -> bytes:
    """The Merkle tree hash of leaves [start, end); start is a multiple of the power of two that covers the range."""
    if start == end:
        return EMPTY_ROOT
    parts: list[bytes] = []
    while start < end:
        level = min((end - start).bit_length() - 1, _trailing_zeros(start))
        parts.append(node(level, start >> level))
        start += 1 << level
    root = parts.pop()
    while parts:
        root = node_hash(parts.pop(), root)
    return root


def inclusion_proof(index: int, size: int, node: Node) -> list[bytes]:
    """The audit path of leaf `index` in the tree of the first `size` leaves, leaf first (RFC 6962 section 2.1.1)."""
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} is not in a tree of size {size}")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(range_hash(middle, end, node))
            end = middle
        else:
            path.append(range_hash(start, middle, node))
            start = middle
    return path[::-1]


def consistency_proof(size1: int, size2: int, node: Node) -> list[bytes]:
    """Why the tree of `size1` leaves is a prefix of that of `size2` (RFC 6962 section 2.1.2).

    Empty for size1 0 or size1 = size2.
    """
    if not 0 <= size1 <= size2:
        raise ValueError(f"size {size1} is no prefix of size {size2}")
    if size1 in (0, size2):
        return []
    path: list[bytes] = []
    start, end, known = 0, size2, True
    while size1 < end:
        middle = start + _split(end - start)
        if size1 <= middle:
            path.append(range_hash(middle, end, node))
            end = middle
        else:
            path.append(range_hash(start, middle, node))
            start, known = middle, False
    return path[::-1] if known else [range_hash(start, end, node), *path[::-1]]


def inclusion_root(index: int, size: int, leaf: bytes, proof: Sequence[bytes]) -> bytes | None:
    """The root that the path leads to; None if it cannot be one of this index and size (RFC 9162 section 2.1.3.2)."""
    if not 0 <= index < size or any(len(item) != HASH_BYTES for item in (leaf, *proof)):
        return None
    at, last, root = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return None
        if at & 1 or at == last:
            root = node_hash(sibling, root)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            root = node_hash(root, sibling)
        at, last = at >> 1, last >> 1
    return root if last == 0 else None


def verify_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether the proof shows that the leaf's hash stands at `index` in the tree of that size and root."""
    return inclusion_root(index, size, leaf, proof) == root


def verify_consistency(size1: int, size2: int, root1: bytes, root2: bytes, proof: Sequence[bytes]) -> bool:
    """Whether the proof shows that tree (size2, root2) begins with tree (size1, root1) (RFC 9162 section 2.1.4.2)."""
    if not 0 <= size1 <= size2 or any(len(item) != HASH_BYTES for item in (root1, root2, *proof)):
        return False
    if size1 == size2:
        return not proof and root1 == root2
    if size1 == 0:
        return not proof and root1 == EMPTY_ROOT
    path = list(proof) if size1 & (size1 - 1) else [root1, *proof]
    if not path:
        return False
    zeros = _trailing_zeros(size1)
    at, last = (size1 - 1) >> zeros, (size2 - 1) >> zeros
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and old == root1 and new == root2


def _split(size: int) -> int:
    """The largest power of two below size (size > 1)."""
    return 1 << ((size - 1).bit_length() - 1)


def _trailing_zeros(number: int) -> int:
    return (number & -number).bit_length() - 1 if number else 64
