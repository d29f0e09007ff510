# SPDX-License-Identifier: Apache-2.0
"""What one kind of entry may carry, as data. Which kinds there are stands in `vocabulary`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Kind:
    """What one kind of entry may carry.

    Attributes:
        meaning: one sentence.
        subject: prefix of the subject's id.
        roles: roles of its refs.
        mac: field -> what the MAC is over.
        n: key -> meaning; the unit stands in the key.
        status: key -> allowed values.
    """

    meaning: str
    subject: str
    roles: tuple[str, ...] = ()
    mac: Mapping[str, str] = field(default_factory=dict)
    n: Mapping[str, str] = field(default_factory=dict)
    status: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
