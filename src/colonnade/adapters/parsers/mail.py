# SPDX-License-Identifier: Apache-2.0
"""Mail (.eml): the headers that people read, the best body, and the attachments by the parsers of their own kind.

Attachments that cannot be read are named and do not stop the rest. Nesting and number are bounded.
"""

from __future__ import annotations

import email
import email.policy
import posixpath
from email.message import EmailMessage, Message

from colonnade.adapters.parsers.build import TextBuilder, one_line
from colonnade.adapters.parsers.lines import split_paragraphs
from colonnade.adapters.parsers.sniff import decode
from colonnade.adapters.parsers.unwrap import unflowed, unwrapped
from colonnade.adapters.parsers.web import add_html
from colonnade.core.documents import Parsed
from colonnade.core.errors import Unreadable
from colonnade.ports.outside.parsers import ParseLimits

_HEADERS = ("From", "To", "Cc", "Date")
_MOST_ATTACHMENTS = 100
_DEEPEST = 4


def parse_mail(raw: bytes, limits: ParseLimits) -> Parsed:
    """Text and structure of a message; an attachment's blocks have its file name as their part."""
    builder = TextBuilder(limits.text_mib << 20)
    message = email.message_from_bytes(raw, policy=email.policy.default)
    if not any(_header(message, name) for name in ("From", "To", "Subject", "Date", "Received")):
        raise Unreadable("It is damaged, or no mail.", code="corrupt")
    subject = _add(builder, message, limits, 0)
    return builder.result(subject)


def _add(builder: TextBuilder, message: EmailMessage, limits: ParseLimits, depth: int) -> str:
    subject = _header(message, "Subject")
    if subject:
        builder.heading(subject, 1)
    lines = [f"{name}: {value}" for name in _HEADERS if (value := _header(message, name))]
    builder.paragraph("\n".join(lines))
    body = message.get_body(preferencelist=("plain", "html"))
    if body is not None and not _content(body).strip():
        body = message.get_body(preferencelist=("html",))
    if body is not None:
        text = _content(body)
        if body.get_content_type() == "text/html":
            add_html(builder, text)
        else:
            if body.get_param("format", "") == "flowed":
                text = unflowed(text, delete_space=str(body.get_param("delsp", "")).lower() == "yes")
            for paragraph in split_paragraphs(text):
                builder.paragraph(unwrapped(paragraph))
    for number, part in enumerate(_attachments(message)):
        if number < _MOST_ATTACHMENTS and depth < _DEEPEST:
            _attachment(builder, part, limits, depth)
    return subject


def _attachments(message: EmailMessage) -> list[Message]:
    try:
        return list(message.iter_attachments())
    except (AttributeError, KeyError, TypeError):
        return []


def _header(message: Message, name: str) -> str:
    try:
        return one_line(str(message.get(name) or ""))
    except (ValueError, IndexError, LookupError, AttributeError):
        return ""


def _content(part: Message) -> str:
    """A text part decoded as it declares, or as it looks when that is wrong."""
    raw = part.get_payload(decode=True)
    raw = raw if isinstance(raw, bytes) else b""
    charset = part.get_content_charset("")
    try:
        return raw.decode(charset or "utf-8")
    except (LookupError, UnicodeDecodeError):
        try:
            return decode(raw)[0]
        except Unreadable:
            return raw.decode("latin-1")


def _attachment(builder: TextBuilder, part: Message, limits: ParseLimits, depth: int) -> None:
    from colonnade.adapters.parsers.formats import parse_raw

    name = posixpath.basename((part.get_filename() or "").replace("\\", "/"))
    before = builder.part
    if part.get_content_type() == "message/rfc822":
        inner = part.get_payload(0) if part.is_multipart() else None
        if isinstance(inner, EmailMessage):
            builder.start_part(name or _header(inner, "Subject") or "forwarded message")
            _add(builder, inner, limits, depth + 1)
    elif name:
        builder.start_part(name)
        builder.paragraph(f"Attachment: {name}")
        raw = part.get_payload(decode=True)
        suffix = posixpath.splitext(name)[1].lower()
        if isinstance(raw, bytes) and suffix:
            try:
                builder.absorb(parse_raw(raw, suffix, limits), name)
            except Unreadable as error:
                if error.code == "bomb":
                    raise
    builder.start_part(before)
