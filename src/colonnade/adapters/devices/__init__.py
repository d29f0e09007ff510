# SPDX-License-Identifier: Apache-2.0
"""Engines for the `devices` port: simulated ones, and NVIDIA's through NVML. No queue, no placement, no store."""
