# SPDX-License-Identifier: Apache-2.0
"""The log: who gives entries their index and signs checkpoints, and how anybody checks all of it.

No entry is built here.
"""
