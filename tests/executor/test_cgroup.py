# SPDX-License-Identifier: Apache-2.0
"""A command that is bound to a cgroup is in it from its first instruction, or does not begin at all."""

from __future__ import annotations

from pathlib import Path

from colonnade.adapters.executor.local import LocalExecutor
from colonnade.ports.outside.executor import Work
from colonnade.testing.project import until


def ended(executor: LocalExecutor, run: str) -> bool:
    seen = executor.seen().get(run)
    return seen is not None and seen.state == "ended"


def test_it_is_written_into_the_group_before_it_becomes_the_command(tmp_path: Path) -> None:
    group = tmp_path / "group"
    group.mkdir()
    executor = LocalExecutor(tmp_path / "runs")
    executor.start(
        Work("lse_1", ["cat", str(group / "cgroup.procs")], "/", {"PATH": "/bin:/usr/bin"}, cgroup=str(group))
    )
    until(lambda: ended(executor, "lse_1"), 10)
    assert (tmp_path / "runs/lse_1/out").read_text() == "0"
    executor.close()


def test_it_does_not_begin_outside_of_it(tmp_path: Path) -> None:
    executor = LocalExecutor(tmp_path / "runs")
    executor.start(Work("lse_1", ["echo", "here"], "/", {"PATH": "/bin:/usr/bin"}, cgroup=str(tmp_path / "none")))
    until(lambda: ended(executor, "lse_1"), 10)
    seen = executor.seen()["lse_1"]
    assert seen.code == 126
    assert "No such file" in seen.message
    assert (tmp_path / "runs/lse_1/out").read_text() == ""
    executor.close()
