# SPDX-License-Identifier: Apache-2.0
"""What `services` says of the processes that answer with a model: how many, and what each of them asks for."""

from __future__ import annotations

from pydantic import Field, field_validator, model_validator

from colonnade.app.settings.compute import Gpus, Level, Memory
from colonnade.app.settings.strict import Strict
from colonnade.core.claims import WHOLE, Claim
from colonnade.core.quantities import mib_of, milli_of

MOST = 64


class Replicas(Strict):
    """As many replicas as the load asks for, within bounds."""

    min: int = Field(1, ge=1, le=MOST, description="Always up.")
    max: int = Field(ge=1, le=MOST, description="Never more.")
    waiting: int = Field(
        8, ge=1, le=10_000, description="More replicas once so many requests have waited for each of them, for 2 s."
    )

    @model_validator(mode="after")
    def _order(self) -> Replicas:
        if self.max < self.min:
            raise ValueError(f"max ({self.max}) is below min ({self.min})")
        return self


class ReplicaClaim(Strict):
    """What each replica asks for, in a queue like any other work."""

    queue: str | None = Field(None, description="TEAM or DEPARTMENT.TEAM; default: the queue `default`.")
    gpus: int = Field(0, ge=0, le=1024, description="How many devices each replica gets.")
    gpu: float | int = Field(1, gt=0, le=1, description="The share of each of them: below 1 replicas share a device.")
    gpu_memory: Memory | None = Field(None, description="Memory kept on each of them: 2GiB.")
    isolation_at_least: Level = "none"
    cpu: Gpus = Field(0, description="CPU cores; a replica computes with as many threads, at least one.")
    memory: Memory | None = Field(None, description="Main memory: 1GiB.")

    @field_validator("gpu")
    @classmethod
    def _exact(cls, gpu: int | float) -> int | float:
        milli_of(gpu)
        return gpu

    def claim(self) -> Claim:
        """What one replica asks for. A share below a whole device means one device, though `gpus` is left out."""
        gpus = self.gpus or int(self.gpu < 1)
        memory = mib_of(self.gpu_memory) if self.gpu_memory and gpus else 0
        return Claim(
            gpus=gpus,
            gpu_milli=milli_of(self.gpu) if gpus else WHOLE,
            gpu_mib=memory,
            gpu_limit_mib=memory,
            cpu_milli=milli_of(self.cpu),
            memory_mib=mib_of(self.memory) if self.memory else 0,
            isolation_at_least=self.isolation_at_least,
        )
