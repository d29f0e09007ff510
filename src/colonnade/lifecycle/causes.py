# SPDX-License-Identifier: Apache-2.0
"""Why a pipeline begins: what a model would be made of now, beside what the last one was made of.

Level-triggered: causes are read from what is there (files, rows), never from a notification that may be lost. What a
pipeline then does stands in `doing`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from colonnade.core.errors import UsageError
from colonnade.lifecycle.closure import closure, digest_of
from colonnade.lifecycle.doing import Tools
from colonnade.lifecycle.wanted import Wanted, key_of
from colonnade.ports.outside.state import Row


class Causes:
    """Looks at one model's data, code and declaration. `wanted` is replaced when the declaration changes."""

    def __init__(self, tools: Tools, wanted: Wanted) -> None:
        self._tools, self.wanted = tools, wanted

    def of(self, parts: Mapping[str, str], last: Row | None, *, by_hand: bool) -> str:
        """Why a pipeline should begin, in words; "" for no cause."""
        if last is None:
            return "first"
        before = json.loads(last["wanted"])
        words = {"data": "new data", "code": "changed code", "specification": "changed declaration"}
        changed = [word for part, word in words.items() if before.get(part) != parts[part]]
        if changed and self.wanted.watch:
            return ", ".join(changed)
        return "by hand" if by_hand else ""

    def fingerprint(self) -> tuple[Any, ...]:
        """Changes whenever a file of data or code may have; cheap."""
        files = [*self.wanted.files(), *sorted({self.wanted.train, self.wanted.evaluate})]
        stats = []
        for path in files:
            try:
                stat = path.stat()
            except OSError:
                continue
            stats.append((str(path), stat.st_size, stat.st_mtime_ns, stat.st_ino))
        return (*stats, self.wanted.specification())

    def parts(self, code: Mapping[str, dict[str, bytes]]) -> dict[str, str]:
        """What a pipeline of now would be made of: digests. Raises UsageError for what cannot be read."""
        files = self.wanted.files()
        if not files:
            said = ", ".join(self.wanted.patterns)
            raise UsageError(
                f"no file matches {said}", hint="`data` is relative to the declaration", code="data_missing"
            )
        whole = hashlib.sha256()
        for path in files:
            try:
                content = hashlib.sha256(path.read_bytes()).hexdigest()
            except OSError as error:
                raise UsageError(f"{path.name} cannot be read: {error.strerror}", code="data_missing") from error
            whole.update(f"{path.relative_to(self.wanted.folder)}\0{content}\n".encode())
        digests = {step: digest_of(files) for step, files in code.items()}
        return {
            "data": whole.hexdigest(),
            "code": key_of("code", digests),
            "specification": self.wanted.specification(),
        }

    def code(self) -> dict[str, dict[str, bytes]]:
        """Each script and what it imports, as they are now."""
        return {step: closure(self.wanted.script(step)) for step in ("train", "evaluate")}

    def kept(self, code: Mapping[str, dict[str, bytes]]) -> dict[str, str]:
        """The scripts and what they import, kept as they were read: a pipeline runs what it began with."""
        return {step: self._tools.artifacts.put("code", dict(files), {}).digest for step, files in code.items()}
