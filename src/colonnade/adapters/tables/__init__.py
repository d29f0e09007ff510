# SPDX-License-Identifier: Apache-2.0
"""Engines for tables: readers of CSV, JSON lines and Parquet, the contract over them, their division."""
