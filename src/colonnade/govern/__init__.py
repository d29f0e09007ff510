# SPDX-License-Identifier: Apache-2.0
"""Who may, who did, prove it: access, the ledger, lineage. Asks the store through ports."""
