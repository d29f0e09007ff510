# SPDX-License-Identifier: Apache-2.0
"""Zip packages of XML parts (Office Open XML, OpenDocument, EPUB), opened with suspicion.

What is checked before a byte is inflated: the number of members, what they claim to unpack to, and the ratio of that
to the file. What is checked while reading: no document type that declares entities (expansion bombs), no part larger
than it said.
"""

from __future__ import annotations

import io
import posixpath
import zipfile
import zlib
from xml.etree import ElementTree

from colonnade.core.errors import Unreadable
from colonnade.ports.outside.parsers import ParseLimits

_ENTITY = (b"<!ENTITY", b"<\0!\0E\0N", b"\0<\0!\0E\0N")
_WHOLE_MIB = 512
_FREE_RATIO_BYTES = 8 << 20
_XML_MIB = 48
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def local(element: ElementTree.Element) -> str:
    """The name of an element without its namespace: Strict and Transitional documents differ only there."""
    tag = element.tag
    return tag[tag.rfind("}") + 1 :]


def attribute(element: ElementTree.Element, name: str) -> str | None:
    """The value of an attribute by its local name, whatever its namespace."""
    value = element.get(name)
    if value is not None:
        return value
    for key, found in element.attrib.items():
        if key.rpartition("}")[2] == name:
            return found
    return None


class Package:
    """A zip file in memory, read within bounds; `looser` multiplies the ratio to which it may unpack.

    Raises `Unreadable`: `bomb` past a bound, `encrypted` for a protected one, `corrupt` for what is no zip.
    """

    def __init__(self, raw: bytes, limits: ParseLimits, *, looser: int = 1) -> None:
        if raw.startswith(_OLE):
            raise Unreadable("It is protected by a password, or of an older format.", code="encrypted")
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(raw))
        except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError) as error:
            raise Unreadable("It is damaged: no readable zip.", code="corrupt") from error
        members = self._zip.infolist()
        if len(members) > limits.zip_members:
            raise Unreadable(f"It has {len(members)} members; the limit is {limits.zip_members}.", code="bomb")
        total = sum(member.file_size for member in members)
        if total > _WHOLE_MIB << 20 or total > max(len(raw) * limits.zip_ratio * looser, _FREE_RATIO_BYTES):
            raise Unreadable(f"It would unpack to {total} bytes from {len(raw)}.", code="bomb")
        self._members = {member.filename.lstrip("/"): member for member in members}
        self._relations: dict[str, dict[str, tuple[str, str]]] = {}
        self._lower = {name.lower(): name for name in self._members}

    def names(self) -> list[str]:
        """The members' names, in their order."""
        return list(self._members)

    def read(self, name: str) -> bytes | None:
        """A member's bytes; None when there is none of that name."""
        member = self._members.get(name) or self._members.get(self._lower.get(name.lower(), ""))
        if member is None:
            return None
        if member.flag_bits & 1:
            raise Unreadable("It is protected by a password.", code="encrypted")
        try:
            return self._zip.read(member)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, OSError) as error:
            raise Unreadable("It is damaged: a part of it cannot be unpacked.", code="corrupt") from error

    def xml(self, name: str) -> ElementTree.Element | None:
        """A member as XML; None when it is missing or is no well-formed XML."""
        raw = self.read(name)
        return None if raw is None else parse_xml(raw)

    def relations(self, name: str) -> dict[str, tuple[str, str]]:
        """What the part `name` refers to: id -> (kind, the name of the part), external targets left out."""
        if name not in self._relations:
            self._relations[name] = self._read_relations(name)
        return self._relations[name]

    def _read_relations(self, name: str) -> dict[str, tuple[str, str]]:
        folder, _, base = name.rpartition("/")
        root = self.xml(f"{folder}/_rels/{base}.rels" if folder else f"_rels/{base}.rels")
        found: dict[str, tuple[str, str]] = {}
        for relation in root if root is not None else ():
            target = relation.get("Target") or ""
            if relation.get("TargetMode") == "External" or not target:
                continue
            path = target.lstrip("/") if target.startswith("/") else posixpath.normpath(posixpath.join(folder, target))
            found[relation.get("Id") or ""] = ((relation.get("Type") or "").rpartition("/")[2], path)
        return found

    def related(self, name: str, kind: str) -> list[str]:
        """The parts of one kind that `name` refers to."""
        return [path for found, path in self.relations(name).values() if found == kind]


def parse_xml(raw: bytes) -> ElementTree.Element | None:
    """Well-formed XML without entity declarations, or None; raises `Unreadable` (`bomb`) for one that has them."""
    if len(raw) > _XML_MIB << 20:
        raise Unreadable(f"A part of it is larger than {_XML_MIB} MiB.", code="bomb")
    if any(sign in raw for sign in _ENTITY):
        raise Unreadable("Its XML declares entities, which expand without bound.", code="bomb")
    try:
        return ElementTree.fromstring(raw)  # noqa: S314 - entities were refused above
    except (ElementTree.ParseError, ValueError, LookupError):
        return None
