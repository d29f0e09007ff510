# SPDX-License-Identifier: Apache-2.0
"""Engines for the `vectors` port, one a file."""
