# SPDX-License-Identifier: Apache-2.0
"""Say the declaration in another system's words: manifests for Kubernetes, devices by DRA, queues in Kueue.

YAML goes to stdout, or with --out into a folder with a kustomization. What the cluster must have, and what it cannot
enforce, is said on stderr. Nothing is applied, and no cluster is asked.
"""

from __future__ import annotations

import argparse

from colonnade.app.settings.environment import find_places
from colonnade.cli.output import emit, paint, say
from colonnade.core.errors import UsageError


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("where", nargs="?", metavar="DIR", help="the declaration's folder, or the file itself")
    parser.add_argument("--target", choices=["kubernetes"], required=True, help="what to render for")
    parser.add_argument("--out", metavar="FOLDER", help="write one file an object, and kustomization.yaml, in here")
    parser.add_argument("--image", default="", help="the image of the house (default: colonnade:VERSION, built by you)")
    parser.add_argument(
        "--gpus", type=int, default=0, metavar="N", help="how many GPUs the cluster has for this project"
    )


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from pathlib import Path

    from colonnade.app.rendering import as_yaml, rendered, write_files
    from colonnade.app.settings.declaration import read_declaration

    if args.gpus < 0:
        raise UsageError("--gpus cannot be negative", hint="say how many GPUs the cluster has, or leave it out")
    declared = read_declaration(find_places(args.where or args.folder).declaration)
    rendering = rendered(declared, image=args.image, gpus=args.gpus)
    written = write_files(rendering, Path(args.out)) if args.out else None
    if args.json:
        emit(
            {
                "schema": "colonnade.render/1",
                "target": args.target,
                "objects": [one.body for one in rendering.objects],
                "warnings": [
                    {"ref": lack.ref, "not_enforced": lack.what, "message": lack.message} for lack in rendering.lacks
                ],
                "requires": list(rendering.requires),
                **({"files": written} if written is not None else {}),
            }
        )
    elif written is None:
        print(as_yaml(rendering), end="")
    for lack in rendering.lacks:
        say(f"{paint('warning', 'yellow')} {lack.ref}: {lack.message}")
    for sentence in rendering.requires:
        say(f"{paint('needs', 'cyan')} {sentence}")
    if declared.compute is None or not (declared.compute.jobs or declared.compute.queues):
        say("nothing to run is declared under `compute`: this is the house alone")
    if written is not None:
        say(f"{len(written)} files in {args.out}; `kubectl apply -k {args.out}` applies them")
    return 0
