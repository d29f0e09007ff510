# SPDX-License-Identifier: Apache-2.0
"""Notices of changed files, one engine a file. What changed is found by looking; nothing here reads a file."""
