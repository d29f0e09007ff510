# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: B905, D103
"""Check an exported log without trusting who exported it: standard library only, no network, nothing installed.

    python3 -I verify.py --key KEY [--since CHECKPOINT ...] [--json] [DIR]

KEY is the log's verifier key (`colonnade/LOG+ID+BASE64`) or a file that holds it: get it from elsewhere than from this
folder. CHECKPOINT is a signed checkpoint that you kept from before: what it covered must still be there, unchanged.

0: intact. 1: not, with the index of the entry. 2: it could not be checked.

Checked: every entry's bytes against the tree (RFC 6962), the tiles, the signed checkpoint (C2SP, Ed25519), that each
checkpoint of --since is of a beginning of this log, and the values that were opened. An entry that is withheld counts
by its hash. Not checked, because nothing here can: entries after the last checkpoint that left the machine, and whether
what was said to the log was true.

This file is a copy of `colonnade/govern/ledger/standalone.py`. It shares no line with the package on purpose.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import json
import os
import sys
from collections.abc import Iterable
from typing import Any

WIDTH = 256
Point = tuple[int, int, int, int]
Key = tuple[str, bytes, bytes]


class Wrong(Exception):
    """Something does not hold; `index` of the entry where there is one."""

    def __init__(self, message: str, index: int | None = None) -> None:
        super().__init__(message)
        self.message, self.index = message, index


# Ed25519, RFC 8032 section 5.1.7
P = 2**255 - 19
Q = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)


def add(a: Point, b: Point) -> Point:
    x1, y1, z1, t1 = a
    x2, y2, z2, t2 = b
    e, f = (y1 - x1) * (y2 - x2) % P, (y1 + x1) * (y2 + x2) % P
    g, h = 2 * t1 * t2 * D % P, 2 * z1 * z2 % P
    i, j, k, m = f - e, h - g, h + g, f + e
    return i * j % P, k * m % P, j * k % P, i * m % P


def times(number: int, point: Point) -> Point:
    found = (0, 1, 1, 0)
    while number:
        if number & 1:
            found = add(found, point)
        point, number = add(point, point), number >> 1
    return found


def opened_point(data: bytes) -> Point | None:
    number = int.from_bytes(data, "little")
    sign, y = number >> 255, number & ((1 << 255) - 1)
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


BASE = opened_point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little")) or (0, 1, 1, 0)


def holds(public: bytes, message: bytes, signature: bytes) -> bool:
    if len(public) != 32 or len(signature) != 64:
        return False
    key, point = opened_point(public), opened_point(signature[:32])
    answer = int.from_bytes(signature[32:], "little")
    if key is None or point is None or answer >= Q:
        return False
    number = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % Q
    x1, y1, z1, _ = times(answer, BASE)
    x2, y2, z2, _ = add(point, times(number, key))
    return (x1 * z2 - x2 * z1) % P == 0 and (y1 * z2 - y2 * z1) % P == 0


# signed notes and checkpoints, c2sp.org/signed-note and c2sp.org/tlog-checkpoint
def decoded(text: str) -> bytes | None:
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        return None
    return raw if base64.b64encode(raw).decode() == text else None


def read_key(said: str) -> Key:
    if os.path.isfile(said):
        with open(said, encoding="utf-8") as file:
            said = file.read()
    name, _, rest = said.strip().partition("+")
    ident, _, encoded = rest.partition("+")
    raw = decoded(encoded)
    if raw is None or len(raw) != 33 or raw[:1] != b"\x01":
        raise SystemExit("verify.py: --key is no verifier key (colonnade/LOG+ID+BASE64), and no file that holds one")
    if hashlib.sha256(name.encode() + b"\n" + raw).hexdigest()[:8] != ident:
        raise SystemExit("verify.py: the key's id does not belong to it: it was copied wrongly")
    return name, bytes.fromhex(ident), raw[1:]


def checkpoint(note: str, key: Key, what: str) -> tuple[int, bytes]:
    """(size, root) of a note that the key signed. Raises Wrong."""
    name, ident, public = key
    text, gap, tail = note.rpartition("\n\n")
    if not gap or not tail.endswith("\n"):
        raise Wrong(f"{what} is no signed checkpoint")
    text += "\n"
    signed = False
    for line in tail[:-1].split("\n"):
        mark, _, rest = line.partition(" ")
        who, _, encoded = rest.partition(" ")
        blob = decoded(encoded)
        if mark != "\N{EM DASH}" or blob is None or len(blob) < 5:
            raise Wrong(f"{what}: a line of its signatures is malformed")
        if who == name and blob[:4] == ident:
            if not holds(public, text.encode(), blob[4:]):
                raise Wrong(f"{what}: the signature does not hold")
            signed = True
    if not signed:
        raise Wrong(f"{what} is not signed by {name} ({ident.hex()})")
    lines = text.split("\n")
    root = decoded(lines[2]) if len(lines) > 3 else None
    if lines[0] != name or not lines[1].isdigit() or root is None or len(root) != 32:
        raise Wrong(f"{what} is no checkpoint of {name}")
    return int(lines[1]), root


# the tree, RFC 6962 section 2.1
def leaf_hash(data: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def push(hashes: list[bytes], size: int, leaf: bytes) -> None:
    """Append to the perfect subtrees of a tree of `size` leaves."""
    while size & 1:
        leaf, size = node_hash(hashes.pop(), leaf), size >> 1
    hashes.append(leaf)


def root_of(hashes: list[bytes]) -> bytes:
    if not hashes:
        return hashlib.sha256(b"").digest()
    root = hashes[-1]
    for left in reversed(hashes[:-1]):
        root = node_hash(left, root)
    return root


# tiles, c2sp.org/tlog-tiles
def number(index: int) -> str:
    digits = f"{index:03d}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    parts = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    return os.path.join(*[f"x{part}" for part in parts[:-1]], parts[-1])


def read(folder: str, kind: str, index: int, width: int, first: int) -> bytes:
    path = os.path.join(folder, "tile", kind, number(index))
    if width < WIDTH:
        path = os.path.join(path + ".p", str(width))
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise Wrong(f"{os.path.relpath(path, folder)} cannot be read: {error.strerror}", first) from None


def hashes_of(folder: str, level: int, index: int, width: int) -> list[bytes]:
    first = index * WIDTH ** (level + 1)
    data = read(folder, str(level), index, width, first)
    if len(data) != 32 * width:
        raise Wrong(f"tile {level}/{index} has {len(data)} bytes instead of {32 * width}", first)
    return [data[at : at + 32] for at in range(0, len(data), 32)]


def entries_of(folder: str, index: int, width: int) -> list[bytes]:
    first, at = index * WIDTH, 0
    found: list[bytes] = []
    data = read(folder, "entries", index, width, first)
    while at < len(data) and len(found) < width:
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        if at + 2 > len(data) or end > len(data):
            raise Wrong("the bundle ends within this entry", first + len(found))
        found.append(data[at + 2 : end])
        at = end
    if len(found) != width or at != len(data):
        raise Wrong(f"a bundle holds {len(found)} entries instead of {width}, or more bytes", first + len(found))
    return found


def walk(
    folder: str, size: int, marks: set[int], wrong: list[Wrong], opened: dict[int, list[Any]]
) -> tuple[bytes, dict[int, bytes], int]:
    """Every entry and tile; the root. `marks`: sizes whose root is wanted; `opened`: index -> values."""
    levels: list[list[bytes]] = [[]]
    counts, withheld = [0], 0
    hashes: list[bytes] = []
    roots: dict[int, bytes] = {}
    if 0 in marks:
        roots[0] = root_of([])
    for index in range(-(-size // WIDTH)):
        width = min(WIDTH, size - index * WIDTH)
        known, entries = hashes_of(folder, 0, index, width), entries_of(folder, index, width)
        for place, (stored, data) in enumerate(zip(known, entries)):
            at = index * WIDTH + place
            if not data:
                withheld += 1
            elif leaf_hash(data) != stored:
                wrong.append(Wrong("the bytes of this entry are not those that were hashed", at))
            for value in opened.get(at, ()):
                try:
                    check_opened(value, data)
                except Wrong as found:
                    wrong.append(Wrong(found.message, at))
            push(hashes, at, stored)
            if at + 1 in marks:
                roots[at + 1] = root_of(hashes)
        if width == WIDTH:
            climb(folder, levels, counts, known, size, wrong)
    return root_of(hashes), roots, withheld


def climb(
    folder: str, levels: list[list[bytes]], counts: list[int], known: list[bytes], size: int, wrong: list[Wrong]
) -> None:
    """A full tile's root goes up; tiles above are compared as they fill, and at the right edge."""
    level = 0
    while True:
        while len(known) > 1:
            known = [node_hash(known[at], known[at + 1]) for at in range(0, len(known), 2)]
        level += 1
        if level == len(levels):
            levels.append([])
            counts.append(0)
        levels[level].append(known[0])
        span = WIDTH**level
        total = size // span
        width = min(WIDTH, total - counts[level] * WIDTH)
        if len(levels[level]) < width:
            return
        first = counts[level] * WIDTH * span
        try:
            stored = hashes_of(folder, level, counts[level], width)
            for place, (one, other) in enumerate(zip(stored, levels[level])):
                if one != other:
                    wrong.append(
                        Wrong(f"tile {level}/{counts[level]} does not follow from what is below", first + place * span)
                    )
        except Wrong as found:
            wrong.append(found)
        if width < WIDTH:
            return
        known, levels[level] = levels[level], []
        counts[level] += 1


def check_opened(value: Any, data: bytes) -> None:
    """A value that was opened: its MAC under the key that was handed over is the one in the entry."""
    try:
        leaf = json.loads(data)
        mac = base64.b64decode(leaf["mac"][value["field"]][1])
        said, key = base64.b64decode(value["value"]), base64.b64decode(value["key"])
    except (ValueError, KeyError, TypeError, IndexError):
        raise Wrong(f"the opened value {value.get('field')!r} is none of this entry") from None
    if leaf["id"] != value.get("entry") or not hmac.compare_digest(hmac.new(key, said, "sha256").digest(), mac):
        raise Wrong(f"the opened value {value['field']!r} is not what this entry was made of")


def read_opened(folder: str) -> dict[int, list[Any]]:
    path = os.path.join(folder, "opened.json")
    found: dict[int, list[Any]] = {}
    if os.path.exists(path):
        try:
            with open(path, encoding="utf-8") as file:
                values = json.load(file)["values"]
            for value in values:
                found.setdefault(int(value["index"]), []).append(value)
        except (ValueError, KeyError, TypeError) as error:
            raise Wrong(f"opened.json cannot be read: {error}") from None
    return found


def verify(folder: str, key: Key, since: Iterable[str]) -> dict[str, Any]:
    """The report."""
    wrong: list[Wrong] = []
    old: list[tuple[int, bytes]] = []
    opened: dict[int, list[Any]] = {}
    size, withheld = 0, 0
    try:
        with open(os.path.join(folder, "checkpoint"), encoding="utf-8", newline="") as file:
            size, root = checkpoint(file.read(), key, "the checkpoint")
        opened = read_opened(folder)
        for said in since:
            with open(said, encoding="utf-8", newline="") as file:
                old.append(checkpoint(file.read(), key, said))
        for before, _ in old:
            if before > size:
                message = f"truncated: a checkpoint from before covered {before} entries, here are {size}"
                wrong.append(Wrong(message, size))
        found, roots, withheld = walk(folder, size, {before for before, _ in old}, wrong, opened)
        if found != root and not wrong:
            wrong.append(Wrong("the tree is not the one that was signed"))
        for before, was in old:
            if before <= size and roots[before] != was:
                message = f"rewritten: the first {before} entries are not those of the checkpoint from before"
                wrong.append(Wrong(message))
        beyond = [index for index in opened if index >= size]
        if beyond:
            wrong.append(Wrong("a value was opened of an entry that is not here", min(beyond)))
    except Wrong as one:
        wrong.append(one)
    except (OSError, UnicodeDecodeError) as error:
        wrong.append(Wrong(f"a file cannot be read: {error}"))
    return {
        "schema": "colonnade.audit/1", "intact": not wrong, "origin": key[0], "entries": size, "withheld": withheld,
        "opened": sum(map(len, opened.values())),
        "findings": [{"index": each.index, "message": each.message} for each in wrong[:20]], "found_in_all": len(wrong),
    }  # fmt: skip


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", default=os.path.dirname(os.path.abspath(__file__)), metavar="DIR")
    parser.add_argument("--key", required=True)
    parser.add_argument("--since", action="append", default=[], metavar="CHECKPOINT")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    if not os.path.isdir(asked.folder):
        parser.error(f"{asked.folder} is no folder")
    report = verify(asked.folder, read_key(asked.key), asked.since)
    if asked.json:
        print(json.dumps(report))
    else:
        print(f"log       {report['origin']}")
        print(f"entries   {report['entries']}, {report['withheld']} withheld, {report['opened']} values opened")
        for one in report["findings"]:
            print("WRONG     " + ("" if one["index"] is None else f"index {one['index']}: ") + one["message"])
        print("intact" if report["intact"] else f"NOT INTACT: {report['found_in_all']} findings")
    return 0 if report["intact"] else 1


if __name__ == "__main__":
    sys.exit(main())
