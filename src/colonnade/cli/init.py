# SPDX-License-Identifier: Apache-2.0
"""Write a commented colonnade.yaml to start from. Never overwrites one."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from colonnade.app.settings.environment import DECLARATION
from colonnade.cli.output import emit, say
from colonnade.core.errors import UsageError

STARTER = """\
# What Colonnade runs for this project. `colonnade plan` shows what this file would change; `colonnade up` does it.
version: 1
project: {project}

access:
  groups:
    everyone: ["*"]            # "*" is every person of the project
    # hr: [heidi]              # naming somebody in a group makes them a person here

knowledge:
  handbook:
    sources:
      - {{path: {path}, readers: [everyone]}}
      # - {{path: ./hr, readers: [hr]}}   # a source within another: its files are read by its own readers only
    # watch: true              # pick up changes of files within seconds (the default)
    # embed_with: {{url: http://localhost:11434/v1, model: nomic-embed-text}}   # default: all-MiniLM-L6-v2, here

services:
  assistant:
    knowledge: handbook        # answers with verbatim quotes; add a language model to have it word them:
    # answer_with: {{url: https://api.openai.com/v1, model: gpt-5-mini, key_env: OPENAI_API_KEY}}

# compute:
#   devices: nvml              # this machine's GPUs; to try things out without one: simulated://8xH100-80GB
#   queues: {{ml: {{guaranteed: 4}}}}   # then: colonnade run --queue ml --gpu 0.5 -- python train.py

# gateway: {{port: 8700}}        # listens on this machine only; host: 0.0.0.0 and hosts: [name] open it
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("where", nargs="?", metavar="DIR", help="the folder to write it into (default: here)")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    folder = Path(args.where or args.folder or ".").resolve()
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}", hint="make it first")
    path = folder / DECLARATION
    if path.exists():
        raise UsageError(
            f"{path} is there already", hint="edit it; `colonnade plan` shows what it would change", code="exists"
        )
    name = re.sub(r"[^a-z0-9]+", "-", folder.name.lower()).strip("-")[:60] or "project"
    docs = next((f"./{n}" for n in ("docs", "handbook", "documents") if (folder / n).is_dir()), ".")
    path.write_text(STARTER.format(project=name, path=docs), "utf-8")
    if args.json:
        emit({"schema": "colonnade.init/1", "path": str(path), "project": name})
    else:
        say(f"wrote {path}")
        say("next: look at its sources, then `colonnade up`")
    return 0
