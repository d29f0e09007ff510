# SPDX-License-Identifier: Apache-2.0
"""Settings, wiring and the runtime that drives the loops.

The only reader of the environment and of files that configure; only `wiring` imports adapters; so do
`replica`, a program of its own, and `batches`, which needs no daemon's engines but Parquet.
"""
