# SPDX-License-Identifier: Apache-2.0
"""What is to be served, and what is: plain values. Nothing runs here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from colonnade.core.claims import WHOLE, Claim
from colonnade.lifecycle.serving.scaling import Bounds


@dataclass(frozen=True, slots=True)
class Serve:
    """A service of the declaration that answers with a model.

    Attributes:
        id, name: of the service; model, model_id: whose live version answers.
        script: the user's own script (absolute), or None for what the files say.
        bounds: how many replicas, and what makes them more.
        most: requests that may be under way at once for each replica; the next one is refused with 429.
        claim, queue: what each replica asks for, and where.
    """

    id: str
    name: str
    model: str
    model_id: str
    script: Path | None
    bounds: Bounds
    most: int
    claim: Claim
    queue: str

    @property
    def threads(self) -> int:
        """How many threads a replica may compute with: the whole cores of its claim, at least one."""
        return max(1, self.claim.cpu_milli // WHOLE)

    def mark(self, code: str) -> str:
        """What a replica's rows say of its code and its claim: where either has changed, another replica is begun."""
        return code if self.claim == Claim(gpus=0) else f"{code}/{self.queue}/{self.claim}"


@dataclass(frozen=True, slots=True)
class Code:
    """With what a version is served.

    Attributes:
        script: the user's own script, by its name among the files; "" for what the model's files say.
        mark: a digest of the files (and, of a replica, its claim), or "".
        files: the script and what it imports.
    """

    script: str
    mark: str
    files: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Replica:
    """A row of `replicas`. `told`: what it said it is; `idle_ms`: since when it is not asked any more."""

    lease: str
    run: str
    version: str
    code: str
    place: str
    state: str
    told: Mapping[str, Any]
    created_ms: int
    ready_ms: int | None
    idle_ms: int | None

    def is_of(self, version: str, marks: Mapping[str, str]) -> bool:
        """Whether it answers with this version, and as that version is served now."""
        return self.version == version and marks.get(version) == self.code


@dataclass(frozen=True, slots=True)
class Trial:
    """A rollout that has not ended, as far as it says who answers. `share`: percent of the challenger's keys."""

    rollout: str
    champion: str
    challenger: str
    state: str
    share: float


@dataclass(frozen=True, slots=True)
class Rival:
    """A version that is tried beside the one that answers.

    Attributes:
        rollout: its id, which is also the salt of who is asked.
        share: percent of the keys that it answers; 0: it is asked, too, and nobody sees its answers.
        places: folders of its replicas; empty while none answers, and then its share is the champion's.
        most: as in `Serve`, over its replicas.
    """

    rollout: str
    version: str
    share: float
    places: tuple[Path, ...] = ()
    most: int = 0


@dataclass(frozen=True, slots=True)
class Answering:
    """Who answers for a service now; replaced as a whole, so that a request sees one version.

    Attributes:
        state: ready, starting (a version is live, and no replica of any answers yet), waiting (nothing is live),
            refused (the version may not be loaded), failed (its replica does not stay up).
        version: of the model, `sha256:HEX`; generation: how often the live version has moved.
        places: folders of the replicas that are to be asked.
        about: platform, inputs, outputs.
        rival: the version that is tried beside it, if one is.
    """

    service: str
    model: str
    state: str
    version: str = ""
    generation: int = 0
    places: tuple[Path, ...] = ()
    most: int = 0
    reason: str = ""
    about: Mapping[str, Any] = field(default_factory=dict)
    rival: Rival | None = None
