# SPDX-License-Identifier: Apache-2.0
"""Names that Kubernetes takes (DNS-1123 labels) from names that people write: different names stay different."""

from __future__ import annotations

import hashlib
import re

LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
"""A DNS-1123 label, whole."""
PREFIX = "colonnade"
"""Before the name of everything that is not within our namespace."""


def label(*parts: str, limit: int = 63, marked: bool = False) -> str:
    """One label for a path of names, at most `limit` characters.

    A name that is a label already stays as it is. Where something had to be changed, or a dash within a part would make
    two paths look alike, or it is wanted (`marked`), eight digits of a hash of the path tell them apart.

    >>> label("embed-nightly"), label("colonnade", "acme", "ml")
    ('embed-nightly', 'colonnade-acme-ml')
    >>> label("a-b", "c") != label("a", "b-c"), label("Big_Job")
    (True, 'big-job-ba8d599d')
    """
    joined = "-".join(parts)
    clean = re.sub(r"[^a-z0-9]+", "-", joined.lower()).strip("-")
    alike = marked or (len(parts) > 1 and any("-" in part for part in parts))
    if clean == joined and not alike and len(clean) <= limit:
        return clean
    mark = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:8]
    return f"{clean[: limit - 9].rstrip('-')}-{mark}".lstrip("-")


def shared(project: str, *parts: str) -> str:
    """The name of an object that belongs to the whole cluster, where other projects have theirs."""
    return label(PREFIX, project, *parts)


def job_name(job: str) -> str:
    """The name of a job, with room for what JobSet, Job and Pod append: "-workers-0-9999-abcde"."""
    return label(job, limit=40)
