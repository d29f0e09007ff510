# SPDX-License-Identifier: Apache-2.0
"""Apply the declaration and serve it: gateway and console on this machine, ingestion with progress.

Runs in the foreground (Ctrl-C drains); --detach leaves a daemon. Where one runs already, the declaration is handed over
to it.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from colonnade.app.presence import find_daemon
from colonnade.app.settings.environment import Places, find_places, is_terminal
from colonnade.cli.output import Progress, called, emit, paint, say
from colonnade.core.errors import ColonnadeError, Refused

if TYPE_CHECKING:
    from colonnade.app.settings.declaration import Declaration


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("where", nargs="?", metavar="DIR", help="the declaration's folder, or the file itself")
    parser.add_argument("--detach", "-d", action="store_true", help="leave a daemon in the background")
    parser.add_argument(
        "--port", type=int, default=None, help="listen here instead of gateway.port; 0 takes a free one"
    )
    parser.add_argument("--ready-fd", type=int, default=None, help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    places = find_places(args.where or args.folder)
    if args.ready_fd is not None:
        return _as_daemon(places, args)
    from colonnade.app.absent import absent_sources
    from colonnade.app.daemon import hand_over, serve, start_detached
    from colonnade.app.settings.declaration import read_declaration

    for warning in absent_sources(read_declaration(places.declaration), places.folder):
        say(f"{paint('warning', 'yellow')} {warning}")
    if find_daemon(places) is not None and (handed := hand_over(places)) is not None:
        return _told(handed, args, places)
    if args.detach:
        return _told(start_detached(places, port=args.port), args, places)
    stop = threading.Event()

    def ready(said: Mapping[str, Any]) -> None:
        _tell(said, args, places)
        threading.Thread(target=_follow, args=(said["url"], places, stop), daemon=True).start()

    handed = serve(places, port=args.port, ready=ready, foreground=True)
    stop.set()
    if handed is None:
        say("stopped")
    if handed is not None:
        _tell(handed, args, places)
    return 0


def _told(said: Mapping[str, Any], args: argparse.Namespace, places: Places) -> int:
    """The daemon runs: say so, and what it can never serve as it stands. One document with --json, the refusal then."""
    if args.json:
        refuse_unserved(places)
    _tell(said, args, places)
    if not args.json:
        refuse_unserved(places)
    return 0


def refuse_unserved(places: Places) -> None:
    """Raises Refused, `unsafe_pickle`, where a service has nothing to answer with: its model's last candidate may
    not be loaded. The daemon is up all the same: a mended script trains the next one.
    """
    from colonnade.app.stored import stored_status

    document = stored_status(places, find_daemon(places))
    wanted = {service.get("model") for service in document["services"].values()}
    for name, model in document["models"].items():
        last = model["history"][0] if model["history"] else None
        reason = str(last["reason"] or "") if last is not None and last["outcome"] == "refused" else ""
        if name in wanted and model["live"] is None and reason.startswith("unsafe_pickle: "):
            raise Refused(
                f"the model {name} may not be loaded, and nothing else of it is live: "
                f"{reason.removeprefix('unsafe_pickle: ')}",
                hint="write it without pickle (ONNX, safetensors, JSON): a changed script is trained at once, "
                "the daemon runs; `colonnade scan` judges a file",
                code="unsafe_pickle",
            )


def _as_daemon(places: Any, args: argparse.Namespace) -> int:
    """The detached half: serve, and say on the pipe when it listens, or why it does not."""
    import json

    from colonnade.app.daemon import serve

    os.set_inheritable(args.ready_fd, False)

    def ready(said: Mapping[str, Any]) -> None:
        with open(args.ready_fd, "w", encoding="utf-8") as pipe:
            pipe.write(json.dumps(said))

    try:
        handed = serve(places, port=args.port, ready=ready, foreground=False)
        if handed is not None:
            ready(handed)
    except ColonnadeError as error:
        try:
            ready(
                {
                    "error": {
                        "message": error.message,
                        "hint": error.hint,
                        "code": error.code,
                        "exit_code": error.exit_code,
                    }
                }
            )
        except OSError:
            say(f"error: {error}")
        return error.exit_code
    return 0


def _tell(said: Mapping[str, Any], args: argparse.Namespace, places: Places) -> None:
    if args.json:
        emit({"schema": "colonnade.up/1", **said})
        return
    from colonnade.app.settings.declaration import read_declaration

    changes = said["changes"]
    verb = "started" if said["started"] else "applied to the running daemon"
    say(f"{paint('Colonnade', 'bold')} {verb}: {_counted(changes)}")
    for change in changes[:20]:
        say(
            f"  {change['action']:<7} {change['ref']}"
            + (f"  ({change['why']})" if change["action"] == "update" else "")
        )
    for warning in said.get("warnings", ()):
        say(f"{paint('warning', 'yellow')} {warning}")
    if not said["started"] and args.port is not None and not said["url"].endswith(f":{args.port}"):
        say(f"  --port {args.port} is not looked at: the daemon runs already; `down` and `up` to move it")
    say()
    say(f"  console   {paint(said['url'], 'cyan')}")
    if is_terminal():
        with open(places.token, encoding="utf-8") as file:
            say(f"  sign in   {said['url']}/?token={file.read().strip()}")
    else:
        say(f"  sign in   with the key in {places.token}")
    me = called() + (f" -C {args.where or args.folder}" if args.where or args.folder else "")
    say(f"  try       {me} status --wait 120")
    for words in next_words(read_declaration(places.declaration)):
        say(f"            {me} {words}")
    if said["checkpoint"]:
        _, size, root, *_ = said["checkpoint"].split("\n")
        say(f"  ledger    {int(size):,} entries, root {root}")
        say(f"            {me} checkpoint publish FILE   keeps it outside")
    if args.detach or not said["started"]:
        say(f"  stop      {me} down")
    else:
        say("  stop      Ctrl-C")


def next_words(declaration: Declaration) -> list[str]:
    """What can be asked of what is declared, one command a kind of thing."""
    answering = [name for name, one in declaration.services.items() if one.knowledge]
    predicting = [name for name, one in declaration.services.items() if one.model]
    asked = 'ask "..."' + (f" --service {answering[0]}" if len(answering) > 1 else "")
    return [
        *([asked] if answering else []),
        *([f"predict {predicting[0]} FILE.csv"] if predicting else []),
        *([f"why model/{next(iter(declaration.models))}"] if declaration.models else []),
        *([f"pipeline {next(iter(declaration.pipelines))}"] if declaration.pipelines else []),
        *(["gpu"] if declaration.compute is not None else []),
    ]


def _counted(changes: list[Mapping[str, str]]) -> str:
    return f"{len(changes)} change{'s' if len(changes) != 1 else ''}" if changes else "nothing to change"


def _follow(url: str, places: Any, stop: threading.Event) -> None:
    """Progress of ingestion while `up` runs in the foreground."""
    from colonnade.sdk import Client

    progress, told = Progress(), set()
    client = Client(url, places.token.read_text("utf-8").strip())
    try:
        for status in client.events():
            if stop.is_set():
                return
            for name, base in status["knowledge"].items():
                if base["state"] == "ready":
                    if name not in told:
                        told.add(name)
                        progress.clear()
                        say(
                            f"  {paint('ready', 'green')}     {name}: "
                            f"{base['documents']:,} documents, {base['chunks']:,} passages"
                        )
                        for file in base["unreadable"]:
                            say(f"  {paint('unread', 'yellow')}    {file['path']}: {file['reason']} ({file['code']})")
                elif base["progress"]:
                    told.discard(name)
                    progress.show(f"{base['state']} {name}", base["progress"]["done"], base["progress"]["total"])
    except (ColonnadeError, OSError):
        return
    finally:
        progress.clear()
        sys.stderr.flush()
