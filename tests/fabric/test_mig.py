# SPDX-License-Identifier: Apache-2.0
"""MIG: legal placements as NVIDIA lists them, and an engine that never refuses what fits."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colonnade.core.claims import Claim
from colonnade.fabric.mig.demand import Demand
from colonnade.fabric.mig.layout import Instance, legal_starts, profile_for, remaining, slices
from colonnade.fabric.mig.placer import MigPlacer, Spot
from colonnade.fabric.mig.profiles import GEOMETRIES, geometry_of
from colonnade.fabric.mig.states import states_of
from colonnade.fabric.mig.worth import prices, worths

H100 = GEOMETRIES["H100-80GB"]
A30 = GEOMETRIES["A30-24GB"]
NAMES = tuple(profile.name for profile in H100.profiles)
LISTED = {  # nvidia-smi mig -lgipp
    "H100-80GB": "{0,1,2,3,4,5,6}:1 {0,2,4,6}:2 {0,2,4}:2 {0,4}:4 {0}:4 {0}:8",
    "A100-40GB": "{0,1,2,3,4,5,6}:1 {0,2,4,6}:2 {0,2,4}:2 {0,4}:4 {0}:4 {0}:8",
    "A30-24GB": "{0,1,2,3}:1 {0,2}:2 {0}:4",
}
MOST = {  # "Number of instances available" in NVIDIA's MIG user guide
    "H100-80GB": (7, 4, 3, 2, 1, 1),
    "H200-141GB": (7, 4, 3, 2, 1, 1),
    "A30-24GB": (4, 2, 1),
}


@pytest.mark.parametrize("model", LISTED)
def test_starts_are_those_that_the_driver_lists(model: str) -> None:
    ours = ["{" + ",".join(map(str, p.starts)) + "}:" + str(p.size) for p in GEOMETRIES[model].profiles]
    assert " ".join(ours) == LISTED[model]


@pytest.mark.parametrize("model", MOST)
def test_as_many_instances_of_one_profile_fit_as_nvidia_says(model: str) -> None:
    for profile, most in zip(GEOMETRIES[model].profiles, MOST[model], strict=True):
        layouts = states_of(GEOMETRIES[model], (profile.name,)).spots
        assert max(map(len, layouts)) == most


@pytest.mark.parametrize("model", GEOMETRIES)
def test_what_fits_by_memory_also_fits_by_compute_and_by_the_device_s_memory(model: str) -> None:
    geometry = GEOMETRIES[model]
    whole = geometry.profiles[-1].memory_mib
    for layout in states_of(geometry, tuple(p.name for p in geometry.profiles)).spots:
        assert sum(geometry.profiles[p].compute for p, _ in layout) <= geometry.compute
        assert sum(geometry.profiles[p].memory_mib for p, _ in layout) <= whole


def test_layouts_of_one_class_have_equal_futures() -> None:
    states = states_of(H100, NAMES)
    for number, kind in enumerate(states.kind):
        fitting = {p for p, _ in states.after_add[number]}
        assert fitting == set(np.flatnonzero(states.fits[kind]).tolist())
        assert states.ends[kind].sum() == len(states.spots[number])


def test_a_claim_gets_the_smallest_profile_with_its_share_and_memory() -> None:
    def name(milli: int, mib: int = 0) -> str | None:
        found = profile_for(Claim(gpu_milli=milli, gpu_mib=mib), H100)
        return None if found is None else found.name

    assert [name(m) for m in (1, 142, 143, 285, 428, 429, 500, 571, 572, 1000)] == [
        "1g.10gb", "1g.10gb", "2g.20gb", "2g.20gb", "3g.40gb", "4g.40gb", "4g.40gb", "4g.40gb", "7g.80gb", "7g.80gb",
    ]  # fmt: skip
    assert [name(1, g * 1024) for g in (9, 10, 19, 20, 39, 40, 79, 80)] == [
        "1g.10gb", "1g.20gb", "1g.20gb", "3g.40gb", "3g.40gb", "7g.80gb", "7g.80gb", None,
    ]  # fmt: skip


def test_a_limit_counts_as_memory_when_it_is_above_what_is_kept() -> None:
    found = profile_for(Claim(gpu_milli=100, gpu_mib=1, gpu_limit_mib=15_000), H100)
    assert found is not None
    assert found.name == "1g.20gb"


def test_what_is_left_follows_from_the_instances() -> None:
    left = remaining(H100, [Instance("3g.40gb", 4), Instance("1g.10gb", 1)])
    assert left == {
        "1g.10gb": (0, 2, 3), "1g.20gb": (2,), "2g.20gb": (2,), "3g.40gb": (), "4g.40gb": (), "7g.80gb": (),
    }  # fmt: skip


@pytest.mark.parametrize("wrong", [[("4g.40gb", 4)], [("1g.10gb", 7)], [("2g.20gb", 0), ("1g.10gb", 1)]])
def test_instances_that_no_driver_makes_are_an_error(wrong: list[tuple[str, int]]) -> None:
    with pytest.raises(ValueError, match="no legal placement"):
        slices(H100, [Instance(*pair) for pair in wrong])


@pytest.mark.parametrize(
    "name, model",
    [("NVIDIA A30", "A30-24GB"), ("NVIDIA A100-SXM4-80GB", "A100-80GB"), ("NVIDIA H200", "H200-141GB")],
)
def test_a_driver_s_long_name_finds_the_geometry(name: str, model: str) -> None:
    found = geometry_of(name)
    assert found is not None
    assert found.model == model


def test_an_a10_or_an_unknown_memory_is_not_guessed() -> None:
    assert geometry_of("NVIDIA A10") is None
    assert geometry_of("NVIDIA H100 NVL") is None


STEPS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 999)), max_size=120)


@settings(max_examples=60, deadline=None)
@given(steps=STEPS, gpus=st.integers(1, 5))
def test_nothing_is_refused_that_fits_and_nothing_ever_overlaps(steps: list[tuple[int, int]], gpus: int) -> None:
    placer = MigPlacer([H100] * gpus)
    held: list[Spot] = []
    for what, which in steps:
        if what < len(NAMES):
            spot = placer.choose(NAMES[what])
            layouts = [[Instance(s.profile, s.start) for s in held if s.gpu == gpu] for gpu in range(gpus)]
            legal = [legal_starts(H100, layout, H100.profile(NAMES[what])) for layout in layouts]
            assert (spot is not None) == any(legal)
            if spot is not None:
                assert spot.start in legal[spot.gpu]
                placer.take(spot)
                held.append(spot)
        elif held:
            placer.give(held.pop(which % len(held)))
        assert placer.openings() == {
            name: sum(
                bool(legal_starts(H100, [Instance(s.profile, s.start) for s in held if s.gpu == g], H100.profile(name)))
                for g in range(gpus)
            )
            for name in NAMES
        }


def churn(placer: MigPlacer, seed: int, requests: int, names: tuple[str, ...] = NAMES) -> list[Spot | None]:
    """Requests and endings in an order that the seed makes; the choices."""
    dice, held, choices = random.Random(seed), list[Spot](), []
    for _ in range(requests):
        choices.append(placer.choose(dice.choice(names)))
        if choices[-1] is not None:
            placer.take(choices[-1])
            held.append(choices[-1])
        while held and dice.random() < len(held) / 40:
            placer.give(held.pop(dice.randrange(len(held))))
    return choices


def test_the_same_history_gives_the_same_choices() -> None:
    assert churn(MigPlacer([H100] * 8), 3, 400) == churn(MigPlacer([H100] * 8), 3, 400)


def test_more_is_accepted_than_by_first_fit() -> None:
    names = ("1g.10gb", "2g.20gb", "3g.40gb", "4g.40gb", "7g.80gb")

    class FirstFit(MigPlacer):
        def choose(self, *profiles: str) -> Spot | None:
            for gpu, number in enumerate(self._layout):
                for p, start in sorted(self._kind_of[gpu].states.after_add[number]):
                    if self._kind_of[gpu].names[p] == profiles[0]:
                        return Spot(gpu, profiles[0], start)
            return None

    def accepted(kind: type[MigPlacer]) -> int:
        dice = random.Random(11)
        placer, held, count = kind([H100] * 30, profiles=names), list[Spot](), 0
        for _ in range(6000):
            while held and dice.random() < len(held) / (len(held) + 74):  # 74 erlangs: load 1.2
                placer.give(held.pop(dice.randrange(len(held))))
            spot = placer.choose(dice.choice(names))
            if spot is not None:
                placer.take(spot)
                held.append(spot)
                count += 1
        return count

    assert accepted(MigPlacer) > 1.01 * accepted(FirstFit)


def test_a_3g_leaves_room_for_a_4g() -> None:
    assert MigPlacer([H100]).choose("3g.40gb") == Spot(0, "3g.40gb", 4)


def test_a_cordoned_device_gets_nothing_and_keeps_what_it_has() -> None:
    placer = MigPlacer([H100, H100])
    placer.take(Spot(0, "1g.10gb", 0))
    placer.cordon(0)
    placer.cordon(0)
    assert placer.choose("7g.80gb") == Spot(1, "7g.80gb", 0)
    placer.cordon(1)
    assert placer.choose("1g.10gb") is None
    placer.give(Spot(0, "1g.10gb", 0))
    placer.cordon(0, closed=False)
    assert placer.choose("7g.80gb") == Spot(0, "7g.80gb", 0)


def test_models_side_by_side_serve_what_each_knows() -> None:
    placer = MigPlacer([A30, H100, A30])
    assert placer.choose("4g.24gb") == Spot(0, "4g.24gb", 0)
    spot = placer.choose("7g.80gb")
    assert spot == Spot(1, "7g.80gb", 0)
    placer.take(spot)
    found = placer.choose("1g.10gb", "1g.6gb")  # one request that either serves
    assert found is not None
    assert (found.gpu, found.profile) == (0, "1g.6gb")


@pytest.mark.parametrize("wrong", [Spot(0, "2g.20gb", 1), Spot(0, "1g.10gb", 4)])
def test_taking_what_is_not_legal_is_an_error(wrong: Spot) -> None:
    placer = MigPlacer([H100])
    placer.take(Spot(0, "3g.40gb", 4))
    with pytest.raises(ValueError, match="cannot start"):
        placer.take(wrong)


def test_giving_what_was_never_taken_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"no 1g\.10gb"):
        MigPlacer([H100]).give(Spot(0, "1g.10gb", 4))


def test_demand_is_learned_from_requests_and_endings() -> None:
    dice, demand, held = random.Random(5), Demand(np.array([1.0, 1.0])), [0, 0]
    for _ in range(40_000):  # 20 erlangs of the first, 5 of the second, which holds half as long
        rates = [20.0, 10.0, held[0] * 1.0, held[1] * 2.0]
        event = dice.choices(range(4), rates)[0]
        if event < 2:
            demand.ask(event)
            demand.start(event)
            held[event] += 1
        else:
            demand.end(event - 2)
            held[event - 2] -= 1
    erlangs, end = demand.rates()
    assert erlangs == pytest.approx([20, 5], rel=0.1)
    assert end[1] / end[0] == pytest.approx(2, rel=0.1)


@given(erlangs=st.floats(0, 1e5))
@settings(max_examples=40, deadline=None)
def test_an_opening_is_worth_less_the_more_there_are(erlangs: float) -> None:
    found = prices(erlangs, 200)
    assert found[0] == 1.0
    assert (np.diff(found) <= 1e-12).all()
    assert found.min() > 0


def test_the_empty_device_is_worth_most_and_a_full_one_something() -> None:
    states = states_of(H100, NAMES)
    worth = worths(states, np.full(len(NAMES), 0.5), np.ones(len(NAMES)))
    assert worth.sum(1).argmax() == 0
    assert (worth > 0).all()
