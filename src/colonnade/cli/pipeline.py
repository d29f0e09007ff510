# SPDX-License-Identifier: Apache-2.0
"""Run a pipeline of Python functions, and wait for what it gives. Steps that were done for the same inputs are found.

colonnade pipeline nightly                     a pipeline that `pipelines:` declares
colonnade pipeline flow.py:nightly -p day=12   any function decorated with @pipeline, below the declaration's folder
colonnade pipeline nightly --out results       copy the files that it gave there

It ends with 0 (done) or 1 (failed).
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from colonnade.app.presence import need_daemon, pause
from colonnade.app.settings.environment import find_places
from colonnade.cli.output import emit, paint, say
from colonnade.core.errors import Unavailable, UsageError


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("pipeline", metavar="NAME", help="a declared pipeline, or FILE.py:FUNCTION")
    parser.add_argument("-p", "--parameter", action="append", default=[], metavar="NAME=VALUE",
                        help="an argument; VALUE is JSON, or else a word")  # fmt: skip
    parser.add_argument("--out", metavar="DIR", help="a folder for the files that it gives")
    parser.add_argument("--detach", action="store_true", help="do not wait for the result")
    parser.add_argument("--wait", type=float, metavar="N", help="wait up to N seconds (default: for ever)")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from colonnade.sdk import Client

    places = find_places(args.folder)
    client = Client(*need_daemon(places))
    asked = client.run_pipeline(args.pipeline, dict(_parameter(one) for one in args.parameter))
    if args.detach:
        emit(asked) if args.json else print(asked["ref"])
        return 0
    end = None if args.wait is None else time.monotonic() + args.wait
    told: dict[str, str] = {}
    while (made := client.pipeline_run(asked["ref"]))["state"] == "running":
        _say_steps(made["steps"], told)
        if end is not None and time.monotonic() > end:
            message = "it is not over yet"
            raise Unavailable(message, hint=f"`colonnade logs {asked['ref']}`, or wait longer", code="timeout")
        pause(0.05 if len(told) < 20 else 0.3)
    _say_steps(made["steps"], told)
    if made["state"] == "done" and args.out:
        made["out"] = _copied(client, asked["ref"], Path(args.out))
    emit(made) if args.json else _show(made)
    return int(made["state"] != "done")


def _parameter(text: str) -> tuple[str, Any]:
    name, sign, value = text.partition("=")
    if not sign or not name.isidentifier():
        raise UsageError(f"{text!r} is no NAME=VALUE", hint="-p day=12 -p name=credit")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _copied(client: Any, ref: str, folder: Path) -> list[str]:
    import base64

    files: Mapping[str, str] = client.pipeline_run(ref, files=True)["files"]
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(base64.b64decode(data))
    return [str(folder / path) for path in files]


def _say_steps(steps: list[Mapping[str, Any]], told: dict[str, str]) -> None:
    for step in steps:
        if step["state"] != "waiting" and told.get(step["step"]) != step["state"]:
            told[step["step"]] = step["state"]
            say(f"  {step['step']}: {step['state']}" + (f" ({step['error']})" if step["error"] else ""))


def _show(made: Mapping[str, Any]) -> None:
    print(f"{paint(made['state'], 'green' if made['state'] == 'done' else 'yellow')}  {made['ref']}")
    if made["reason"]:
        print(f"  {made['reason']}")
    if made.get("value") is not None:
        print(json.dumps(made["value"], ensure_ascii=False))
    for path in made.get("out", []):
        print(f"  {path}")
