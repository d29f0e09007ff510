# SPDX-License-Identifier: Apache-2.0
"""The control daemons of MPS live as long as a lease needs them: started, adopted, found dead, started anew, ended."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from colonnade.adapters.devices.mps import Mps
from colonnade.adapters.devices.nvml.options import Options, read_options
from colonnade.core.claims import Claim
from colonnade.core.errors import UsageError
from tests.devices.conftest import NvmlBench, Open, whole

QUARTER = Claim(gpu_milli=250)
FIRST, SECOND = (gpu.uuid for gpu in whole(2))


@pytest.fixture
def bench(machine: Open) -> NvmlBench:
    return machine(rights="mps")


def pid_of(bench: NvmlBench, uuid: str) -> int:
    return int((bench.mps().pipes(uuid) / "nvidia-cuda-mps-control.pid").read_text())


def test_the_first_lease_starts_a_daemon_for_its_device_and_the_last_ends_it(bench: NvmlBench) -> None:
    mps = bench.mps()
    assert not mps.alive(FIRST)
    bench.nvml.prepare("lse_1", QUARTER, [FIRST])
    first = pid_of(bench, FIRST)
    bench.nvml.prepare("lse_2", QUARTER, [FIRST])
    assert (mps.alive(FIRST), mps.alive(SECOND), pid_of(bench, FIRST)) == (True, False, first)
    assert (mps.pipes(FIRST) / "seen.txt").read_text() == FIRST
    bench.nvml.release("lse_1")
    assert mps.alive(FIRST)
    bench.nvml.release("lse_2")
    assert not mps.alive(FIRST)
    assert not mps.pipes(FIRST).exists()


def test_a_client_is_told_its_daemon_its_share_and_its_limit(bench: NvmlBench) -> None:
    kept = bench.nvml.prepare("lse_1", Claim(gpu_milli=255, gpu_limit_mib=9000), [FIRST])
    told = kept.environment
    assert kept.level == "soft"
    assert told["CUDA_MPS_PIPE_DIRECTORY"] == str(bench.mps().pipes(FIRST))
    assert told["CUDA_MPS_ACTIVE_THREAD_PERCENTAGE"] == "25"
    assert told["CUDA_MPS_PINNED_DEVICE_MEM_LIMIT"] == f"{FIRST}=9000M"
    assert told["CUDA_VISIBLE_DEVICES"] == FIRST
    assert "XLA_CLIENT_MEM_FRACTION" not in told


def test_under_a_hard_limit_mps_bounds_the_multiprocessors_only(machine: Open) -> None:
    kept = machine(rights="root+mps").nvml.prepare("lse_1", QUARTER, [FIRST])
    assert (kept.level, kept.environment["CUDA_MPS_ACTIVE_THREAD_PERCENTAGE"]) == ("hard", "25")
    assert "CUDA_MPS_PINNED_DEVICE_MEM_LIMIT" not in kept.environment


def test_a_crash_of_the_caller_leaves_the_daemon_and_the_next_one_adopts_it(bench: NvmlBench) -> None:
    bench.nvml.prepare("lse_1", QUARTER, [FIRST])
    before = pid_of(bench, FIRST)
    bench.reopen().prepare("lse_2", QUARTER, [FIRST])
    assert pid_of(bench, FIRST) == before


def test_a_daemon_that_no_lease_needs_any_more_is_ended_after_a_crash(bench: NvmlBench) -> None:
    bench.nvml.prepare("lse_1", QUARTER, [FIRST])
    (bench.folder / "state" / "leases" / "lse_1.json").unlink()
    bench.reopen()
    assert not bench.mps().alive(FIRST)


def kill(bench: NvmlBench, uuid: str) -> int:
    pid = pid_of(bench, uuid)
    os.kill(pid, signal.SIGKILL)
    while bench.mps().alive(uuid):
        pass
    return pid


def test_a_dead_daemon_is_found_and_started_anew(bench: NvmlBench) -> None:
    bench.nvml.prepare("lse_1", QUARTER, [FIRST])
    dead = kill(bench, FIRST)
    bench.nvml.overuse()
    assert bench.mps().alive(FIRST)
    assert pid_of(bench, FIRST) != dead
    again = kill(bench, FIRST)
    bench.nvml.prepare("lse_2", QUARTER, [FIRST])
    assert pid_of(bench, FIRST) not in (dead, again)


def test_a_daemon_that_does_not_start_leaves_what_frameworks_can_be_told(bench: NvmlBench) -> None:
    bench.refuse.touch()
    kept = bench.nvml.prepare("lse_1", QUARTER, [FIRST])
    assert kept.level == "soft"
    assert "XLA_CLIENT_MEM_FRACTION" in kept.environment
    assert "CUDA_MPS_PIPE_DIRECTORY" not in kept.environment
    assert any("already running" in note for note in kept.notes)


@pytest.mark.parametrize(
    ("claim", "uuids", "why"),
    [
        (Claim(), [FIRST], "whole devices"),
        (Claim(gpus=2, gpu_milli=500), [FIRST, SECOND], "several devices"),
    ],
)
def test_where_mps_does_not_fit_it_is_said_why(bench: NvmlBench, claim: Claim, uuids: list[str], why: str) -> None:
    kept = bench.nvml.prepare("lse_1", claim, uuids)
    assert "CUDA_MPS_PIPE_DIRECTORY" not in kept.environment
    assert any(why in note for note in kept.notes)


def test_it_can_be_switched_off(bench: NvmlBench) -> None:
    bench.options = Options(mps=False)
    kept = bench.reopen().prepare("lse_1", QUARTER, [FIRST])
    assert not bench.mps().alive(FIRST)
    assert any("switched off" in note for note in kept.notes)


def test_sockets_find_room_however_long_the_path_of_the_state_is(tmp_path: Path) -> None:
    short, long = Mps(Path("/s")), Mps(tmp_path / ("x" * 100))
    assert str(short.pipes(FIRST)) == f"/s/{FIRST}/pipe"
    assert len(str(long.pipes(FIRST))) + len("/nvidia-cuda-mps-control.pid") < 107
    assert long.pipes(FIRST) != long.pipes(SECOND)


def test_pipes_that_belong_to_somebody_else_are_not_used(tmp_path: Path, bench: NvmlBench) -> None:
    pipes = bench.mps().pipes(FIRST)
    pipes.parent.mkdir(parents=True, exist_ok=True)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    pipes.symlink_to(elsewhere)
    kept = bench.nvml.prepare("lse_1", QUARTER, [FIRST])
    assert any("somebody else" in note for note in kept.notes)
    pipes.unlink()


@pytest.mark.parametrize("text", ["nvml?mps=perhaps", "nvml?mpz=on", "amd"])
def test_options_that_are_not_there_are_refused_with_a_hint(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        read_options(text)
    assert refused.value.hint
