# SPDX-License-Identifier: Apache-2.0
"""Where a MIG instance goes: legal placements as data, what a layout is worth, and an engine. No driver, no I/O."""
