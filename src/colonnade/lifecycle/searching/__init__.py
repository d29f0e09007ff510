# SPDX-License-Identifier: Apache-2.0
"""A search over a model's parameters: what is tried (`space`), and the trials as cached steps (`trials`)."""
