# SPDX-License-Identifier: Apache-2.0
"""Run a command under a lease on exactly the share of the GPUs that it asks for; it waits until the share is free.

colonnade run --gpu 0.5 -- python train.py            half of one device
colonnade run --gpus 2 -- torchrun train.py           two whole devices
colonnade run --queue research --gpu-memory 20GiB ... its memory kept as well
colonnade run --job nightly                           what `compute.jobs` declares

It ends with the command's own status; ours are 125 (lost), 2, 3 and 4, explained on stderr. Ctrl-C, SIGTERM or the end
of this process end the command too; with --detach it goes on by itself.
"""

from __future__ import annotations

import argparse
import functools
import os
import signal
import sys
import threading
from typing import Any

from colonnade.app.presence import need_daemon
from colonnade.app.settings.environment import Places, find_places, inherited
from colonnade.cli.output import emit, say
from colonnade.core.errors import UsageError
from colonnade.core.quantities import mib_of, milli_of


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("command", nargs="*", metavar="CMD", help="the command and its arguments, after `--`")
    parser.add_argument("--gpu", metavar="SHARE", help="the share of each device, above 0 and up to 1 (default 1)")
    parser.add_argument("--gpus", metavar="N", help="how many devices (default 1; 0: none)")
    parser.add_argument("--gpu-memory", metavar="SIZE", help="memory kept on each of them: 20GiB")
    parser.add_argument("--model", action="append", metavar="NAME", help="a device model that will do; may be repeated")
    parser.add_argument(
        "--isolation-at-least",
        choices=("none", "soft", "hard", "partition"),
        metavar="LEVEL",
        help="none, soft, hard or partition: refuse what is kept more weakly",
    )
    parser.add_argument("--cpu", metavar="CORES", help="CPU cores")
    parser.add_argument("--memory", metavar="SIZE", help="main memory: 16GiB")
    parser.add_argument("--queue", metavar="QUEUE", help="TEAM or DEPARTMENT.TEAM (default: the queue `default`)")
    parser.add_argument("--priority", choices=("low", "normal", "high"), help="default: the queue's")
    parser.add_argument("--workers", type=int, metavar="N", help="so many at once, all or none (COLONNADE_RANK tells)")
    parser.add_argument("--preemptible", action="store_true", default=None, help="it may be stopped and begun again")
    parser.add_argument("--job", metavar="NAME", help="a job that `compute.jobs` declares")
    parser.add_argument("--detach", action="store_true", help="do not wait: print its ref and return")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    if not args.command and not args.job:
        raise UsageError("there is no command to run", hint="colonnade run --gpu 0.5 -- python train.py")
    asked = request(args)
    places = find_places(args.folder)
    from colonnade.sdk import Client

    made = Client(*need_daemon(places)).run(asked)
    if args.detach:
        if args.json:
            emit(made)
        else:
            print(made["ref"])
            say(f"asked for as {made['lease']}; `colonnade logs {made['ref']}` shows what it prints")
        return 0
    return _wait(places, made, as_json=args.json)


def request(args: argparse.Namespace) -> dict[str, Any]:
    """The body of the request. Raises UsageError with a hint for each amount that cannot be."""
    return {
        "command": args.command,
        "job": args.job,
        "folder": os.getcwd(),
        "environment": inherited(),
        "gpus": _number(args.gpus),
        "gpu_milli": _share(args.gpu),
        "gpu_mib": _memory("--gpu-memory", args.gpu_memory),
        "models": args.model,
        "isolation_at_least": args.isolation_at_least,
        "cpu_milli": _milli("--cpu", args.cpu),
        "memory_mib": _memory("--memory", args.memory),
        "queue": args.queue,
        "priority": args.priority,
        "workers": _workers(args.workers),
        "preemptible": args.preemptible,
        "attached": not args.detach,
    }


def _wait(places: Places, made: dict[str, Any], *, as_json: bool) -> int:
    """Show what it prints, and end as it ends."""
    from colonnade.app.attending import Ended, attend

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    out = 2 if as_json else 1
    told: set[str] = set()
    ends: list[Ended] = []
    failures: list[Exception] = []

    def one(worker: dict[str, str]) -> None:
        run_id, lease = (worker[name].partition("/")[2] for name in ("run", "lease"))
        try:
            say_once = functools.partial(_once, told)
            ends.append(attend(places, run_id, lease, out=out, err=2, say=say_once, stopped=stop.is_set))
        except Exception as error:  # nobody reads any more, say: the others are not waited for either
            failures.append(error)
            stop.set()

    workers = made["workers"]
    if len(workers) == 1:
        one(workers[0])
    else:
        threads = [threading.Thread(target=one, args=(worker,)) for worker in workers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    if failures:
        raise failures[0]
    worst = next((end for end in ends if end.code), ends[0])
    if worst.said and worst.code:
        _told(worst.said)
    if as_json:
        last = {"schema": "colonnade.ran/1", "ref": made["ref"], "lease": f"lease/{worst.lease}"}
        emit({**last, "outcome": worst.outcome, "exit_code": worst.code, "isolation": worst.isolation})
    return worst.code


def _once(told: set[str], text: str) -> None:
    """Each member of a gang waits for the same: one line of it is enough."""
    kind = text.partition(";")[0]
    if kind not in told:
        told.add(kind)
        _told(text)


def _told(text: str) -> None:
    print(f"colonnade: {text}", file=sys.stderr, flush=True)


def _share(text: str | None) -> int | None:
    milli = _milli("--gpu", text)
    if milli is not None and not 0 < milli <= 1000:
        raise UsageError(
            f"--gpu {text}: the share of each device is above 0 and at most 1",
            hint=f"for several whole devices: --gpus {max(2, -(-milli // 1000))}" if milli > 1000 else "--gpu 0.5",
        )
    return milli


def _workers(number: int | None) -> int | None:
    if number is not None and not 1 <= number <= 10_000:
        raise UsageError(f"--workers {number}: from 1 to 10000 run together", hint="--workers 4")
    return number


def _number(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isdecimal() or int(text) > 1024:
        raise UsageError(
            f"--gpus {text}: the number of devices is a whole number up to 1024", hint="for a share of one: --gpu 0.5"
        )
    return int(text)


def _milli(flag: str, text: str | None) -> int | None:
    try:
        return None if text is None else milli_of(text)
    except ValueError as error:
        raise UsageError(f"{flag}: {error}", hint=f"{flag} 0.5") from error


def _memory(flag: str, text: str | None) -> int | None:
    try:
        return None if text is None else mib_of(text)
    except ValueError as error:
        raise UsageError(f"{flag}: {error}", hint=f"{flag} 20GiB") from error
