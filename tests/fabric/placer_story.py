# SPDX-License-Identifier: Apache-2.0
"""A small cluster of unlike nodes to which things happen at random, under any placer: for the tests of placers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hypothesis import Phase
from hypothesis import strategies as st

from colonnade.core.claims import Claim
from colonnade.fabric.placement.cluster import Cluster, DeviceSpec, NodeSpec, Placer, Slot

ONCE = (Phase.explicit, Phase.reuse, Phase.generate)  # shrinking such stories takes minutes and says little more
A, B = DeviceSpec("A100", 40_960, "hard"), DeviceSpec("T4")
NODES = (
    NodeSpec("a", 32_000, 65_536, (A, A, A, A)),
    NodeSpec("b", 16_000, 32_768, (A, A)),
    NodeSpec("c", 64_000, 65_536, (B, B)),
    NodeSpec("d", 24_000, 65_536, (A, B, B)),
    NodeSpec("e", 8_000, 65_536, ()),
)


def claims() -> st.SearchStrategy[Claim]:
    return st.builds(
        Claim,
        gpus=st.integers(0, 4),
        gpu_milli=st.sampled_from((120, 190, 333, 500, 700, 1000)),
        gpu_mib=st.sampled_from((0, 0, 8_000, 20_000)),
        cpu_milli=st.sampled_from((0, 1000, 4000, 9000)),
        memory_mib=st.sampled_from((0, 4096, 20_000)),
        models=st.sampled_from(((), ("A100",), ("T4", "L4"))),
        isolation_at_least=st.sampled_from(("none", "none", "soft", "hard")),
    )


class Story:
    """What happened so far. `placer` makes the placer that chooses."""

    def __init__(self, placer: Callable[[Cluster], Placer], nodes: Sequence[NodeSpec] = NODES) -> None:
        self.cluster = Cluster(nodes)
        self.placer = placer(self.cluster)
        self.held: list[tuple[Claim, Slot]] = []

    def happen(self, what: int, claim: Claim) -> None:
        if what < 6:
            slot = self.placer.choose(claim)
            if slot is not None:
                self.cluster.take(claim, slot)
                self.held.append((claim, slot))
        elif what < 8 and self.held:
            self.cluster.give(*self.held.pop(what % len(self.held)))
        else:
            self.cluster.cordon(what % 5, [claim.gpus % 4], closed=what != 9)


EVENTS = st.lists(st.tuples(st.integers(0, 10), claims()), max_size=40)
