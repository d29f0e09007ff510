# SPDX-License-Identifier: Apache-2.0
"""Whoever proposes parameters to try, one library a file."""
