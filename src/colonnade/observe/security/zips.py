# SPDX-License-Identifier: Apache-2.0
"""The members of a zip archive, as its central directory and its local headers tell them, and where the two disagree.

Readers differ in which table they believe (Python's zipfile: the directory; torch's miniz: names of the one, sizes of
the other), and a file that shows each of them something else is made to pass a scan. So both are read, and every
difference is a finding. Format: PKWARE APPNOTE 6.3. Nothing is unpacked here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from colonnade.observe.security.verdicts import Findings, Limits

END, END64, LOCATOR = b"PK\5\6", b"PK\6\6", b"PK\6\7"
CENTRAL, LOCAL = b"PK\1\2", b"PK\3\4"
ENCRYPTED = 0x1 | 0x40 | 0x2000
OTHER_FLAGS = 0x20
DESCRIPTOR = 0x8
_FULL = 0xFFFFFFFF
_TAIL = 22 + 0xFFFF
_GAP_SEARCHED = 16 << 20


@dataclass(frozen=True, slots=True)
class Member:
    """One member: where its data lies, and how it is packed (method as in the format)."""

    name: str
    start: int
    packed: int
    size: int
    method: int
    flags: int
    crc: int


class NotZip(Exception):
    """No directory that can be read."""


def members(file: BinaryIO, base: int, total: int, where: str, found: Findings, limits: Limits) -> list[Member]:
    """Every member, also those that only a local header tells of. Raises NotZip."""
    at, directory_size, directory_at = _end(file, base, total, where, found)
    begin = at - directory_size
    shift = begin - directory_at
    if begin < 0 or shift < 0:
        raise NotZip("its end points outside of it")
    if shift:
        found.malicious(where, f"{shift} bytes stand before the archive: other readers see another file")
    if directory_size > 64 << 20:
        raise NotZip("its directory is larger than a scan reads")
    file.seek(base + begin)
    entries = list(_central(file.read(directory_size), limits))
    listed = [(entry, offset + shift) for entry, offset in entries]
    found_members = [_located(file, base, total, entry, offset, where, found) for entry, offset in listed]
    result = [member for member in found_members if member]
    names = [member.name for member in result]
    if len(set(names)) < len(names):
        found.malicious(where, "two members have one name: readers differ in which they take")
    spans = sorted((offset, member) for (_, offset), member in zip(listed, found_members, strict=True) if member)
    result += _hidden(file, base, begin, spans, where, found)
    return result


def _end(file: BinaryIO, base: int, total: int, where: str, found: Findings) -> tuple[int, int, int]:
    """Where the directory ends, its size, and where it says that it begins."""
    tail_at = max(0, total - _TAIL)
    file.seek(base + tail_at)
    tail = file.read(total - tail_at)
    places = [i for i in _places(tail, END) if i + 22 <= len(tail)]
    exact = [i for i in places if i + 22 + struct.unpack_from("<H", tail, i + 20)[0] == len(tail)]
    if not places:
        raise NotZip("it has no directory")
    if len(exact) > 1:
        found.malicious(where, "two ends of the archive: readers differ in which they take")
    if not exact:
        found.malicious(where, "data stands behind the end of the archive: other readers see another file")
    at = (exact or places)[-1]
    disks, count, size, offset = struct.unpack_from("<4xHxxxxHII", tail, at)
    if disks not in {0, 0xFFFF}:
        raise NotZip("it is one of several volumes")
    end = tail_at + at
    if offset == _FULL or size == _FULL or count == 0xFFFF:
        return _end64(file, base, end, size, offset)
    if at >= 20 and tail[at - 20 : at - 16] == LOCATOR:
        return _end64(file, base, end, size, offset)
    return end, size, offset


def _end64(file: BinaryIO, base: int, end: int, size: int, offset: int) -> tuple[int, int, int]:
    if end < 20 + 56:
        raise NotZip("its end is not whole")
    file.seek(base + end - 20)
    locator = file.read(20)
    if locator[:4] != LOCATOR:
        if offset == _FULL or size == _FULL:
            raise NotZip("its end is not whole")
        return end, size, offset
    place = end - 20 - 56
    file.seek(base + place)
    record = file.read(56)
    if record[:4] != END64 or len(record) != 56:
        raise NotZip("its end is not whole")
    size, offset = struct.unpack_from("<40xQQ", record)
    return place, size, offset


def _central(data: bytes, limits: Limits) -> Iterator[tuple[Member, int]]:
    """The entries of the directory, each with where its local header should be."""
    at, count = 0, 0
    while data[at : at + 4] == CENTRAL and at + 46 <= len(data):
        flags, method, crc, packed, size, named, extra, comment = struct.unpack_from("<8xHHxxxxIIIHHH", data, at)
        offset = struct.unpack_from("<42xI", data, at)[0]
        raw = data[at + 46 : at + 46 + named]
        size, packed, offset = _wide(data[at + 46 + named : at + 46 + named + extra], size, packed, offset)
        yield Member(_text(raw), 0, packed, size, method, flags, crc), offset
        at += 46 + named + extra + comment
        count += 1
        if count > limits.members:
            raise NotZip("more members than a scan reads")
    if at < len(data) and data[at:].strip(b"\0"):
        raise NotZip("its directory cannot be read to its end")


def _wide(extra: bytes, size: int, packed: int, offset: int) -> tuple[int, int, int]:
    """The 64-bit values, where the 32-bit ones are full."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind == 1:
            values = [
                int.from_bytes(extra[i : i + 8], "little") for i in range(at + 4, min(at + 4 + length, len(extra)), 8)
            ]
            size = values.pop(0) if size == _FULL and values else size
            packed = values.pop(0) if packed == _FULL and values else packed
            offset = values.pop(0) if offset == _FULL and values else offset
        at += 4 + length
    return size, packed, offset


def _located(
    file: BinaryIO, base: int, total: int, entry: Member, offset: int, where: str, found: Findings
) -> Member | None:
    """The member with the place of its data, after its local header has been compared."""
    here = f"{where}/{entry.name}"
    file.seek(base + offset)
    head = file.read(30)
    if len(head) < 30 or head[:4] != LOCAL:
        found.malicious(here, "the directory points to where no member begins")
        return None
    flags, method, crc, packed, size, named, extra = struct.unpack_from("<6xHHxxxxIIIHH", head)
    name = _text(file.read(named))
    size, packed, _ = _wide(file.read(extra), size, packed, 0)
    start = offset + 30 + named + extra
    if name != entry.name:
        found.malicious(here, f"its own header calls it {name!r}: readers see different members")
    if method != entry.method or (flags ^ entry.flags) & ENCRYPTED:
        found.malicious(here, "its own header says another kind of packing than the directory")
    if not flags & DESCRIPTOR and (size, packed, crc) != (entry.size, entry.packed, entry.crc):
        found.malicious(here, "its own header says another size or checksum than the directory")
    if start + entry.packed > total:
        found.unreadable(here, "it is cut short")
        return None
    if entry.method == 0 and entry.packed != entry.size and not entry.flags & ENCRYPTED:
        found.malicious(here, "it is stored as it is, yet has two sizes")
    return Member(entry.name, start, entry.packed, entry.size, entry.method, entry.flags | flags, entry.crc)


def _hidden(
    file: BinaryIO, base: int, begin: int, spans: list[tuple[int, Member]], where: str, found: Findings
) -> list[Member]:
    """Members that no directory lists: local headers in the gaps between those that are listed."""
    hidden: list[Member] = []
    at = 0
    for offset, member in [*spans, (begin, Member("", begin, 0, 0, 0, 0, 0))]:
        if offset < at:
            found.malicious(where, f"{member.name or 'the directory'} overlaps another member")
        elif offset > at:
            file.seek(base + at)
            gap = file.read(min(offset - at, _GAP_SEARCHED))
            if at == 0 and spans:
                found.malicious(where, f"{offset} bytes stand before the first member: other readers see another file")
            hidden += [_unlisted(gap, place, at) for place in _places(gap, LOCAL) if place + 30 <= len(gap)]
        at = max(at, member.start + member.packed)
    if hidden:
        found.malicious(where, f"{hidden[0].name or 'a member'} is in it, but not in its directory")
    return hidden


def _unlisted(gap: bytes, place: int, at: int) -> Member:
    flags, method, crc, packed, size, named, extra = struct.unpack_from("<6xHHxxxxIIIHH", gap, place)
    start = place + 30 + named + extra
    name = _text(gap[place + 30 : place + 30 + named])
    room = len(gap) - start
    return Member(name, at + start, max(0, min(packed or room, room)), size, method, flags, crc)


def _places(data: bytes, what: bytes) -> Iterator[int]:
    at = data.find(what)
    while at >= 0:
        yield at
        at = data.find(what, at + 1)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
