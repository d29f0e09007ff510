# SPDX-License-Identifier: Apache-2.0
"""Collectors that telemetry is sent to."""
