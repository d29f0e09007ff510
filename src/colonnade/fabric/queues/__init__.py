# SPDX-License-Identifier: Apache-2.0
"""Who is next: quotas, borrowing, reclaim, gangs, backfill with reservation, evacuation. Pure plans, no I/O."""
