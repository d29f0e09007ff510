# SPDX-License-Identifier: Apache-2.0
"""Measure retrieval and answers on a question set.

  colonnade evaluate --beir DIR --split test [--trec run.txt]    nDCG@10, recall@k, MRR, MAP; no daemon
  colonnade evaluate --squad FILE [--limit N]                    EM, F1, both kinds of abstention; no daemon
  colonnade evaluate --questions FILE [--service NAME]           your own questions, asked of the running service

--plot FILE.svg draws a picture.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from colonnade.app.settings.environment import find_places
from colonnade.cli.output import Progress, emit, say, table
from colonnade.core.errors import UsageError


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("--beir", metavar="DIR", help="a folder in the BEIR layout")
    parser.add_argument("--split", default="test", help="which judgements of a BEIR folder (default test)")
    parser.add_argument("--trec", metavar="FILE", help="write the ranking as a TREC run file")
    parser.add_argument("--squad", metavar="FILE", help="a SQuAD file, gz or not")
    parser.add_argument("--questions", metavar="FILE", help="questions of your own (YAML or JSON lines)")
    parser.add_argument("--service", default=None, help="the service to ask, for --questions")
    parser.add_argument(
        "--limit", type=int, default=0, metavar="N", help="only so many questions of a SQuAD file, evenly spread"
    )
    parser.add_argument("--words-only", action="store_true", help="without vectors")
    parser.add_argument(
        "--fail-under", type=float, metavar="X", help="exit 1 when `passed` (of --questions) is below X"
    )
    parser.add_argument("--plot", metavar="FILE", help="draw a picture (SVG)")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    chosen = [name for name in ("beir", "squad", "questions") if getattr(args, name)]
    if len(chosen) != 1:
        raise UsageError("say what to measure on", hint="one of --beir DIR, --squad FILE, --questions FILE")
    for file in filter(None, (args.squad, args.questions)):
        if not Path(file).is_file():
            raise UsageError(f"there is no file {file}", hint="its path counts from the folder that you are in")
    from colonnade.app import evaluating

    places, progress = find_places(args.folder), Progress()

    def show(done: int, total: int) -> None:
        progress.show("indexing", done, total)

    if chosen[0] == "beir":
        trec = Path(args.trec) if args.trec else None
        document, picture = evaluating.on_beir(
            places, Path(args.beir), args.split, trec, words_only=args.words_only, progress=show
        )
    elif chosen[0] == "squad":
        document, picture = evaluating.on_squad(
            places, Path(args.squad), args.limit, words_only=args.words_only, progress=show
        )
    else:
        document, picture = evaluating.on_questions(places, Path(args.questions), args.service)
    progress.clear()
    if args.plot:
        Path(args.plot).write_text(picture, "utf-8")
    passed = document["metrics"].get("passed")
    code = int(args.fail_under is not None and (passed is None or passed < args.fail_under))
    if args.json:
        emit(document)
        return code
    rows = [[name, "-" if value is None else f"{value:.4f}"] for name, value in document["metrics"].items()]
    print(table(rows, ["METRIC", "VALUE"]))
    for failure in document["failures"][:20]:
        say("  ".join(f"{key}: {value}" for key, value in failure.items()))
    return code
