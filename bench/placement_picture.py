# SPDX-License-Identifier: Apache-2.0
"""Draw docs/concepts/placement.png: how full each policy gets the nodes of the openb trace, and the fluid bound above.

It only draws what `colonnade simulate` finds; the figures of the bench of placement are means over seeds, this is one.

    python bench/placement_picture.py [--seed 1] [--out FILE.png]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from colonnade.app.pictures.simulation import picture
from colonnade.app.simulating import Wish, simulate
from fluid_bound import fluid_bound  # type: ignore[import-not-found]
from mixes import TRACES, load_pods  # type: ignore[import-not-found]

ROOT = Path(__file__).resolve().parents[1]
POLICIES = ("ours", "fgd", "bestfit", "packing", "random")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", default=str(ROOT / "docs/concepts/placement.png"))
    asked = parser.parse_args()
    nodes, pods = str(TRACES / "openb_node_list_gpu_node.csv"), str(TRACES / "openb_pod_list_default.csv")
    document = simulate(Wish(nodes, pods, POLICIES, seed=asked.seed)).document
    bound = fluid_bound(load_pods())
    Path(asked.out).write_bytes(picture(document, bound / 100))
    for policy in document["policies"]:
        print(f"{policy['policy']:10} {policy['allocated_share']:.2%}")
    print(f"{'bound':10} {bound:.2f}%")


if __name__ == "__main__":
    main()
