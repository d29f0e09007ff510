# SPDX-License-Identifier: Apache-2.0
"""A conformance suite for each port, in-memory fakes, the virtual clock, builders.

Shipped, so that an adapter written elsewhere can be proved by the same tests.
"""
