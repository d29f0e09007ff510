# SPDX-License-Identifier: Apache-2.0
"""Settings, wiring and the runtime that drives the loops.

The only reader of the environment and of files that configure; only `wiring` imports adapters, and `wiring_replica`,
which is a program of its own.
"""
