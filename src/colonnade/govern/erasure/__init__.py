# SPDX-License-Identifier: Apache-2.0
"""Erasing: what an erasure would take away, and taking it away. Over the ports only: live indices, caches and folders
are the app's."""
