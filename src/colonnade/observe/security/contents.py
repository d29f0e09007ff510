# SPDX-License-Identifier: Apache-2.0
"""What bytes are, told from the bytes, and which reader judges them. Names only raise the bar: a file that is called a
model and is none is unreadable, and nothing is clean because of its name.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath

from colonnade.observe.security import containers, formats
from colonnade.observe.security.blobs import Blob, Budget, Damaged, TooMuch, memory
from colonnade.observe.security.pickles import CLAIMED, POSSIBLE, UNLIKELY, judge_pickles
from colonnade.observe.security.verdicts import Findings, Limits

PICKLES = {".pkl", ".pickle", ".p", ".joblib", ".dill", ".cloudpickle", ".jbl"}
LOADED = {
    *PICKLES, ".pt", ".pth", ".ckpt", ".npy", ".npz", ".keras", ".h5", ".hdf5", ".zip", ".tar", ".7z", ".rar",
    ".gz", ".bz2", ".xz", ".safetensors", ".gguf", ".onnx", ".skops", ".pt2", ".mar",
}  # fmt: skip
"""Endings that promise a format; content that is nothing known is then unreadable."""
TEXTS = {
    ".txt", ".md", ".csv", ".tsv", ".json", ".jsonl", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".xml", ".html",
    ".rst", ".py", ".sh", ".lock", ".ipynb", ".svg", ".model",
}  # fmt: skip
_RAW = re.compile(r".*/data/\d+")
"""A tensor's storage in an archive of torch."""


@dataclass(slots=True)
class Reading:
    """One file being judged, with everything in it."""

    limits: Limits
    budget: Budget
    found: Findings

    def read(self, blob: Blob, where: str, depth: int) -> str:
        """Judge a blob and what is in it; the format's name. Findings are kept, not raised."""
        if depth > self.limits.depth:
            self.found.unreadable(where, "archives within archives, deeper than a scan goes")
            return "unknown"
        try:
            return self._read(blob, where, depth)
        except TooMuch:
            self.found.unreadable(where, "it unpacks to more than a scan reads")
        except Damaged as error:
            self.found.unreadable(where, f"it does not unpack: {error}")
        return "unknown"

    def _read(self, blob: Blob, where: str, depth: int) -> str:
        head = blob.head(600)
        ending = PurePosixPath(blob.name.lower()).suffix
        if not head:
            if ending in LOADED:
                self.found.unreadable(where, "it is empty")
            return "empty"
        kind = containers.kind_of(blob, head)
        if kind:
            return containers.READERS[kind](self, blob, where, depth)
        for sign, name, reader in formats.SIGNS:
            if head.startswith(sign):
                return self._known(reader, name, blob, where, head)
        return self._pickle_or_plain(blob, where, depth, ending, head)

    def _known(self, reader: Callable[..., str], name: str, blob: Blob, where: str, head: bytes) -> str:
        ending = PurePosixPath(blob.name.lower()).suffix
        if name == "image" and ending in LOADED:
            self.found.unreadable(where, "it is a picture, not what its name says")
        return reader(self.found, blob, where, head) or name

    def _pickle_or_plain(self, blob: Blob, where: str, depth: int, ending: str, head: bytes) -> str:
        likely = CLAIMED if ending in PICKLES else POSSIBLE
        if (ending in TEXTS and formats.is_text(head)) or _RAW.fullmatch(where):
            likely = UNLIKELY

        def embedded(data: bytes, at: str) -> None:
            self.read(memory("", data), f"{at}, embedded", depth + 1)

        kind = judge_pickles(blob.opened, where, self.found, self.limits, likely=likely, embedded=embedded)
        if kind:
            return kind
        kind = formats.plain(self.found, blob, where, head, ending)
        if not kind and ending in LOADED:
            self.found.unreadable(where, "its content is nothing that is known, and not what its name says")
        return kind or ("text" if formats.is_text(head) else "data")
