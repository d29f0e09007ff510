# SPDX-License-Identifier: Apache-2.0
"""The section `compute` of the declaration: devices, queues, standing jobs. Read by `fabric` and by `render`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints, field_validator, model_validator

from colonnade.app.settings.strict import Name, Strict
from colonnade.core.claims import WHOLE, Claim
from colonnade.core.quantities import mib_of, milli_of, shown_milli

PRIORITIES = {"low": 0, "normal": 1, "high": 2}
DEFAULT_QUEUE = "default"
Priority = Literal["low", "normal", "high"]
Level = Literal["none", "soft", "hard", "partition"]


def _milli_checked(number: int | float) -> int | float:
    milli_of(number)
    return number


def _memory_checked(text: str) -> str:
    mib_of(text)
    return text


QueueName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9_-]{0,62}[A-Za-z0-9])?$")]
Gpus = Annotated[int | float, Field(ge=0), AfterValidator(_milli_checked)]
"""A number of GPUs, in steps of 0.001."""
Memory = Annotated[str, AfterValidator(_memory_checked)]
"""An amount of memory: 20GiB."""


class TeamQueue(Strict):
    """A queue of one team."""

    guaranteed: Gpus = Field(0, description="GPUs that it always gets back; others may borrow them while it does not.")
    limit: Gpus | None = Field(None, description="GPUs that it never exceeds, borrowed ones included; default: none.")
    priority: Priority | None = Field(None, description="Of its claims; default: its department's.")
    grace_s: int | None = Field(None, ge=0, le=3600, description="Between SIGTERM and SIGKILL; default: compute's.")

    @model_validator(mode="after")
    def _order(self) -> TeamQueue:
        if self.limit is not None and self.limit < (self.guaranteed or 0):
            raise ValueError(f"the limit ({self.limit}) is below what is guaranteed ({self.guaranteed})")
        return self


class DepartmentQueue(TeamQueue):
    """A queue of a department, with the queues of its teams."""

    guaranteed: Gpus | None = Field(  # type: ignore[assignment]
        None, description="GPUs that it always gets back; default: what its teams are guaranteed together."
    )
    queues: dict[QueueName, TeamQueue] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _teams(self) -> DepartmentQueue:
        promised = self.teams_milli
        if self.guaranteed is not None and self.queues and promised > milli_of(self.guaranteed):
            raise ValueError(
                f"its teams are guaranteed {shown_milli(promised)} GPUs together, it has only {self.guaranteed}"
            )
        return self

    @property
    def teams_milli(self) -> int:
        """What its teams are guaranteed together, in thousandths."""
        return sum(milli_of(team.guaranteed) for team in self.queues.values())

    @property
    def guaranteed_milli(self) -> int:
        """In thousandths."""
        return self.teams_milli if self.guaranteed is None else milli_of(self.guaranteed)


class Job(Strict):
    """Work that is declared once: `colonnade run JOB` runs it here, `colonnade render` describes it to a cluster."""

    command: list[str] = Field(min_length=1, description="The command and its arguments.")
    image: str | None = Field(None, min_length=1, description="The container image; used by `render` alone.")
    queue: str | None = Field(None, description="TEAM or DEPARTMENT.TEAM; default: the queue `default`.")
    gpus: int = Field(1, ge=0, le=1024, description="How many devices.")
    gpu: float | int = Field(1, gt=0, le=1, description="The share of each of them.")
    gpu_memory: Memory | None = Field(None, description="Memory kept on each of them: 20GiB.")
    isolation_at_least: Level = "none"
    models: list[str] = Field(
        default_factory=list, description="Device models that will do, the best first; default: any."
    )
    cpu: Gpus = Field(0, description="CPU cores.")
    memory: Memory | None = Field(None, description="Main memory: 16GiB.")
    workers: int = Field(1, ge=1, le=10_000, description="So many processes, all at once or none (a gang).")
    preemptible: bool = Field(False, description="It may be stopped and started again elsewhere.")

    @model_validator(mode="after")
    def _share(self) -> Job:
        milli_of(self.gpu)
        return self

    def claim(self) -> Claim:
        """What one worker asks for."""
        memory = mib_of(self.gpu_memory) if self.gpu_memory else 0
        return Claim(
            gpus=self.gpus,
            gpu_milli=milli_of(self.gpu) if self.gpus else WHOLE,
            gpu_mib=memory,
            gpu_limit_mib=memory,
            cpu_milli=milli_of(self.cpu),
            memory_mib=mib_of(self.memory) if self.memory else 0,
            models=tuple(self.models),
            isolation_at_least=self.isolation_at_least,
        )


class Compute(Strict):
    """GPUs: which there are, who may use how much of them."""

    devices: str = Field(
        "nvml",
        description="`nvml` for this machine's, `simulated://8xH100-80GB`, or `none`.",
    )
    queues: dict[QueueName, DepartmentQueue] = Field(default_factory=dict)
    grace_s: int = Field(10, ge=0, le=3600, description="Between SIGTERM and SIGKILL when a share is taken back.")
    idle_after_s: int | None = Field(
        None, ge=10, description="Take a share back that was idle for so long; default: never."
    )
    move_gpu_seconds: int = Field(
        600, ge=0, description="Per hour: how much work may be lost by moving preemptible jobs to make room."
    )
    price_per_gpu_hour: dict[str, Annotated[int | float, Field(ge=0)]] = Field(
        default_factory=dict, description="Device model -> price, for `colonnade gpu --usage`; `*` for all others."
    )
    jobs: dict[Name, Job] = Field(default_factory=dict)

    @field_validator("devices")
    @classmethod
    def _known(cls, devices: str) -> str:
        if devices not in {"nvml", "none"} and not devices.startswith(("simulated://", "nvml?")):
            raise ValueError(f"{devices!r} is none of `nvml`, `none`, `simulated://8xH100-80GB`")
        return devices

    @model_validator(mode="after")
    def _queues_exist(self) -> Compute:
        known = self.queue_names()
        for name, job in self.jobs.items():
            if job.queue is not None and job.queue not in known:
                raise ValueError(f"the job {name!r} names the queue {job.queue!r}, which is not declared")
        if DEFAULT_QUEUE in self.queues:
            raise ValueError(f"{DEFAULT_QUEUE!r} is the queue of whoever names none; call yours otherwise")
        return self

    def queue_names(self) -> dict[str, str]:
        """What people may write for a queue -> its full name (DEPARTMENT or DEPARTMENT.TEAM)."""
        names = {DEFAULT_QUEUE: DEFAULT_QUEUE}
        teams: dict[str, list[str]] = {}
        for department, queue in self.queues.items():
            names[department] = department
            for team in queue.queues:
                names[f"{department}.{team}"] = f"{department}.{team}"
                teams.setdefault(team, []).append(f"{department}.{team}")
        for team, full in teams.items():
            if len(full) == 1 and team not in names:
                names[team] = full[0]
        return names
