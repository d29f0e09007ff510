# SPDX-License-Identifier: Apache-2.0
"""NVML devices pass the conformance suite whatever the machine offers, and promise no more than it keeps."""

from __future__ import annotations

import pytest

from colonnade.testing.devices_conformance import DevicesConformance
from tests.devices.conftest import NvmlBench, Open, split, whole


class TestNobodyIsRoot(DevicesConformance):
    @pytest.fixture
    def bench(self, machine: Open) -> NvmlBench:
        return machine()


class TestRoot(DevicesConformance):
    @pytest.fixture
    def bench(self, machine: Open) -> NvmlBench:
        return machine(whole(3), "root")


class TestMps(DevicesConformance):
    @pytest.fixture
    def bench(self, machine: Open) -> NvmlBench:
        return machine(rights="mps")


class TestRootAndMps(DevicesConformance):
    @pytest.fixture
    def bench(self, machine: Open) -> NvmlBench:
        return machine(rights="root+mps")


class TestMig(DevicesConformance):
    milli = 1000

    @pytest.fixture
    def bench(self, machine: Open) -> NvmlBench:
        return machine(split())
