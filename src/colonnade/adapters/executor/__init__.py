# SPDX-License-Identifier: Apache-2.0
"""Whoever runs commands, one engine a file. Which command may run, and on which share, is decided elsewhere."""
