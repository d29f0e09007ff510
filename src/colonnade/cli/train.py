# SPDX-License-Identifier: Apache-2.0
"""Train a model now, and wait for what becomes of it. Not needed for new data or code: those are noticed.

colonnade train credit             steps that were done for the same inputs are not done again
colonnade train credit --detach    do not wait

It ends with 0 (promoted, or unchanged), 3 (refused by a gate, or its data quarantined), 1 (failed).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from typing import Any

from colonnade.app.presence import need_daemon, pause
from colonnade.app.settings.environment import Places, find_places
from colonnade.cli.output import emit, paint, say
from colonnade.core.errors import Unavailable, UnknownName

EXIT_CODES = {"promoted": 0, "unchanged": 0, "refused": 3, "quarantined": 3, "rolled_back": 3}
"""By outcome; any other: 1."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("model", metavar="NAME", help="a model that `models:` declares")
    parser.add_argument("--detach", action="store_true", help="do not wait for the outcome")
    parser.add_argument(
        "--wait", type=float, metavar="N", default=None, help="wait up to N seconds (default: for ever)"
    )


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    places = find_places(args.folder)
    from colonnade.sdk import Client

    known = _models(places)
    if args.model not in known:
        raise UnknownName(f"no model {args.model!r} is declared", hint=f"the models are {', '.join(known) or 'none'}")
    asked = Client(*need_daemon(places)).train(args.model)
    if args.detach:
        emit(asked) if args.json else print(asked["ref"])
        return 0
    end = None if args.wait is None else time.monotonic() + args.wait
    told: dict[str, str] = {}
    while True:
        model = _models(places)[asked["name"]]
        made = next((one for one in reversed(model["history"]) if one["ref"] > asked["after"]), None)
        if made is not None and made is model["history"][0]:
            _say_steps(model["steps"], told)
        if made is not None and made["outcome"] != "running":
            break
        if end is not None and time.monotonic() > end:
            message = "it is not over yet"
            raise Unavailable(message, hint="`colonnade status` shows how far it is", code="timeout")
        need_daemon(places)
        pause(0.2)
    if args.json:
        emit({"schema": "colonnade.trained/1", "model": asked["ref"], **made})
    else:
        _show(made)
    return EXIT_CODES.get(made["outcome"], 1)


def _models(places: Places) -> dict[str, Any]:
    from colonnade.app.presence import find_daemon
    from colonnade.app.stored import stored_status

    found: dict[str, Any] = stored_status(places, find_daemon(places))["models"]
    return found


def _say_steps(steps: list[Mapping[str, Any]], told: dict[str, str]) -> None:
    for step in steps:
        if step["state"] != "waiting" and told.get(step["step"]) != step["state"]:
            told[step["step"]] = step["state"]
            say(f"  {step['step']}: {step['state']}" + (f" ({step['error']})" if step["error"] else ""))


def _show(made: Mapping[str, Any]) -> None:
    colour = "green" if made["outcome"] in {"promoted", "unchanged"} else "yellow"
    print(f"{paint(made['outcome'], colour)}  {made['ref']}  ({made['trigger']})")
    for gate in made["gates"]:
        print(f"  {'passed' if gate['passed'] else paint('not passed', 'yellow')}: {gate['reason']}")
    if not made["gates"] and made["reason"]:
        print(f"  {made['reason']}")
