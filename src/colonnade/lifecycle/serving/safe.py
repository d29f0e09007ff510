# SPDX-License-Identifier: Apache-2.0
"""Whether a version's files may be loaded: judged before, by whoever judges. Nothing is loaded here."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from colonnade.core.errors import Refused
from colonnade.lifecycle.artifacts import Artifacts
from colonnade.ports.skills.scan import CLEAN, Scan


def unsafe(scan: Scan, artifacts: Artifacts, version: str) -> list[str]:
    """Why a version may not be loaded, in one sentence; empty when it may."""
    with tempfile.TemporaryDirectory(prefix="colonnade-scan-") as folder:
        artifacts.lay_out(version, Path(folder))
        return unsafe_files(scan, Path(folder))


def unsafe_files(scan: Scan, folder: Path) -> list[str]:
    """The same of files that lie there."""
    verdict, reasons = scan.judge(folder)
    return [] if verdict == CLEAN else [f"unsafe_pickle: {reasons[0] if reasons else verdict}"]


def refuse(model: str, why: Sequence[str]) -> None:
    """Raises Refused, `unsafe_pickle`, if there is a reason."""
    if why:
        raise Refused(
            f"the model {model} may not be loaded: {why[0].removeprefix('unsafe_pickle: ')}",
            hint="write it without pickle (ONNX, safetensors, JSON); `colonnade scan` judges a file",
            code="unsafe_pickle",
        )
