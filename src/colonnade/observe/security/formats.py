# SPDX-License-Identifier: Apache-2.0
"""Formats of models that hold no pickle, and what in them is a program all the same; pictures, native code, text.

Each reader looks only as far as its format can hide code: a header, a configuration, a path. None unpacks or runs it.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable

from colonnade.observe.security import keras, onnx
from colonnade.observe.security.blobs import Blob, TooMuch
from colonnade.observe.security.stream import BLOCK, Cut, Stream
from colonnade.observe.security.verdicts import Findings

_LAMBDA = re.compile(rb'"class_name"\s*:\s*"(?:[^"]*>)?Lambda"|"class_name"\s*:\s*"__lambda__"')
_JSON_READ = 64 << 20


def is_text(head: bytes) -> bool:
    """Whether the beginning is UTF-8 text without control characters."""
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:
            return False
        text = head[: error.start].decode("utf-8")
    return all(char.isprintable() or char in "\n\r\t\f" for char in text.lstrip("\ufeff"))


def plain(found: Findings, blob: Blob, where: str, head: bytes, ending: str) -> str:
    """What has no sign at its beginning: safetensors, JSON, ONNX, text. "" for none of them."""
    if len(head) > 9 and head[8:9] == b"{" and struct.unpack_from("<Q", head)[0] <= _JSON_READ:
        return _safetensors(found, blob, where)
    if head.lstrip()[:1] in {b"{", b"["} and is_text(head):
        return _json(found, blob, where)
    if ending == ".onnx":
        return onnx.read(found, blob, where)
    if ending == ".py" and is_text(head):
        found.note(where, "it is source code, which this scan does not judge")
        return "python source"
    if is_text(head) and ending not in {".pkl", ".pt", ".pth", ".npy", ".npz", ".keras", ".h5", ".safetensors"}:
        return "lightgbm text" if head.startswith(b"tree\n") else "text"
    return ""


def _safetensors(found: Findings, blob: Blob, where: str) -> str:
    stream = Stream(blob.opened())
    try:
        size = int.from_bytes(stream.take(8), "little")
        header = json.loads(stream.take(size))
        spans = [entry["data_offsets"] for name, entry in header.items() if name != "__metadata__"]
        stream.skip(max((int(end) for _, end in spans), default=0))
    except (Cut, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        found.unreadable(where, "a safetensors header that does not fit its data")
    else:
        if stream.peek(1):
            found.unreadable(where, "data follows the last tensor")
    return "safetensors"


def _json(found: Findings, blob: Blob, where: str) -> str:
    try:
        data = blob.whole(_JSON_READ)
    except TooMuch:
        if blob.name.endswith("config.json"):
            found.unreadable(where, "a configuration too large to be looked through")
        return "text"
    try:
        keras.look(found, json.loads(data), where)
    except (ValueError, RecursionError):
        _lambda(found, data, where)
    if b'"auto_map"' in data or b'"trust_remote_code"' in data:
        found.note(where, "it names code that a loader runs when told to trust it")
    return "json"


def _lambda(found: Findings, data: bytes, where: str) -> bool:
    if not _LAMBDA.search(data):
        return False
    found.malicious(where, "a Keras Lambda layer holds code that runs when the model is loaded")
    return True


def _hdf5(found: Findings, blob: Blob, where: str, _head: bytes) -> str:
    """Only searched, not parsed: so it is clean only as the weights within a .keras archive, which hold no layers."""
    source, before, layered = blob.opened(), b"", False
    while block := source.read(BLOCK):
        if _lambda(found, before + block, where):
            return "hdf5"
        layered |= b"model_config" in before + block
        before = block[-200:]
    if blob.name.endswith(".weights.h5") and not layered:
        found.note(where, "HDF5 weights were searched for layers, not parsed")
    else:
        found.unreadable(where, "HDF5 is searched, not parsed: save it as .keras or safetensors to have it judged")
    return "hdf5"


def _native(found: Findings, _blob: Blob, where: str, _head: bytes) -> str:
    found.unreadable(where, "compiled code cannot be judged")
    return ""


def _gguf(found: Findings, _blob: Blob, where: str, head: bytes) -> str:
    if len(head) < 24 or struct.unpack_from("<I", head, 4)[0] not in {1, 2, 3}:
        found.unreadable(where, "a GGUF header that is not whole")
    found.note(where, "its chat template is a program for a sandboxed template engine")
    return ""


def _fine(_found: Findings, _blob: Blob, _where: str, _head: bytes) -> str:
    return ""


SIGNS: tuple[tuple[bytes, str, Callable[[Findings, Blob, str, bytes], str]], ...] = (
    (b"\x89HDF\r\n\x1a\n", "hdf5", _hdf5),
    (b"GGUF", "gguf", _gguf),
    (b"\x7fELF", "native code", _native),
    (b"MZ\x90\0", "native code", _native),
    (b"\xcf\xfa\xed\xfe", "native code", _native),
    (b"\xca\xfe\xba\xbe", "native code", _native),
    (b"\0asm", "native code", _native),
    (b"\x89PNG\r\n\x1a\n", "image", _fine),
    (b"\xff\xd8\xff", "image", _fine),
    (b"GIF8", "image", _fine),
    (b"PAR1", "parquet", _fine),
    (b"%PDF-", "pdf", _fine),
)
"""How a format begins, its name, and its reader. None of them begins as a pickle could."""
