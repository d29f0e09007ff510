# SPDX-License-Identifier: Apache-2.0
"""What if: place the work of a trace on nodes, and compare policies.

  colonnade simulate --nodes nodes.csv --pods pods.csv                 how full do these nodes get?
  colonnade simulate --nodes ... --pods ... --add-nodes 4x8xH100-80GB  and with four more?
  colonnade simulate --nodes ... --pods ... --quota BE=500             and if class BE may hold 500 GPUs at most?
  colonnade simulate --nodes ... --pods ... --mig                      and with MIG turned on?
  colonnade simulate --nodes ... --pods ... --load 0.9                 and who waits how long, when jobs end?
  colonnade simulate --drive place                                     the engine alone, over JSON lines

--plot FILE.png draws it. No daemon, nothing is started. docs/how-to/plan-capacity.md says more.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colonnade.cli.output import Progress, emit, paint, say
from colonnade.core.errors import UsageError

if TYPE_CHECKING:
    from colonnade.app.simulating import Wish

POLICIES = ("ours", "fgd", "bestfit", "firstfit", "packing", "random")
LEAST_TURNOVER = 10.0
"""Below this the 30 % of the jobs that only fill the cluster are less than three times what runs at once."""
KIND_NAMES = {"share": "share", "whole": "1 GPU", "multi": "2+ GPUs", "cpu": "CPU only", "all": "all"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("--nodes", metavar="FILE", help="nodes: CSV, YAML, or simulated://4x8xH100-80GB")
    parser.add_argument("--pods", metavar="FILE", help="the work of a trace: CSV")
    parser.add_argument(
        "--policy", default="ours,fgd,bestfit,random", metavar="LIST", help=f"some of {','.join(POLICIES)}"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the arrivals and of ties")
    parser.add_argument("--ratio", type=float, default=1.3, metavar="X", help="GPUs asked for, of those there are")
    parser.add_argument(
        "--add-nodes", action="append", default=[], metavar="NxGxMODEL", help="more nodes: 4x8xH100-80GB; repeatable"
    )
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only each N-th node: a cluster to scale")
    parser.add_argument(
        "--quota", action="append", default=[], metavar="CLASS=GPUS", help="the most that a class (qos) may hold"
    )
    parser.add_argument("--mig", action="store_true", help="cut devices that can be into MIG instances for shares")
    parser.add_argument("--load", type=float, metavar="X", help="with departures too: GPU time asked for, of all")
    parser.add_argument("--jobs", type=int, default=20_000, metavar="N", help="how many jobs, with --load")
    parser.add_argument("--move-cost", type=float, default=30.0, metavar="S", help="seconds that a move costs its job")
    parser.add_argument("--movable", default="all", metavar="CLASS", help="only jobs of this class may be moved")
    parser.add_argument("--plot", metavar="FILE", help="draw a picture (PNG)")
    parser.add_argument("--drive", choices=("place", "queue"), help="decide over JSON lines on stdin and stdout")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    if args.drive:
        from colonnade.app.driving import drive_place, drive_queue

        return drive_place() if args.drive == "place" else drive_queue()
    wish = _wish(args)
    from colonnade.app.simulating import simulate

    progress = Progress()
    try:
        outcome = simulate(wish, progress.show)
    finally:
        progress.clear()
    if args.plot:
        from colonnade.app.pictures.simulation import picture

        _write(args.plot, picture(outcome.document))
    if args.json:
        emit(outcome.document)
        return 0
    print(_report(outcome.document))
    if args.plot:
        say(f"\npicture: {args.plot}")
    return 0


def _wish(args: argparse.Namespace) -> Wish:
    for flag in ("nodes", "pods"):
        if not getattr(args, flag):
            raise UsageError(f"say --{flag}", hint="colonnade simulate --nodes FILE --pods FILE")
    policies = tuple(dict.fromkeys(word.strip() for word in args.policy.split(",") if word.strip()))
    unknown = [word for word in policies if word not in POLICIES]
    if unknown or not policies:
        raise UsageError(
            f"--policy: there is no {', '.join(unknown) or 'policy'}", hint=f"some of {', '.join(POLICIES)}"
        )
    _within("--ratio", args.ratio, 0.01, 10.0)
    _within("--every", args.every, 1, 1_000_000)
    _within("--jobs", args.jobs, 10, 10_000_000)
    _within("--move-cost", args.move_cost, 0.0, 1e6)
    if args.load is not None:
        _within("--load", args.load, 0.01, 3.0)
    if args.plot and not Path(args.plot).absolute().parent.is_dir():
        raise UsageError(f"--plot: there is no folder for {args.plot}", hint="make it first")
    from colonnade.app.simulating import Wish

    return Wish(
        nodes=args.nodes,
        pods=args.pods,
        policies=policies,
        seed=args.seed,
        ratio=args.ratio,
        add_nodes=tuple(args.add_nodes),
        every=args.every,
        quotas=dict(map(_quota, args.quota)),
        mig=args.mig,
        load=args.load,
        jobs=args.jobs,
        move_cost_s=args.move_cost,
        movable=args.movable,
    )


def _within(flag: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise UsageError(f"{flag}: {value:g} is out of range", hint=f"from {low:g} to {high:,g}")


def _quota(said: str) -> tuple[str, int]:
    """A class and its milli, out of "BE=500"."""
    name, _, gpus = said.partition("=")
    try:
        milli = round(float(gpus) * 1000)
    except (ValueError, OverflowError):
        milli = -1
    if not name or milli < 0:
        raise UsageError(f"--quota: {said!r} is not CLASS=GPUS", hint="for example --quota BE=500")
    return name, milli


def _write(path: str, picture: bytes) -> None:
    try:
        Path(path).write_bytes(picture)
    except OSError as error:
        raise UsageError(f"--plot: {path}: {error.strerror}", hint="choose another file") from None


# --- what people read -----------------------------------------------------------------------------------


def _report(document: Mapping[str, Any]) -> str:
    from colonnade.app.simulated import finding

    parts = [_head(document), _placed(document)]
    if document["departures"]:
        parts.append(_waits(document))
    return "\n\n".join([*parts, f"{finding(document)}."])


def _head(document: Mapping[str, Any]) -> str:
    nodes, pods, first = document["nodes"], document["pods"], document["policies"][0]
    models = ", ".join(f"{count:,} {model}" for model, count in sorted(nodes["models"].items(), key=_most))
    size, seed = f"{nodes['count']:,} nodes, {nodes['gpus']:,} GPUs", f"seed {document['seed']}"
    arrived = f"{sum(first['arrivals'].values()):,} arrivals ask for {document['ratio']:.0%} of them; nothing leaves"
    arrived += "; shares are MIG instances" if document["mig"] else ""
    lines = [f"{paint(size, 'bold')}  {paint(models, 'dim')}", f"{arrived}  {paint(seed, 'dim')}"]
    if pods["impossible"]:
        lines.append(
            paint(f"{pods['impossible']:,} of {pods['count']:,} pods fit on none of these nodes, even empty", "yellow")
        )
    return "\n".join(lines)


def _most(pair: tuple[str, int]) -> tuple[int, str]:
    return -pair[1], pair[0]


def _placed(document: Mapping[str, Any]) -> str:
    """Which policy fills the nodes how far. On a narrow terminal the bar and the kinds of refused pods are left out."""
    narrow = shutil.get_terminal_size((120, 24)).columns < 106
    most_idle = max(policy["idle_milli"] for policy in document["policies"]) or 1
    rows = []
    for policy in document["policies"]:
        rejected, timing = policy["rejected"], document["timing"][policy["policy"]]
        by_kind = [f"{rejected[kind]:,}" for kind in ("share", "whole", "multi", "cpu")]
        idle = policy["idle_milli"]
        rows.append(
            [
                policy["policy"],
                f"{policy['allocated_share']:.2%}",
                f"{idle / 1000:,.0f}",
                *([] if narrow else [_bar(idle / most_idle, 16)]),
                f"{policy['fragmentation']['share']:.2%}",
                *([f"{sum(rejected.values()):,}"] if narrow else by_kind),
                f"{timing['decisions_per_s']:,}",
            ]
        )
    if narrow:
        head = ["POLICY", "ALLOCATED", "IDLE GPUS", "FRAGMENTED", "REJECTED", "DECISIONS/S"]
        return _columns(head, rows, left={0})
    head = ["POLICY", "ALLOCATED", "IDLE GPUS", "", "FRAGMENTED", "REJECTED share", "1 GPU", "2+", "CPU", "DECISIONS/S"]
    return _columns(head, rows, left={0, 3})


def _waits(document: Mapping[str, Any]) -> str:
    from colonnade.app.simulated import span

    settings = document["departures"]
    rows = []
    for policy in document["policies"]:
        waits = policy["waits"]
        for number, (kind, wait) in enumerate(waits["by_size"].items()):
            rows.append(
                [
                    policy["policy"] if not number else "",
                    KIND_NAMES[kind],
                    f"{wait['jobs']:,}",
                    *(span(wait[column] / 1000) for column in ("mean_ms", "p95_ms", "max_ms")),
                    f"{waits['allocated_share']:.1%}" if not number else "",
                    f"{waits['moves']:,}" if not number else "",
                ]
            )
    title = f"With departures: {settings['jobs']:,} jobs at load {settings['load']:g}, a move costs its job "
    head = ["POLICY", "SIZE", "JOBS", "MEAN WAIT", "P95", "MAX", "ALLOCATED", "MOVES"]
    table = _columns(head, rows, left={0, 1})
    if settings["turnover"] < LEAST_TURNOVER:
        table += "\n" + paint(
            f"The running jobs were replaced only {settings['turnover']:.1f} times: waits are too short. "
            "More --jobs, or a smaller cluster with --every.",
            "yellow",
        )
    return f"{paint(title + span(settings['move_cost_ms'] / 1000), 'bold')}\n\n{table}"


def _bar(share: float, width: int) -> str:
    """A bar in eighths of a cell."""
    eighths = round(share * width * 8)
    return "█" * (eighths // 8) + ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")[eighths % 8]


def _columns(head: Sequence[str], rows: Sequence[Sequence[str]], *, left: set[int]) -> str:
    """Rows under a head; numbers to the right, words to the left."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]

    def line(row: Sequence[str]) -> str:
        cells = [
            cell.ljust(width) if number in left else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        return "  ".join(cells).rstrip()

    return "\n".join([paint(line(head), "dim"), *map(line, rows)])
