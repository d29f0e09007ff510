# SPDX-License-Identifier: Apache-2.0
"""What happens on a machine: GPUs fall ill and away, processes take too much, MIG splits a GPU, a caller crashes."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from colonnade.adapters.devices.nvml.options import Options
from colonnade.core.claims import Claim
from colonnade.core.errors import Refused
from colonnade.testing.devices_conformance import end
from colonnade.testing.nvml_driver import SimGpu, SimInstance
from tests.devices.conftest import NvmlBench, Open, split, whole

HALF = Claim(gpu_milli=500)
FIRST, SECOND = (gpu.uuid for gpu in whole(2))


def health(bench: NvmlBench) -> list[str]:
    return [device.health for device in bench.nvml.inventory()]


def test_the_inventory_tells_model_memory_and_what_is_on_offer(machine: Open) -> None:
    device = machine().nvml.inventory()[0]
    assert (device.model, device.memory_mib, device.isolation, device.profile) == ("H100-80GB", 81559, "soft", "")


@pytest.mark.parametrize("xid", [48, 62, 64, 74, 79, 95, 119])
def test_an_xid_of_the_hardware_cordons_its_gpu_until_it_is_forgiven(machine: Open, xid: int) -> None:
    bench = machine()
    assert health(bench) == ["healthy", "healthy"]
    bench.driver.xid(SECOND, xid)
    assert health(bench) == ["healthy", f"xid {xid}"]
    bench.reopen()
    assert health(bench) == ["healthy", f"xid {xid}"]
    bench.nvml.forgive(SECOND)
    bench.reopen()
    assert health(bench) == ["healthy", "healthy"]


@pytest.mark.parametrize("xid", [13, 31, 43, 45, 63, 68, 94, 109])
def test_an_xid_of_a_program_cordons_nothing(machine: Open, xid: int) -> None:
    bench = machine()
    health(bench)
    bench.driver.xid(FIRST, xid)
    assert health(bench) == ["healthy", "healthy"]


def test_an_xid_of_an_instance_cordons_that_instance_alone_and_one_of_the_gpu_all(machine: Open) -> None:
    bench = machine(split())
    uuids = [device.uuid for device in bench.nvml.inventory()]
    bench.driver.xid(uuids[1], 95)
    assert health(bench) == ["healthy", "xid 95", "healthy"]
    bench.nvml.forgive(uuids[1])
    assert health(bench) == ["healthy"] * 3
    bench.driver.xid(bench.driver.gpus[0].uuid, 79)
    assert health(bench) == ["xid 79", "xid 79", "healthy"]


def test_a_silent_driver_makes_no_device_vanish(machine: Open) -> None:
    bench = machine(split())
    before = [device.uuid for device in bench.nvml.inventory()]
    bench.fake.answers["nvmlDeviceGetCount_v2"] = 999
    assert [device.uuid for device in bench.nvml.inventory()] == before
    assert health(bench) == ["does not answer"] * 3
    del bench.fake.answers["nvmlDeviceGetCount_v2"]
    assert health(bench) == ["healthy"] * 3


def test_an_xid_is_forgotten_when_the_machine_starts_anew(machine: Open) -> None:
    bench = machine()
    health(bench)
    bench.driver.xid(FIRST, 79)
    assert health(bench)[0] == "xid 79"
    kept = bench.folder / "state" / "health.json"
    kept.write_text(kept.read_text().replace('"boot": "', '"boot": "another '))
    bench.reopen()
    assert health(bench)[0] == "healthy"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"boot": 1, "xids": []}', "\0"])
def test_a_damaged_file_of_health_is_no_health(machine: Open, content: str) -> None:
    bench = machine()
    (bench.folder / "state" / "health.json").write_text(content)
    bench.reopen()
    assert health(bench) == ["healthy", "healthy"]


def test_memory_errors_and_failed_remapping_cordon(machine: Open) -> None:
    bench = machine()
    bench.driver.gpus[0].ecc = 1
    bench.driver.gpus[1].remap_failed = True
    assert health(bench) == ["ecc", "row remapping failed"]


def test_a_gpu_that_nobody_may_compute_on_is_cordoned(machine: Open) -> None:
    bench = machine()
    bench.driver.gpus[0].compute_mode = 2
    assert health(bench)[0] == "compute prohibited"


def test_throttling_counts_for_a_minute_after_it_ends(machine: Open) -> None:
    bench = machine()
    bench.driver.gpus[0].slow = 0x40
    assert health(bench)[0] == "throttled (too hot)"
    bench.driver.gpus[0].slow = 0x1  # idle
    bench.passes(59_000)
    assert health(bench)[0] == "throttled (too hot)"
    bench.passes(1_000)
    assert health(bench)[0] == "healthy"


def test_a_lost_gpu_is_told_as_gone_and_the_others_work_on(machine: Open, worker: subprocess.Popen[bytes]) -> None:
    bench = machine()
    before = bench.nvml.inventory()
    bench.nvml.prepare("lse_1", HALF, [FIRST])
    bench.nvml.admit("lse_1", worker.pid)
    bench.driver.loses(FIRST)
    after = bench.nvml.inventory()
    assert [device.uuid for device in after] == [device.uuid for device in before]
    assert health(bench) == ["gone", "healthy"]
    assert [use.uuid for use in bench.nvml.use().devices] == [SECOND]
    assert bench.nvml.overuse() == []
    bench.nvml.release("lse_1")


def test_a_split_gpu_that_is_lost_takes_its_instances_along(machine: Open) -> None:
    bench = machine(split())
    before = [device.uuid for device in bench.nvml.inventory()]
    bench.driver.gpus[0].lost = 15
    assert [device.uuid for device in bench.nvml.inventory()] == before
    assert health(bench) == ["gone", "gone", "healthy"]


def test_instances_are_devices_of_their_own_and_their_gpu_is_none(machine: Open) -> None:
    bench = machine(split(), "root")
    assert [(d.uuid[:4], d.profile, d.model, d.memory_mib, d.isolation) for d in bench.nvml.inventory()] == [
        ("MIG-", "1g.10gb", "H100-80GB", 9856, "partition"),
        ("MIG-", "3g.40gb", "H100-80GB", 40192, "partition"),
        ("GPU-", "", "H100-80GB", 81559, "hard"),
    ]


def test_an_instance_of_ones_own_is_a_partition_and_a_share_of_it_is_not(machine: Open) -> None:
    bench = machine(split())
    uuid = bench.nvml.inventory()[0].uuid
    alone = bench.nvml.prepare("lse_1", Claim(isolation_at_least="partition"), [uuid])
    assert (alone.level, alone.environment["CUDA_VISIBLE_DEVICES"], alone.notes) == ("partition", uuid, ())
    with pytest.raises(Refused, match="'soft'"):
        bench.nvml.prepare("lse_2", Claim(gpu_milli=500, isolation_at_least="partition"), [uuid])
    assert bench.nvml.prepare("lse_3", HALF, [uuid]).level == "soft"


def test_a_compute_instance_that_shares_its_memory_is_no_partition(machine: Open) -> None:
    shared = SimInstance("MIG-c", "1c.3g.40gb", 1, 3, 40192, 0, 4, compute_slices=1)
    bench = machine([SimGpu("GPU-x", mig=True, instances=[shared])])
    assert bench.nvml.inventory()[0].isolation == "soft"
    assert bench.nvml.prepare("lse_1", Claim(), ["MIG-c"]).level == "soft"


def test_use_of_an_instance_is_told_by_instance(machine: Open, worker: subprocess.Popen[bytes]) -> None:
    bench = machine(split())
    small, large, _ = bench.nvml.inventory()
    bench.driver.runs(worker.pid, large.uuid, 5000, 50)
    use = bench.nvml.use()
    assert [(one.uuid, one.used_mib, one.busy_milli) for one in use.processes] == [(large.uuid, 5000, None)]
    assert [one.used_mib for one in use.devices] == [0, 5000, 0]
    assert small.uuid != large.uuid


def test_how_busy_an_instance_is_comes_from_two_samples_a_moment_apart(
    machine: Open, worker: subprocess.Popen[bytes]
) -> None:
    bench = machine(split())
    large = bench.nvml.inventory()[1].uuid
    bench.driver.runs(worker.pid, large, 5000, 33)
    told = []
    for ms in (0, 50, 100, 1000):
        bench.passes(ms)
        use = bench.nvml.use()
        told.append((use.devices[1].busy_milli, use.processes[0].busy_milli))
    assert told == [(None, None), (None, None), (330, 330), (330, 330)]
    bench.nvml.close()
    assert bench.driver.counters == {}


def test_before_hopper_nobody_tells_how_busy_an_instance_is(machine: Open, worker: subprocess.Popen[bytes]) -> None:
    gpus = split()
    gpus[0].name = "NVIDIA A100-SXM4-80GB"
    bench = machine(gpus)
    for _ in range(2):
        bench.passes(1000)
        assert bench.nvml.use().devices[0].busy_milli is None


def test_the_work_of_a_client_of_mps_is_unknown_where_it_is_not_told(
    machine: Open, worker: subprocess.Popen[bytes]
) -> None:
    bench = machine()
    bench.driver.runs(worker.pid, FIRST, 100, mps=True)
    bench.driver.runs(worker.pid + 1, FIRST, 100, 40, mps=True)
    assert [one.busy_milli for one in bench.nvml.use().processes] == [None, 400]


def test_legal_placements_are_told_and_what_is_taken(machine: Open) -> None:
    bench = machine(split(), "root")
    mig, other = bench.nvml.splits()
    assert (mig.capable, mig.enabled, other.enabled) == (True, True, False)
    assert list(mig.taken) == [(4, 4), (0, 1)]
    assert [(profile.name, profile.placements) for profile in mig.profiles] == [
        ("1g.10gb", tuple((start, 1) for start in range(7))),
        ("2g.20gb", ((0, 2), (2, 2), (4, 2))),
        ("3g.40gb", ((0, 4), (4, 4))),
        ("4g.40gb", ((0, 4),)),
        ("7g.80gb", ((0, 8),)),
    ]


def test_a_process_in_both_lists_counts_once(machine: Open, worker: subprocess.Popen[bytes]) -> None:
    bench = machine()
    bench.driver.runs(worker.pid, FIRST, 100, mps=True)
    assert [(one.pid, one.used_mib) for one in bench.nvml.use().processes] == [(worker.pid, 100)]


def test_the_share_of_time_is_what_came_since_the_last_sample(machine: Open, worker: subprocess.Popen[bytes]) -> None:
    bench = machine()
    for percent in (10, 31):
        bench.driver.runs(worker.pid, FIRST, 100, percent)
    assert bench.nvml.use().processes[0].busy_milli == 205
    assert bench.nvml.use().processes[0].busy_milli == 0
    bench.driver.runs(worker.pid, FIRST, 100, 1)
    assert bench.nvml.use().processes[0].busy_milli == 10


def test_looking_for_overuse_takes_no_sample_away(machine: Open, worker: subprocess.Popen[bytes]) -> None:
    bench = machine()
    bench.nvml.prepare("lse_1", HALF, [FIRST])
    bench.nvml.admit("lse_1", worker.pid)
    bench.driver.runs(worker.pid, FIRST, 100, 7)
    bench.nvml.overuse()
    assert bench.nvml.use().processes[0].busy_milli == 70


def test_where_shares_are_not_told_whoever_is_alone_is_as_busy_as_the_device(
    machine: Open, worker: subprocess.Popen[bytes]
) -> None:
    bench = machine()
    bench.fake.answers["nvmlDeviceGetProcessUtilization"] = 3
    bench.driver.runs(worker.pid, FIRST, 100, 40)
    assert bench.nvml.use().processes[0].busy_milli == 400
    bench.driver.runs(worker.pid + 1, FIRST, 100, 40)
    assert [one.busy_milli for one in bench.nvml.use().processes] == [None, None]


def test_the_driver_refuses_memory_beyond_a_hard_limit(machine: Open, worker: subprocess.Popen[bytes]) -> None:
    bench = machine(rights="root")
    kept = bench.nvml.prepare("lse_1", Claim(gpu_milli=250, gpu_mib=4000, gpu_limit_mib=8000), [FIRST])
    assert (kept.level, Path(kept.cgroup).is_dir()) == ("hard", True)
    assert not any(name.startswith(("XLA", "PYTORCH")) for name in kept.environment)
    assert bench.driver.limits == {(FIRST, kept.cgroup): (4000 << 20, 8000 << 20)}
    assert bench.nvml.admit("lse_1", worker.pid) == "hard"
    bench.driver.cgroup_of[worker.pid] = kept.cgroup
    assert bench.driver.runs(worker.pid, FIRST, 8000)
    assert not bench.driver.runs(worker.pid, FIRST, 8001)
    assert bench.nvml.overuse() == []
    end(worker)
    bench.driver.exits(worker.pid)
    bench.nvml.release("lse_1")
    assert (bench.driver.limits, Path(kept.cgroup).exists()) == ({}, False)


def test_memory_taken_before_the_cgroup_held_the_process_is_not_called_hard(
    machine: Open, worker: subprocess.Popen[bytes]
) -> None:
    bench = machine(rights="root")
    assert bench.nvml.prepare("lse_1", HALF, [FIRST]).level == "hard"
    bench.driver.runs(worker.pid, FIRST, 500)
    assert bench.nvml.admit("lse_1", worker.pid) == "soft"
    bench.driver.runs(worker.pid, FIRST, 60_000)
    assert [(one.lease, one.stop) for one in bench.nvml.overuse()] == [("lse_1", False)]


def test_a_process_that_was_started_in_its_cgroup_is_held_hard_whatever_it_took(
    machine: Open, worker: subprocess.Popen[bytes]
) -> None:
    bench = machine(rights="root")
    kept = bench.nvml.prepare("lse_1", HALF, [FIRST])
    (Path(kept.cgroup) / "cgroup.procs").write_text(f"{worker.pid}\n")
    bench.driver.runs(worker.pid, FIRST, 500)
    assert bench.nvml.admit("lse_1", worker.pid) == "hard"


def test_what_is_kept_for_leases_fits_the_device_however_high_their_limits_are(machine: Open) -> None:
    bench = machine(rights="root")
    for name in ("lse_1", "lse_2"):
        bench.nvml.prepare(name, Claim(gpu_milli=500, gpu_limit_mib=1 << 20), [FIRST])
    assert [(soft >> 20, hard >> 20) for soft, hard in bench.driver.limits.values()] == [(40779, 81559)] * 2


def test_a_driver_that_sets_no_limit_leaves_the_next_weaker_level(machine: Open) -> None:
    bench = machine(rights="root")
    bench.fake.answers["nvmlDeviceSetMemoryLimits_v1"] = 4
    kept = bench.nvml.prepare("lse_1", HALF, [FIRST])
    assert kept.level == "soft"
    assert any("not permitted" in note for note in kept.notes)
    with pytest.raises(Refused) as refused:
        bench.nvml.prepare("lse_2", Claim(gpu_milli=500, isolation_at_least="hard"), [FIRST])
    assert refused.value.code == "isolation_unavailable"
    assert not list((bench.cgroups / "colonnade").iterdir())


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda bench: bench.fake.leave_out("nvmlDeviceSetMemoryLimits_v1"), "r615"),
        (lambda bench: (bench.cgroups / "cgroup.controllers").unlink(), "cgroup v2"),
        (lambda bench: setattr(bench, "rights", "none"), "root"),
        (lambda bench: bench.fake.answers.update(nvmlDeviceGetMemoryLimits_v1=3), "not supported"),
    ],
)
def test_what_hard_would_need_is_named(machine: Open, spoil: object, says: str) -> None:
    bench = machine(rights="root")
    spoil(bench)  # type: ignore[operator]
    kept = bench.reopen().prepare("lse_1", HALF, [FIRST])
    assert kept.level == "soft"
    assert any(says in note for note in kept.notes), kept.notes


def test_frameworks_are_told_their_share_where_nothing_stronger_is_had(machine: Open) -> None:
    bench = machine()
    told = bench.nvml.prepare("lse_1", Claim(gpu_milli=250), [FIRST]).environment
    assert (told["XLA_CLIENT_MEM_FRACTION"], told["CUPY_GPU_MEMORY_LIMIT"]) == ("0.249", str(20389 << 20))
    assert "PYTORCH_CUDA_ALLOC_CONF" not in told
    bench.options = Options(torch=True)
    told = bench.reopen().prepare("lse_2", Claim(gpu_milli=250), [FIRST]).environment
    assert told["PYTORCH_CUDA_ALLOC_CONF"] == "per_process_memory_fraction:0.249"


def test_processes_of_one_lease_exceed_its_share_together_and_others_are_left_alone(
    machine: Open, worker: subprocess.Popen[bytes]
) -> None:
    bench = machine()
    bench.nvml.prepare("lse_1", Claim(gpu_milli=500, gpu_limit_mib=1000), [FIRST])
    with subprocess.Popen(["sh", "-c", "sleep 60 & echo $!; wait"], stdout=subprocess.PIPE) as shell:
        assert shell.stdout is not None
        child = int(shell.stdout.readline())
        bench.nvml.admit("lse_1", shell.pid)
        bench.driver.runs(shell.pid, FIRST, 600)
        bench.driver.runs(child, FIRST, 600)
        bench.driver.runs(worker.pid, FIRST, 40_000)  # a stranger
        bench.nvml.overuse()
        bench.passes(5_000)
        assert [(one.lease, one.used_mib, one.stop) for one in bench.nvml.overuse()] == [("lse_1", 1200, True)]
        bench.driver.runs(child, FIRST, 100)
        assert bench.nvml.overuse() == []
        bench.driver.runs(child, FIRST, 600)
        assert [one.stop for one in bench.nvml.overuse()] == [False]
        os.kill(child, signal.SIGKILL)
        shell.kill()


def test_memory_on_a_device_that_is_not_the_leases_is_over_its_share(
    machine: Open, worker: subprocess.Popen[bytes]
) -> None:
    bench = machine()
    bench.nvml.prepare("lse_1", HALF, [FIRST])
    bench.nvml.admit("lse_1", worker.pid)
    bench.driver.runs(worker.pid, SECOND, 10)
    assert [(one.uuid, one.limit_mib) for one in bench.nvml.overuse()] == [(SECOND, 0)]


def test_where_nobody_tells_what_processes_hold_nothing_is_promised(machine: Open) -> None:
    bench = machine()
    bench.fake.answers["nvmlDeviceGetComputeRunningProcesses_v3"] = 3
    assert [device.isolation for device in bench.nvml.inventory()] == ["none", "none"]
    assert bench.nvml.prepare("lse_1", HALF, [FIRST]).level == "none"


def test_after_a_crash_the_cgroup_of_a_lease_that_is_no_more_is_taken_away(machine: Open) -> None:
    bench = machine(rights="root")
    kept = [bench.nvml.prepare(name, HALF, [FIRST]).cgroup for name in ("lse_1", "lse_2")]
    (bench.folder / "state" / "leases" / "lse_1.json").unlink()
    bench.reopen()
    assert [Path(folder).exists() for folder in kept] == [False, True]
    assert [folder for _, folder in bench.driver.limits] == [kept[1]]


def test_several_instances_come_with_a_warning(machine: Open) -> None:
    bench = machine(split())
    uuids = [device.uuid for device in bench.nvml.inventory()[:2]]
    kept = bench.nvml.prepare("lse_1", Claim(gpus=2), uuids)
    assert (kept.level, len(kept.notes)) == ("partition", 1)
