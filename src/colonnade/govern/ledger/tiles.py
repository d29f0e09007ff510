# SPDX-License-Identifier: Apache-2.0
"""The log as tiles, in the layout of https://c2sp.org/tlog-tiles: what an auditor or a mirror reads without asking us.

    tile/L/N[.p/W]          256 hashes (or W at the right edge) of perfect subtrees of 256^L leaves
    tile/entries/N[.p/W]    256 entries (or W), each as its length in two bytes, big endian, and its bytes

An entry of length 0 is withheld: its hash stands in the tile, its bytes do not leave the house. Paths and bytes only;
where they are written is not decided here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from colonnade.core.merkle import node_hash

WIDTH = 256
MOST_BYTES = (1 << 16) - 1


class File(NamedTuple):
    """A file below the log's folder."""

    path: str
    data: bytes


def tile_path(level: int, index: int, width: int = WIDTH) -> str:
    """Where a tile of hashes lies.

    >>> tile_path(0, 1234067, 5)
    'tile/0/x001/x234/067.p/5'
    """
    return f"tile/{level}/{_number(index)}{_partial(width)}"


def entries_path(index: int, width: int = WIDTH) -> str:
    """Where a bundle of entries lies.

    >>> entries_path(0)
    'tile/entries/000'
    """
    return f"tile/entries/{_number(index)}{_partial(width)}"


def bundle(entries: Iterable[bytes]) -> bytes:
    """Entries in one file. Raises ValueError for one of more than 65,535 bytes, which the layout cannot hold."""
    parts = []
    for entry in entries:
        if len(entry) > MOST_BYTES:
            raise ValueError(f"an entry of {len(entry):,} bytes does not fit a tile")
        parts.append(len(entry).to_bytes(2, "big") + entry)
    return b"".join(parts)


def unbundle(data: bytes) -> list[bytes]:
    """What `bundle` was given. Raises ValueError when the lengths do not add up.

    >>> unbundle(bundle([b"one", b"", b"three"]))
    [b'one', b'', b'three']
    """
    found: list[bytes] = []
    at = 0
    while at < len(data):
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        if end > len(data):
            raise ValueError(f"entry {len(found)} of the bundle ends after it")
        found.append(data[at + 2 : end])
        at = end
    return found


def tiles(leaves: Iterable[tuple[bytes, bytes]]) -> Iterator[File]:
    """Every file of a log, in about the order of its leaves, holding no more than a tile a level in memory.

    Args:
        leaves: (leaf hash, bytes or b"" where withheld), in the order of their index.
    """
    levels: list[list[bytes]] = [[]]
    written = [0]
    held: list[bytes] = []
    for hash_, data in leaves:
        held.append(data)
        levels[0].append(hash_)
        if len(held) == WIDTH:
            yield File(entries_path(written[0]), bundle(held))
            held = []
            yield from _raise(levels, written)
    if held:
        yield File(entries_path(written[0], len(held)), bundle(held))
    for level, hashes in enumerate(levels):
        if hashes:
            yield File(tile_path(level, written[level], len(hashes)), b"".join(hashes))


def _raise(levels: list[list[bytes]], written: list[int]) -> Iterator[File]:
    """Full tiles are written, and their root goes one level up."""
    level = 0
    while len(levels[level]) == WIDTH:
        hashes, levels[level] = levels[level], []
        yield File(tile_path(level, written[level]), b"".join(hashes))
        written[level] += 1
        if level + 1 == len(levels):
            levels.append([])
            written.append(0)
        while len(hashes) > 1:
            hashes = [node_hash(hashes[at], hashes[at + 1]) for at in range(0, len(hashes), 2)]
        levels[level + 1].append(hashes[0])
        level += 1


def _number(index: int) -> str:
    digits = f"{index:03d}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    parts = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    return "/".join([*(f"x{part}" for part in parts[:-1]), parts[-1]])


def _partial(width: int) -> str:
    return "" if width == WIDTH else f".p/{width}"
