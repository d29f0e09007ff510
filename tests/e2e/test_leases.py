# SPDX-License-Identifier: Apache-2.0
"""Shares of devices through the real command line: real processes, a real daemon that is killed, simulated devices."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from colonnade.testing.project import Project, until

pytestmark = pytest.mark.slow
DECLARATION = """\
version: 1
project: shares
compute:
  devices: {devices}
  grace_s: {grace_s}
  queues: {queues}
"""
Begin = Callable[..., Project]
STARTED: list[subprocess.Popen[str]] = []


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Begin]:
    """A project with simulated devices that is up; whatever still runs is ended afterwards."""
    made: list[Project] = []

    def up(devices: str = "simulated://8xH100-80GB", grace_s: int = 2, queues: str = "{}") -> Project:
        tmp_path.joinpath("colonnade.yaml").write_text(
            DECLARATION.format(devices=devices, grace_s=grace_s, queues=queues), "utf-8"
        )
        made.append(Project(tmp_path))
        made[0].up()
        return made[0]

    yield up
    for run in STARTED:
        run.kill()
        run.communicate()
    STARTED.clear()
    for project in made:
        for lease in gpu(project)["leases"]:
            project.run("gpu", "--release", lease["ref"])
            with contextlib.suppress(ProcessLookupError):
                os.kill(lease["pid"] or os.getpid(), signal.SIGKILL if lease["pid"] else 0)
        project.down()


def gpu(project: Project) -> Mapping[str, Any]:
    found: Mapping[str, Any] = project.run("gpu", "--json").json
    return found


def states(project: Project) -> Counter[str]:
    return Counter(lease["state"] for lease in gpu(project)["leases"])


def kept(project: Project) -> dict[str, int]:
    """State of each lease -> what is held of all devices, from one look."""
    document = gpu(project)
    used = sum(device["used_milli"] for device in document["devices"])
    return {lease["state"]: used for lease in document["leases"]}


def pids(project: Project) -> set[int]:
    return {lease["pid"] for lease in gpu(project)["leases"] if lease["pid"]}


def start(project: Project, *words: str) -> subprocess.Popen[str]:
    STARTED.append(project.start("run", *words))
    return STARTED[-1]


def ended(run: subprocess.Popen[str]) -> tuple[int, str]:
    """Its exit code and what it said on stderr."""
    _, err = run.communicate(timeout=20)
    return run.returncode, err


def test_seventeen_halves_on_eight_devices_survive_the_daemon_and_follow_one_another(begin: Begin) -> None:
    project = begin()
    runs = [start(project, "--gpu", "0.5", "--", "sleep", "60") for _ in range(17)]
    until(lambda: states(project) == {"held": 16, "pending": 1} and len(pids(project)) == 16, 30)
    document = gpu(project)
    assert [device["used_milli"] for device in document["devices"]] == [1000] * 8
    waiting = next(lease for lease in document["leases"] if lease["state"] == "pending")
    held = {lease["id"]: lease["pid"] for lease in document["leases"] if lease["state"] == "held"}
    wait = project.run("why", waiting["ref"], "--json").json["wait"]
    assert {dimension["name"] for dimension in wait["dimensions"]}
    assert {ref.removeprefix("lease/") for ref in wait["would_free"]} == set(held)

    project.kill()
    assert gpu(project)["daemon"] == "stopped"
    assert {lease["id"]: lease["pid"] for lease in gpu(project)["leases"] if lease["pid"]} == held
    project.up()
    until(lambda: states(project) == {"held": 16, "pending": 1}, 30)
    assert {lease["id"]: lease["pid"] for lease in gpu(project)["leases"] if lease["pid"]} == held

    os.kill(next(iter(held.values())), signal.SIGKILL)
    until(lambda: states(project) == {"held": 16}, 30)
    until(lambda: sum(run.poll() is not None for run in runs) == 1, 30)
    assert next(run.returncode for run in runs if run.returncode is not None) == 137
    for run in runs:
        run.terminate()
    assert {ended(run)[0] for run in runs} == {137, 143}
    until(lambda: not gpu(project)["leases"], 30)


def test_what_ignores_sigterm_keeps_its_share_until_it_is_gone(begin: Begin) -> None:
    project = begin(grace_s=8)
    run = start(project, "--", "sh", "-c", "trap '' TERM; while :; do sleep 0.1; done")
    until(lambda: pids(project), 30)
    run.terminate()
    until(lambda: kept(project) == {"releasing": 1000}, 6)
    assert ended(run)[0] == 137
    until(lambda: not gpu(project)["leases"], 30)


def test_a_queue_gets_its_guarantee_back_from_what_was_borrowed_alone(begin: Begin) -> None:
    project = begin(queues="{A: {guaranteed: 4}, B: {guaranteed: 4}}")
    lent = [start(project, "--queue", "A", "--", "sleep", "60") for _ in range(8)]
    until(lambda: states(project) == {"held": 8}, 60)
    back = start(project, "--queue", "B", "--gpus", "4", "--", "sleep", "60")
    until(lambda: states(project) == {"held": 5}, 30)
    queues = Counter(lease["queue"] for lease in gpu(project)["leases"])
    assert queues == {"A": 4, "B": 1}
    until(lambda: sum(run.poll() is not None for run in lent) == 4, 30)
    for code, err in (ended(run) for run in lent if run.poll() is not None):
        assert code == 143
        assert "borrowed" in err
    assert back.poll() is None


def test_what_cannot_be_had_is_refused_with_what_can_be(begin: Begin) -> None:
    project = begin("simulated://1xL4-24GB?isolation=soft")
    refused = project.run("run", "--isolation-at-least", "hard", "--", "true")
    assert refused.code == 3
    assert "soft" in refused.err
    assert project.run("run", "--isolation-at-least", "soft", "--", "true").code == 0
    wrong = project.run("run", "--gpu", "1.5", "--", "true")
    assert (wrong.code, "hint:" in wrong.err) == (2, True)
    assert project.run("run", "--gpus", "2", "--", "true").code == 2
    gang = project.run("run", "--workers", "2", "--", "true")
    assert (gang.code, "starts whole" in gang.err) == (2, True)
    assert project.run("gpu", "--usage", "--days", "0").code == 2
    assert project.run("run", "--", "sh", "-c", "exit 9").code == 9
    assert project.run("run", "--", "no-such-command").code == 127


def test_a_queue_that_is_declared_no_more_is_listed_only_while_something_is_in_it(begin: Begin) -> None:
    project = begin(queues="{a: {guaranteed: 1}, b: {guaranteed: 1}}")
    run = project.run("run", "--detach", "--queue", "b", "--", "sleep", "60").out.strip()
    until(lambda: states(project) == {"held": 1}, 30)
    project.down()
    project = begin(queues="{a: {guaranteed: 1}}")
    listed = {queue["name"]: queue["guaranteed_milli"] for queue in gpu(project)["queues"]}
    assert listed == {"default": 0, "a": 1000, "b": 0}
    assert project.run("gpu", "--release", run).code == 0
    until(lambda: {queue["name"] for queue in gpu(project)["queues"]} == {"default", "a"}, 30)


def test_a_gang_that_nobody_reads_any_more_ends_without_a_traceback(begin: Begin) -> None:
    project = begin()
    gang = start(project, "--gpus", "0", "--workers", "2", "--", "sh", "-c", "echo here; exec yes")
    assert gang.stdout is not None
    assert gang.stdout.readline() == "here\n"
    gang.stdout.close()
    gang.stdout = None
    assert ended(gang) == (0, "")
    until(lambda: not gpu(project)["leases"], 60)


def test_what_runs_is_seen_and_ended_though_nothing_is_declared_any_more(begin: Begin) -> None:
    project = begin()
    detached = project.run("run", "--detach", "--", "sleep", "60")
    until(lambda: pids(project), 60)
    project.write("colonnade.yaml", "version: 1\nproject: shares\n")
    assert project.run("up").code == 0
    assert states(project) == {"held": 1}
    refused = project.run("run", "--", "true")
    assert (refused.code, "no section `compute`" in refused.err) == (2, True)
    unknown = project.run("gpu", "--release", "lease/nobodys")
    assert (unknown.code, "nothing is held" in unknown.err) == (2, True)
    assert project.run("gpu", "--release", detached.out.strip()).code == 0
    until(lambda: not gpu(project)["leases"], 60)


def test_whoever_waits_and_dies_takes_the_command_with_them_and_a_detached_one_goes_on(begin: Begin) -> None:
    project = begin()
    attached = start(project, "--", "sleep", "60")
    detached = project.run("run", "--detach", "--", "sh", "-c", "echo here; sleep 60")
    assert detached.code == 0
    until(lambda: len(pids(project)) == 2, 30)
    attached.kill()
    until(lambda: states(project) == {"held": 1}, 30)
    until(lambda: project.run("logs", detached.out.strip()).out == "here\n", 30)
