# SPDX-License-Identifier: Apache-2.0
"""Which run holds which share of which device, now. Not built yet."""
