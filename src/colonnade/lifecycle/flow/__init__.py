# SPDX-License-Identifier: Apache-2.0
"""Pipelines of a user's own functions: what is called with what (`graph`, `values`), the rows of it (`rows`), and the
loop that drives it. How Python becomes such a graph is the SDK's business; models have their own steps.
"""
