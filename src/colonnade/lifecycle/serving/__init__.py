# SPDX-License-Identifier: Apache-2.0
"""Versions of models as processes that answer: which are wanted, which are there, which one is asked."""
