# SPDX-License-Identifier: Apache-2.0
"""Who may read what: people, groups, reader sets and keys."""
