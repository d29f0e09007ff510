# SPDX-License-Identifier: Apache-2.0
"""`Pipeline.run`: have the daemon run it, wait, and read what it gave. Files arrive as copies in a temporary folder."""

from __future__ import annotations

import base64
import os
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from colonnade.core.errors import ColonnadeError, NeedsDaemon, UsageError
from colonnade.sdk.client import Client
from colonnade.sdk.flow.codec import Writer, read

DECLARATION = "colonnade.yaml"
_LOOK_S = (0.02, 0.5)


class PipelineFailed(ColonnadeError):
    """A step failed for good; the message has the last that it said."""

    code = "pipeline_failed"


def run_remotely(file: str, function: str, parameters: Mapping[str, Any], url: str | None, key: str | None) -> Any:
    """See `Pipeline.run`."""
    source = Path(file).resolve()
    folder = next((one for one in source.parents if (one / DECLARATION).is_file()), None)
    if folder is None:
        raise UsageError(f"no {DECLARATION} above {source.name}", hint="`colonnade init` writes one")
    client = Client(*_daemon(folder, url, key))
    plain = {name: Writer(Path(), Path()).write(value) for name, value in parameters.items()}
    name = f"{source.relative_to(folder).as_posix()}:{function}"
    return result(client, client.run_pipeline(name, plain)["ref"])


def result(client: Client, ref: str) -> Any:
    """Wait for a run's end, and give its result. Raises PipelineFailed."""
    pause = _LOOK_S[0]
    while (run := client.pipeline_run(ref))["state"] == "running":
        time.sleep(pause)
        pause = min(pause * 1.5, _LOOK_S[1])
    if run["state"] != "done":
        raise PipelineFailed(str(run["reason"]), hint=f"`colonnade logs {_failed(run)}` has what it printed")
    whole = client.pipeline_run(ref, files=True)
    target = Path(tempfile.mkdtemp(prefix="colonnade-"))
    for path, data in whole["files"].items():
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        (target / path).write_bytes(base64.b64decode(data))
    return read(whole["value"], target)


def _failed(run: Mapping[str, Any]) -> str:
    return next((str(step["ref"]) for step in run["steps"] if step["state"] == "failed"), str(run["ref"]))


def _daemon(folder: Path, url: str | None, key: str | None) -> tuple[str, str]:
    home = Path(os.environ.get("COLONNADE_HOME") or folder / ".colonnade")
    try:
        return url or (home / "daemon.url").read_text().strip(), key or (home / "owner.token").read_text().strip()
    except OSError:
        raise NeedsDaemon("no daemon runs for this project", hint=f"`colonnade up -C {folder}`") from None
