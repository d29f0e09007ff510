# SPDX-License-Identifier: Apache-2.0
"""A model's whole life, killed at every transition: does it end where an undisturbed one ends?

    python bench/soak/lifecycle.py --seeds 1000     # writes bench/results/soak_lifecycle.json

One life in one process and virtual time: a first training, new data, a batch that breaks the contract, a refused
candidate, a search over parameters, a version whose canary fails, one that is promoted, a roll back by hand, an alarm
that leads to a retraining, a pipeline of functions. The process dies at crossings that a seed chooses (before, within
and after transactions, at blobs, commands, devices, while it starts); commands and their supervisors are killed too.
Then: equal artifacts, live version, outcomes and entries, every finished step once, nothing held, an intact log.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.soak.lifecycle_house import FLOW, MODEL, PROJECT, SERVICE, SoakHouse, clear
from bench.soak.lifecycle_points import Killed
from colonnade.core.errors import Lost, UsageError
from colonnade.core.leaf import parse_leaf
from colonnade.govern.ledger.verify import verify
from colonnade.lifecycle.renewal import Renewal
from colonnade.lifecycle.searching.space import Search
from colonnade.lifecycle.serving.rollback import find_back, roll_back
from colonnade.testing import ed25519

MOST_KILLS = 60
"""A process that dies more often than it gets anywhere proves nothing more."""
STEP_KILLS = 0.1
"""So often a command, or its supervisor, is killed."""
MEMORY = Path("/dev/shm")
ALARM = "alm_" + "0" * 36
LONG_CYCLES = 400
AGAIN = frozenset({"failed"})


@dataclass(frozen=True)
class Ended:
    """What remains of a life: everything in it must be equal with and without kills."""

    artifacts: tuple[str, ...]
    live: str
    generation: int
    history: tuple[tuple[str, str, str], ...]
    functions: tuple[str, ...]
    entries: dict[str, int]
    finished: dict[str, int]

    def differences(self, other: Ended) -> list[str]:
        """What differs, in words: what was expected and is not there, and what is there instead."""
        found = []
        for name in self.__dataclass_fields__:
            mine, theirs = (_counted(getattr(one, name)) for one in (self, other))
            if mine != theirs:
                found.append(f"{name}: {dict(mine - theirs)} != {dict(theirs - mine)}")
        return found


def _counted(value: object) -> Counter[Any]:
    """Any field of `Ended` as something that can be subtracted."""
    if isinstance(value, dict):
        return Counter(value)
    return (
        Counter(enumerate(value))
        if isinstance(value, tuple) and value and isinstance(value[0], tuple)
        else Counter(value if isinstance(value, tuple) else [value])
    )


def live_through(house: SoakHouse) -> Ended:
    """The scenario, from an empty house to a closed one."""
    house.batch("one.csv", 120)
    settle(house)
    house.batch("two.csv", 60, first=120)
    settle(house)
    house.batch("bad.csv", 30, first=180, age=-4)
    settle(house)
    (house.folder / "data" / "bad.csv").unlink()
    settle(house)
    house.batch("flipped.csv", 500, flip=True)
    settle(house)
    (house.folder / "data" / "flipped.csv").unlink()
    settle(house)
    house.declare(search=Search({"cut": (30, 45, 60)}, 3, "accuracy", True))
    settle(house)
    house.faulty = True
    house.declare(search=None, parameters={"cut": 44})
    settle(house)
    house.faulty = False
    before = live(house)
    house.declare(parameters={"cut": 46})
    settle(house)
    by_hand(house, lambda: _back(house, before))
    by_hand(house, lambda: _ring(house))
    settle(house)
    ran: list[str] = []
    by_hand(house, lambda: _functions(house, ran))
    settle(house)
    house.close()
    return ended(house)


def settle(house: SoakHouse) -> None:
    """Until nothing is under way any more. AssertionError when that never comes."""
    quiet = 0
    for _ in range(LONG_CYCLES):
        quiet = 0 if house.cycle() else quiet + 1
        if quiet > 4:
            return
    raise AssertionError(f"it does not come to rest; it died at {house.points.died[-3:]}")


def by_hand(house: SoakHouse, act: Callable[[], None]) -> None:
    """Somebody asks for something; where the house dies meanwhile they look again, and ask again."""
    for _ in range(LONG_CYCLES):
        try:
            if house.state is None:
                house.start()
            act()
            return
        except Killed:
            house.died()
    raise AssertionError("nobody answers")


def live(house: SoakHouse) -> str:
    """The live version, asked until it is told."""
    found: list[str] = []
    by_hand(house, lambda: found.append(house.live()))
    return found[-1]


def _back(house: SoakHouse, version: str) -> None:
    assert house.state is not None
    state: Any = house.state
    with contextlib.suppress(UsageError, Lost):  # it is live already: the answer was lost, not the roll back
        roll_back(state, house.journal, "prn_1", find_back(state, PROJECT, MODEL, "credit", version))


def _ring(house: SoakHouse) -> None:
    """What `watching` writes when wrong answers ring, and enough rows have come since."""
    assert house.state is not None
    told = {"at": 120, "since": 100, "observed": 0.4, "mean": 0.1, "level": 0, "version": house.live(), "request": ""}
    renewal = Renewal(100, 299, 0.1, 0.2, window=100)
    with house.state.transaction() as tx:
        if tx.rows("alarms_open", project=PROJECT):
            return
        tx.run("alarm_add", id=ALARM, project=PROJECT, model=MODEL, service=SERVICE, measure="wrong",
               told=json.dumps(told), at_ms=house.clock.wall_ms())  # fmt: skip
        tx.run("meta_put", key=f"watch/{SERVICE}", value=json.dumps({"renewal": renewal.state()}))


def _functions(house: SoakHouse, ran: list[str]) -> None:
    assert house.state is not None
    if not house.state.rows("pipelines_of_model", model=FLOW, limit=1):
        ran.append(house.flow.ask({}))


def ended(house: SoakHouse) -> Ended:
    """What remains, and that it holds together. AssertionError where it does not."""
    assert house.state is not None
    state: Any = house.state
    rows = house.state._state._writer.execute
    artifacts = tuple(sorted(row["digest"] for row in rows("SELECT digest FROM artifacts WHERE kind = 'folder'")))
    name = state.rows("name_get", project=PROJECT, kind="model", name="credit")[0]
    history = tuple(
        (row["cause"], row["outcome"], row["version"])
        for row in reversed(state.rows("pipelines_of_model", model=MODEL, limit=100))
    )
    functions = tuple(row["version"] for row in state.rows("pipelines_of_model", model=FLOW, limit=100))
    assert_held_together(house)
    return Ended(
        artifacts, name["digest"], name["generation"], history, functions, entries(state),
        dict(sorted(house.machine.finished.items())),
    )  # fmt: skip


def entries(state: Any) -> dict[str, int]:
    """What stands in the ledger, counted. Tries that failed and leases of tries are left out: kills of commands make
    more of those; that nothing is held is asked elsewhere.
    """
    found: Counter[str] = Counter()
    for row in state.rows("entries_newest", seq=1 << 60, limit=1_000_000):
        leaf = parse_leaf(row["bytes"])
        status = {name: value for name, value in leaf.status.items() if name not in ("isolation",)}
        if leaf.kind.startswith(("lease.", "device.")) or status.get("outcome") in AGAIN:
            continue
        if leaf.kind.startswith("run.") and status.get("step") != "pipeline":
            continue
        found[f"{leaf.kind} {json.dumps(status, sort_keys=True)}"] += 1
    return dict(sorted(found.items()))


def assert_held_together(house: SoakHouse) -> None:
    """Nothing is held, every lease was ended once, each finished step stands once, promotions have no gap, and the log
    is intact.
    """
    assert house.state is not None
    state: Any = house.state
    rows = house.state._state._writer.execute
    assert not house.leases.open()
    assert not state.rows("rollout_open", model=MODEL), "a rollout is open"
    used = [row["used_milli"] for row in state.rows("devices_of_project", project=PROJECT)]
    assert used == [0], f"devices are held: {used}"
    held = [row["name"] for row in rows("SELECT name FROM row_leases WHERE expires_ms > 0")]
    assert not held, f"row leases are held: {held}"
    twice = rows(
        "SELECT key, count(*) AS n FROM pipeline_steps WHERE state = 'done' AND key != '' GROUP BY key HAVING n > 1"
    ).fetchall()
    assert not twice, f"done twice: {[tuple(row) for row in twice]}"
    told = [parse_leaf(row["bytes"]) for row in state.rows("entries_newest", seq=1 << 60, limit=1_000_000)]
    for kind in ("lease.asked", "lease.ended"):
        subjects = Counter(leaf.subject for leaf in told if leaf.kind == kind)
        assert set(subjects.values()) == {1}, f"{kind} not once: {subjects.most_common(2)}"
    done = Counter(leaf.subject for leaf in told if leaf.kind == "step.finished" and leaf.status["outcome"] != "failed")
    assert set(done.values()) == {1}, f"a step finished twice: {done.most_common(2)}"
    generations = sorted(leaf.n["generation"] for leaf in told if leaf.kind == "model.promoted")
    assert generations == list(range(1, len(generations) + 1)), generations
    running = rows("SELECT id, kind FROM runs WHERE state = 'running'").fetchall()
    assert not running, f"runs that never end: {[tuple(row) for row in running]}"
    left = [path.name for path in (house.folder / "work").glob("*")]
    assert not left, f"folders of steps are left: {left}"
    report = verify(state, house.keys.note_key, ed25519.verify)
    assert report.intact, report.to_text()


def lived(seed: int | None, reach: int = 1, seeds: int = 1) -> tuple[Ended, SoakHouse]:
    """One life; None: undisturbed. The first kill of seed n comes at the n-th of `seeds` equal parts of the `reach`
    crossings that an undisturbed life has; how soon the next ones follow differs from seed to seed.
    """
    folder = Path(tempfile.mkdtemp(prefix="soak-", dir=MEMORY if MEMORY.is_dir() else None))
    house = SoakHouse(folder, seed or 0, step_kills=0.0 if seed is None else STEP_KILLS)
    try:
        if seed is not None:
            _torment(house, random.Random(seed), 1 + (seed * reach // seeds) % reach)
        return live_through(house), house
    finally:
        clear(house)


def _torment(house: SoakHouse, chance: random.Random, first: int) -> None:
    """Have the house die again and again."""
    apart = chance.choice((15, 60, 250, 1000, 4000))
    house.points.dies_at = first
    died = house.died

    def again() -> None:
        died()
        if house.kills < MOST_KILLS:
            house.points.dies_at = house.points.crossed + 1 + int(chance.expovariate(1 / apart))

    house.died = again  # type: ignore[method-assign]


def soak(first: int, count: int, of: int | None = None) -> dict[str, Any]:
    """Seeds `first` to `first + count - 1`, of so many among which all crossings are divided."""
    expected, undisturbed = lived(None)
    reach = undisturbed.points.crossed
    kills, step_kills, wrong = 0, 0, []
    where: Counter[str] = Counter()
    for seed in range(first, first + count):
        try:
            found, house = lived(seed, reach, of or count)
        except AssertionError as error:
            wrong.append(f"seed {seed}: {error}")
            continue
        kills, step_kills = kills + house.kills, step_kills + house.machine.step_kills
        where.update(house.points.died)
        wrong += [f"seed {seed}: {one[:600]}" for one in expected.differences(found)]
    return {
        "seeds": count, "crossings_of_one_life": reach, "kills": kills, "kinds_of_places": len(where),
        "kills_of_commands": step_kills, "pipelines": len(expected.history) + len(expected.functions),
        "artifacts": len(expected.artifacts), "differences": wrong,
    }  # fmt: skip


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--first", type=int, default=1)
    asked = parser.parse_args()
    began = time.perf_counter()
    found = soak(asked.first, asked.seeds)
    found["s"] = round(time.perf_counter() - began, 1)
    print(json.dumps(found, indent=1))
    if asked.seeds >= 1000:
        from bench.report import write_result

        write_result(
            "soak_lifecycle",
            asked="kill -9 at every transition, 1,000 seeds: same final digests as without, 0 lost or doubled",
            ran="the same in one process and virtual time, commands killed as well; real processes: soak_processes",
            rows=[{**found, "differences": len(found["differences"])}],
            seeds=list(range(asked.first, asked.first + asked.seeds)),
        )
    return 1 if found["differences"] else 0


if __name__ == "__main__":
    sys.exit(main())
