# SPDX-License-Identifier: Apache-2.0
"""Reports from evidence: what the log proves, what somebody declared, what is missing. No prose fills a hole."""
