# SPDX-License-Identifier: Apache-2.0
"""Ingestion runs, pipelines and their steps as OpenLineage events."""
