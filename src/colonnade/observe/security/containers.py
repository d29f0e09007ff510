# SPDX-License-Identifier: Apache-2.0
"""What holds other things: zip, tar, compressed streams, npy. Each member is judged by its content, whatever its name.

A reader takes the reading, the blob, where it is and how deep, and gives the format's name. Nothing is written to
disk, so a member's path can only tell of an intention.
"""

from __future__ import annotations

import ast
import bz2
import lzma
import re
import struct
import tarfile
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from colonnade.observe.security import lz4, zips
from colonnade.observe.security.blobs import Blob, Damaged, Part, Unpacked, part
from colonnade.observe.security.pickles import CLAIMED, judge_pickles
from colonnade.observe.security.stream import BLOCK

if TYPE_CHECKING:
    from colonnade.observe.security.contents import Reading

_CHECKED = 16 << 20
"""A member up to this is read once more for its checksum."""
_PACKED = {
    b"\x1f\x8b": ("gzip", lambda: zlib.decompressobj(31)),
    b"BZh": ("bzip2", bz2.BZ2Decompressor),
    b"\xfd7zXZ\0": ("xz", lambda: lzma.LZMADecompressor(memlimit=256 << 20)),
    b"\x5d\0\0": ("lzma", lambda: lzma.LZMADecompressor(memlimit=256 << 20)),
    b"\x04\x22\x4d\x18": ("lz4", lz4.Frame),
}
_UNREAD = {
    b"7z\xbc\xaf\x27\x1c": "7z", b"Rar!\x1a\x07": "rar", b"\x28\xb5\x2f\xfd": "zstandard",
    b"ZF0x": "an early joblib file", b"!<arch>": "ar", b"MSCF": "cab",
}  # fmt: skip


def kind_of(blob: Blob, head: bytes) -> str:
    """Which reader's it is, or ""."""
    if head[:4] in {zips.LOCAL, zips.END} or _ends_as_zip(blob):
        return "zip"
    if head.startswith(b"\x93NUMPY"):
        return "npy"
    if head[257:262] == b"ustar":
        return "tar"
    if any(head.startswith(sign) for sign in _UNREAD):
        return "unread"
    if any(head.startswith(sign) for sign in _PACKED) or _is_zlib(head):
        return "packed"
    return ""


def read_zip(reading: Reading, blob: Blob, where: str, depth: int) -> str:
    """An archive: torch, keras, npz, skops or plain."""
    file, base, total = blob.file(reading.limits.nested_bytes)
    try:
        found = zips.members(file, base, total, where, reading.found, reading.limits)
    except (zips.NotZip, struct.error) as error:
        reading.found.unreadable(where, f"not a whole archive: {error}")
        return "zip"
    names = [member.name for member in found]
    head = blob.head(4)
    if head not in {zips.LOCAL, zips.END}:
        judge_pickles(blob.opened, f"{where}, what stands before the archive", reading.found, reading.limits)
    for member in found:
        _member(reading, file, base, member, f"{where}/{member.name}", depth)
    return _flavour(reading, names, where)


def _member(reading: Reading, file: Any, base: int, member: zips.Member, where: str, depth: int) -> None:
    if member.name.startswith("/") or ".." in re.split(r"[/\\]", member.name) or re.match(r"^[A-Za-z]:", member.name):
        reading.found.malicious(where, "its path leads out of the folder that it would be unpacked to")
    raw = part(member.name, file, base + member.start, member.packed)
    if member.method == 0:
        blob = raw
    elif member.method in {8, 12}:
        make: Callable[[], object] = bz2.BZ2Decompressor if member.method == 12 else lambda: zlib.decompressobj(-15)
        blob = Blob(member.name, lambda: Unpacked(raw.opened(), make, reading.budget, many=False))
    else:
        reading.found.unreadable(where, f"it is packed by method {member.method}, which this scan does not unpack")
        return
    if member.name.endswith("/") and not member.packed:
        return
    reading.read(blob, where, depth + 1)
    if member.flags & zips.ENCRYPTED:
        reading.found.unreadable(where, "it is marked as encrypted")
    elif member.flags & zips.OTHER_FLAGS:
        reading.found.unreadable(where, "it is marked as a patch")
    elif member.size <= _CHECKED and not _sums_up(blob, member.crc):
        reading.found.unreadable(where, "its checksum does not fit: it is damaged, or was changed")


def _sums_up(blob: Blob, crc: int) -> bool:
    source, value = blob.opened(), 0
    try:
        while block := source.read(BLOCK):
            value = zlib.crc32(block, value)
    except Damaged:
        return False
    return value == crc


def _flavour(reading: Reading, names: list[str], where: str) -> str:
    if any(name.endswith("/constants.pkl") for name in names) and any("/code/" in name for name in names):
        reading.found.note(where, "TorchScript: code/ holds a program, which torch.jit.load runs when it is called")
        return "torchscript"
    if any(name.endswith(("/data.pkl", "/version")) for name in names):
        return "torch"
    if "config.json" in names and any(name.endswith(".weights.h5") for name in names):
        return "keras"
    if names and all(name.endswith(".npy") for name in names):
        return "npz"
    return "skops" if "schema.json" in names else "zip"


def read_tar(reading: Reading, blob: Blob, where: str, depth: int) -> str:
    """A tar archive, by Python's own reader (headers only; nothing is extracted)."""
    file, base, total = blob.file(reading.limits.nested_bytes)
    count = 0
    try:
        with tarfile.TarFile(fileobj=cast(BinaryIO, _Seeking(file, base, total)), mode="r") as archive:
            for info in archive:
                count += 1
                here = f"{where}/{info.name}"
                if count > reading.limits.members:
                    reading.found.unreadable(where, "more members than a scan reads")
                    break
                if info.name.startswith("/") or ".." in info.name.split("/"):
                    reading.found.malicious(here, "its path leads out of the folder that it would be unpacked to")
                if info.isfile() and not info.issparse():
                    reading.read(part(info.name, file, base + info.offset_data, info.size), here, depth + 1)
                elif not info.isdir():
                    reading.found.unreadable(here, "it is a link, a device or a sparse file")
    except (tarfile.TarError, ValueError, EOFError) as error:
        reading.found.unreadable(where, f"not a whole archive: {error}")
    return "tar"


class _Seeking(Part):
    """A part that tarfile can use."""

    def seek(self, at: int, whence: int = 0) -> int:
        self._at = max(0, at + (0, self._at, self.size)[whence])
        return self._at

    def tell(self) -> int:
        return self._at

    def seekable(self) -> bool:
        return True


def read_packed(reading: Reading, blob: Blob, where: str, depth: int) -> str:
    """A compressed stream, as joblib writes them: judged by what it unpacks to."""
    head = blob.head(6)
    name, make = next((entry for sign, entry in _PACKED.items() if head.startswith(sign)), ("zlib", zlib.decompressobj))
    ending = blob.name.rsplit(".", 1)[0] if blob.name.endswith((".gz", ".bz2", ".xz", ".z", ".lz4")) else blob.name
    inner = Blob(ending, lambda: Unpacked(blob.opened(), make, reading.budget, many=name in {"gzip", "xz", "bzip2"}))
    kind = reading.read(inner, where, depth + 1)
    return f"{kind}, {name}"


def read_unread(reading: Reading, blob: Blob, where: str, _depth: int) -> str:
    """An archive of a kind that needs a reader of its own."""
    head = blob.head(8)
    name = next(name for sign, name in _UNREAD.items() if head.startswith(sign))
    reading.found.unreadable(where, f"{name}: this scan does not unpack it; unpack it and scan what is inside")
    return name


def read_npy(reading: Reading, blob: Blob, where: str, _depth: int) -> str:
    """An array of numpy: its header, and the pickle where the entries are objects."""
    try:
        objects, skip = _npy_header(blob.head(70_000))
    except (ValueError, SyntaxError, MemoryError, RecursionError, IndexError, struct.error) as error:
        reading.found.unreadable(where, f"its header cannot be read ({type(error).__name__})")
        return "npy"
    if objects:

        def after() -> Any:
            source = blob.opened()
            left = skip
            while left:
                left -= len(source.read(left))
            return source

        judge_pickles(after, where, reading.found, reading.limits, likely=CLAIMED)
        return "npy of objects"
    if _another(blob, skip):
        reading.found.unreadable(where, "several arrays in one file: only the first is judged")
    return "npy"


def _another(blob: Blob, skip: int) -> bool:
    """Whether a second array stands behind the first, which a second call of a loader would read."""
    source, before, at = blob.opened(), b"", 0
    while block := source.read(BLOCK):
        text = before + block
        if text.find(b"\x93NUMPY", max(0, skip - at)) >= 0:
            return True
        before = text[-5:]
        at += len(text) - len(before)
    return False


def _npy_header(head: bytes) -> tuple[bool, int]:
    """Whether the entries are objects, and how long the header is. Raises ValueError, SyntaxError."""
    wide = head[6] >= 2
    length, begin = (struct.unpack_from("<I", head, 8)[0], 12) if wide else (struct.unpack_from("<H", head, 8)[0], 10)
    if begin + length > len(head):
        raise ValueError("cut short")
    header = ast.literal_eval(head[begin : begin + length].decode("utf-8" if head[6] >= 3 else "latin-1").strip())
    if not isinstance(header, dict) or "descr" not in header:
        raise ValueError("no dtype")
    return _has_objects(header["descr"]), begin + length


def _has_objects(kind: object) -> bool:
    if isinstance(kind, str):
        return "O" in kind or "object" in kind
    if isinstance(kind, list | tuple):
        return any(
            _has_objects(item) for field in kind for item in (field[1:2] if isinstance(field, tuple) else [field])
        )
    return True


def _is_zlib(head: bytes) -> bool:
    """zlib has no magic; its two first bytes are divisible by 31, and it must begin to unpack."""
    if head[:1] != b"\x78" or len(head) < 8 or (head[0] << 8 | head[1]) % 31:
        return False
    try:
        zlib.decompressobj().decompress(head, 4096)
    except zlib.error:
        return False
    return True


def _ends_as_zip(blob: Blob) -> bool:
    """Whether a zip stands behind something else: its end is looked for as its readers do."""
    if blob.seekable is None:
        return False
    file, start, size = blob.seekable
    if size < 22:
        return False
    tail = min(size, 22 + 0xFFFF)
    file.seek(start + size - tail)
    data = file.read(tail)
    at = data.rfind(zips.END)
    if at < 0 or at + 22 > len(data):
        return False
    disk, _, count, total, length, offset, comment = struct.unpack_from("<4xHHHHIIH", data, at)
    place = size - tail + at
    fits = at + 22 + comment == len(data) and disk == 0 and count == total
    return fits and (length + offset <= place or 0xFFFFFFFF in {length, offset})


READERS: dict[str, Callable[[Any, Blob, str, int], str]] = {
    "zip": read_zip,
    "tar": read_tar,
    "packed": read_packed,
    "unread": read_unread,
    "npy": read_npy,
}
