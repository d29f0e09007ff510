# SPDX-License-Identifier: Apache-2.0
"""What is to be rendered, as plain values: a house, its queues, its standing jobs. No Kubernetes word in here."""

from __future__ import annotations

from dataclasses import dataclass, field

from colonnade.core.claims import WHOLE, Claim


@dataclass(frozen=True, slots=True)
class Team:
    """A queue that work is handed to.

    Attributes:
        department, name: its path; equal names where the department itself is the queue.
        guaranteed_milli, limit_milli: in thousandths of a GPU; no limit is None.
        priority: "low", "normal" or "high"; of its work.
        grace_s: between SIGTERM and SIGKILL.
    """

    department: str
    name: str
    guaranteed_milli: int
    limit_milli: int | None
    priority: str
    grace_s: int

    @property
    def path(self) -> tuple[str, ...]:
        """Department and team, or the department alone."""
        return (self.department,) if self.name == self.department else (self.department, self.name)


@dataclass(frozen=True, slots=True)
class Department:
    """Teams that borrow from each other first.

    Attributes:
        guaranteed_milli: of all of it; at least what its teams are guaranteed together.
    """

    name: str
    guaranteed_milli: int
    limit_milli: int | None
    teams: tuple[Team, ...]


@dataclass(frozen=True, slots=True)
class Work:
    """A standing job.

    Attributes:
        claim: what one worker asks for; `claim.models` the best first.
        queue: the path of its queue; () for the queue of whoever names none.
        image: "" when none was declared.
        preemptible: whether it may be stopped and started again.
    """

    name: str
    command: tuple[str, ...]
    claim: Claim
    image: str = ""
    queue: tuple[str, ...] = ()
    workers: int = 1
    priority: str = "normal"
    grace_s: int = 10
    preemptible: bool = False

    @property
    def parted(self) -> bool:
        """Whether it wants a hardware partition of a device rather than a share of it."""
        return self.claim.gpus > 0 and self.claim.gpu_milli < WHOLE and self.claim.isolation_at_least == "partition"

    @property
    def sharing(self) -> bool:
        """Whether others may be on its devices."""
        return self.claim.gpus > 0 and self.claim.gpu_milli < WHOLE and not self.parted


@dataclass(frozen=True, slots=True)
class House:
    """The daemon itself.

    Attributes:
        image: a container image with `colonnade` in it.
        declaration: the text of colonnade.yaml as it is to be read there.
        digest: of that text.
        port: where it listens.
        secrets: environment variables that hold keys; their values come from a Secret, never from here.
        outside: declared folders that would not lie beside the declaration there.
        folders: declared folders that must be put beside it.
    """

    image: str
    declaration: str
    digest: str
    port: int
    secrets: tuple[str, ...] = ()
    outside: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Site:
    """Everything of one project.

    Attributes:
        gpus: how many the cluster has for this project; 0 when it is not known.
        idle_after_s: when a share would be taken back; 0 for never.
        priced: whether GPU-hours have a price.
    """

    project: str
    house: House
    departments: tuple[Department, ...] = ()
    jobs: tuple[Work, ...] = ()
    gpus: int = 0
    idle_after_s: int = 0
    priced: bool = False
    priorities: dict[str, int] = field(default_factory=dict)

    @property
    def queued(self) -> bool:
        """Whether queues are declared: then all work goes through one."""
        return bool(self.departments)

    @property
    def in_shares(self) -> bool:
        """Whether devices are counted in thousandths; whole ones need less of the cluster."""
        queues: list[Department | Team] = []
        for department in self.departments:
            queues += [department, *department.teams]
        split = any(queue.guaranteed_milli % WHOLE or (queue.limit_milli or 0) % WHOLE for queue in queues)
        return split or any(job.sharing for job in self.jobs)
