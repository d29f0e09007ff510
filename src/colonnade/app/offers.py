# SPDX-License-Identifier: Apache-2.0
"""What a house offers beside knowledge: `gateway.offers.Offers` over what the declaration has opened."""

from __future__ import annotations

from colonnade.app.approving import Approving
from colonnade.app.erasing import Erasing
from colonnade.app.flowing import open_flows
from colonnade.app.house import House
from colonnade.app.standing import Standing
from colonnade.app.usecases import UseCases
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


class HouseOffers:
    """Part of `app.backend.HouseBackend`."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._erasing = Erasing(house, self._reload)
        self._approving = Approving(house, self._erasing)
        self._standing = Standing(house)
        self._reporting = UseCases(house)

    @property
    def compute(self) -> ComputeBackend | None:
        """See `gateway.compute`."""
        computing = self._house.computing
        return None if computing is None or (computing.closed and not computing.leases.open()) else computing

    @property
    def serving(self) -> ServingBackend | None:
        """See `gateway.inference`."""
        return self._house.serving

    @property
    def training(self) -> TrainingBackend | None:
        """See `gateway.models_admin`."""
        return self._house.modelling

    @property
    def reporting(self) -> ReportingBackend:
        """See `gateway.reporting`."""
        return self._reporting

    @property
    def standing(self) -> StandingBackend | None:
        """See `gateway.standing`."""
        return self._standing if self._house.modelling is not None else None

    @property
    def labels(self) -> LabelsBackend | None:
        """See `gateway.labels`."""
        return self._house.watching

    @property
    def tracking(self) -> TrackingBackend | None:
        """See `gateway.mlflow`."""
        return self._house.tracking

    @property
    def pipelines(self) -> PipelinesBackend:
        """See `gateway.pipelines_admin`."""
        return open_flows(self._house)

    def _reload(self) -> None:
        """Keys and rights changed: the backend loads them anew."""

    @property
    def erasing(self) -> ErasingBackend:
        """See `gateway.erasures`."""
        return self._erasing

    @property
    def traces(self) -> TracesBackend:
        """See `gateway.traces`."""
        assert self._house.tracing is not None
        return self._house.tracing

    @property
    def approving(self) -> ApprovingBackend:
        """See `gateway.approvals`."""
        return self._approving
