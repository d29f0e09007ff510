# SPDX-License-Identifier: Apache-2.0
"""What a house may offer beside knowledge, each as its own part of the gateway asks for it; None where the declaration
asks for nothing of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from colonnade.gateway.approvals import ApprovingBackend
    from colonnade.gateway.compute import ComputeBackend
    from colonnade.gateway.erasures import ErasingBackend
    from colonnade.gateway.inference import ServingBackend
    from colonnade.gateway.labels import LabelsBackend
    from colonnade.gateway.mlflow.backend import TrackingBackend
    from colonnade.gateway.models_admin import TrainingBackend
    from colonnade.gateway.pipelines_admin import PipelinesBackend
    from colonnade.gateway.reporting import ReportingBackend
    from colonnade.gateway.standing import StandingBackend
    from colonnade.gateway.traces import TracesBackend


class Offers(Protocol):
    """Part of `gateway.backend.Backend`."""

    @property
    def compute(self) -> ComputeBackend | None:
        """GPUs and what runs on them; None where the declaration has no section `compute`."""
        ...

    @property
    def training(self) -> TrainingBackend | None:
        """Models that train themselves; None where none is declared."""
        ...

    @property
    def reporting(self) -> ReportingBackend:
        """The register of use cases, and reports."""
        ...

    @property
    def standing(self) -> StandingBackend | None:
        """How models stand, for the console; None where none is declared."""
        ...

    @property
    def serving(self) -> ServingBackend | None:
        """Models that are served; None where no service has one."""
        ...

    @property
    def labels(self) -> LabelsBackend | None:
        """Whoever takes truths about predictions in; None where no service has a model."""
        ...

    @property
    def tracking(self) -> TrackingBackend | None:
        """Runs that other programs tell of, by MLflow's API."""
        ...

    @property
    def pipelines(self) -> PipelinesBackend:
        """Pipelines of Python functions."""
        ...

    @property
    def erasing(self) -> ErasingBackend:
        """Erasing, and letting go."""
        ...

    @property
    def traces(self) -> TracesBackend:
        """What requests, runs and steps took."""
        ...

    @property
    def approving(self) -> ApprovingBackend:
        """What waits for a person's word."""
        ...
