# SPDX-License-Identifier: Apache-2.0
"""Blob stores, one file an engine. No rule about what may be stored stands here."""
