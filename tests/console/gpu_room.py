# SPDX-License-Identifier: Apache-2.0
"""The GPUs that the console is looked at with: every state at once. For the tests and the screenshot; data only."""

from __future__ import annotations

from colonnade.testing.compute import FakeCompute
from tests.console.console_house import ATTACK, House

MINUTE_MS = 60_000


def busy_room(house: House, attack: str = "") -> FakeCompute:
    """Two departments, one that borrows and one that starves; a gang over two devices, one device ill, one closed."""
    room = FakeCompute(house.now_ms, queues={"research": (4000, None), "serving": (3000, 5000), "batch": (0, 2000)})
    now = house.now_ms()
    held = (
        ((0, 1), 1000, "research", "anna", "torchrun --nproc-per-node 2 pretrain.py", 870, 71_000, False, 190),
        ((2,), 1000, "research", "anna", "python finetune.py --epochs 3", 930, 64_400, False, 44),
        ((3,), 500, "research", "ben", "jupyter lab --no-browser", 0, 9_300, False, 312),
        ((3,), 500, "research", "chloe", "python ablation.py --seed 7", 610, 33_000, False, 12),
        ((4,), 500, "serving", "dana", "vllm serve support-8b --port 8001", 340, 38_200, False, 2_900),
        ((4,), 500, "serving", "dana", "vllm serve rerank-2b", 120, 12_000, False, 2_900),
        ((5,), 750, "research", "ben", "python sweep.py --trial 11", 980, 50_100, True, 7),
        ((6,), 250, "batch", "eli", f"python embed.py --shard 3 {attack}".strip(), 420, 9_000, True, 3),
    )  # fmt: skip
    for places, milli, queue, person, line, busy, mib, borrowed, minutes in held:
        room.hold(*places, milli=milli, queue=queue, person=person, command=line.split(" "), busy_milli=busy,
                  measured_mib=mib, borrowed=borrowed, since_ms=now - minutes * MINUTE_MS)  # fmt: skip
    going = room.hold(5, milli=250, queue="research", person="ben", command=["python", "sweep.py", "--trial", "12"],
                      borrowed=True, since_ms=now - 4000, state="releasing", reason="reclaimed")  # fmt: skip
    needs = {"name": "gpu_milli", "asked": 250, "free": 0, "missing": 250}
    room.wish(250, queue="serving", person="dana", command=["vllm", "serve", "support-1b"],
              since_ms=now - 9000, wait={"starts_by_ms": now + 6000, "would_free": [f"lease/{going}"],
                                         "dimensions": [needs]})  # fmt: skip
    room.wish(500, queue="batch", person="eli", command=["python", "embed.py", "--shard", "4"],
              since_ms=now - 3 * MINUTE_MS, wait={"before": ["lease/one"]})  # fmt: skip
    for place, busy, mib in ((0, 870, 71_000), (1, 850, 70_300), (2, 930, 64_400), (3, 610, 42_300), (4, 460, 50_200),
                             (5, 980, 66_000), (6, 420, 9_000)):  # fmt: skip
        row = list(room.devices.values())[place]
        row.update(busy_milli=busy, measured_mib=mib)
    list(room.devices.values())[6].update(health="cordoned", cordoned=True)
    list(room.devices.values())[7].update(health="xid 79", busy_milli=None, measured_mib=None)
    return room


__all__ = ["ATTACK", "busy_room"]
