# SPDX-License-Identifier: Apache-2.0
"""Why a pipeline begins: what a model would be made of now, beside what the last one was made of.

Level-triggered: causes are read from what is there (files, rows), never from a notification that may be lost. What a
pipeline then does stands in `doing`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from colonnade.core.errors import UsageError
from colonnade.lifecycle.closure import closure, digest_of
from colonnade.lifecycle.digests import Digests
from colonnade.lifecycle.doing import Tools
from colonnade.lifecycle.wanted import SERVE, Wanted, key_of
from colonnade.lifecycle.watching.alarmed import open_alarm, past_of, ringing
from colonnade.lifecycle.watching.due import Alarmed, Go, Hold, Past, decide, is_due
from colonnade.ports.outside.state import Row

PARTS = {"data": "data", "code": "code", "declaration": "specification"}
"""A cause -> the part of what a pipeline is made of."""


class Causes:
    """Looks at one model's data, code and declaration. `wanted` is replaced when the declaration changes."""

    def __init__(self, tools: Tools, wanted: Wanted) -> None:
        self._tools, self.wanted = tools, wanted
        self._digests = Digests()
        self._imported: frozenset[Path] = frozenset()

    def of(self, parts: Mapping[str, str], last: Row | None, *, by_hand: bool) -> Go | Hold | None:
        """Whether a pipeline begins now, waits, or has no cause."""
        state, rule = self._tools.state, self.wanted.retrain
        before = json.loads(last["wanted"]) if last is not None else {}
        changed = [kind for kind, part in PARTS.items() if last is not None and before.get(part) != parts[part]]
        now = state.now_ms()
        past = past_of(state, self.wanted.id, now) if last is not None else Past()
        return decide(rule, past, now, changed=changed, alarm=self.alarm(), by_hand=by_hand)

    def alarm(self) -> Alarmed | None:
        """The alarm of wrong answers that rings on this model."""
        return open_alarm(self._tools.state, self._tools.journal.project, self.wanted.id, self.wanted.name)

    def _rings(self) -> bool:
        return ringing(self._tools.state, self._tools.journal.project, self.wanted.id, self.wanted.name) is not None

    def urge(self, last: Row | None) -> bool:
        """Whether something other than a change asks for a pipeline: an alarm, the schedule. Cheap."""
        rule, now = self.wanted.retrain, self._tools.state.now_ms()
        due = last is not None and is_due(rule, last["created_ms"], now)
        return due or ("alarm" in rule.on and self._rings())

    def fingerprint(self) -> tuple[Any, ...]:
        """Changes whenever a file of data or code may have; cheap."""
        scripts = {self.wanted.train, self.wanted.evaluate, *self.wanted.serving.values(), *self._imported}
        files = [*self.wanted.files(), *sorted(scripts)]
        stats = []
        for path in files:
            try:
                stat = path.stat()
            except OSError:
                continue
            stats.append((str(path), stat.st_size, stat.st_mtime_ns, stat.st_ino))
        outside = [self._tools.sources.fingerprint(source) for source in self.wanted.sources]
        return (*stats, *outside, self.wanted.specification())

    def parts(self, code: Mapping[str, dict[str, bytes]]) -> dict[str, str]:
        """What a pipeline of now would be made of: digests. Raises UsageError for what cannot be read."""
        files = self.wanted.files()
        if not files and not self.wanted.sources:
            said = ", ".join(self.wanted.patterns)
            raise UsageError(
                f"no file matches {said}", hint="`data` is relative to the declaration", code="data_missing"
            )
        whole = hashlib.sha256()
        for path in files:
            try:
                content = self._digests.of(path)
            except OSError as error:
                raise UsageError(f"{path.name} cannot be read: {error.strerror}", code="data_missing") from error
            whole.update(f"{path.relative_to(self.wanted.folder)}\0{content}\n".encode())
        for source in self.wanted.sources:
            whole.update(f"{source.name()}\0{self._tools.sources.digest(source)}\n".encode())
        digests = {step: digest_of(files) for step, files in code.items() if not step.startswith(SERVE)}
        return {
            "data": whole.hexdigest(),
            "code": key_of("code", digests),
            "specification": self.wanted.specification(),
        }

    def code(self) -> dict[str, dict[str, bytes]]:
        """Each script and what it imports, as they are now; `serve/SERVICE` for those that answer with the model."""
        scripts = {step: self.wanted.script(step) for step in ("train", "evaluate")}
        scripts |= {f"{SERVE}{name}": path for name, path in self.wanted.serving.items()}
        found = {step: closure(path) for step, path in scripts.items()}
        self._imported = frozenset(scripts[step].parent / path for step, files in found.items() for path in files)
        return found

    def kept(self, code: Mapping[str, dict[str, bytes]]) -> dict[str, str]:
        """The scripts and what they import, kept as they were read: a pipeline runs what it began with."""
        found = {}
        for step, files in code.items():
            script = self.wanted.serving.get(step.removeprefix(SERVE)) if step.startswith(SERVE) else None
            about = {"script": script.name} if script is not None else {}
            found[step] = self._tools.artifacts.put("code", dict(files), about).digest
        return found
