# SPDX-License-Identifier: Apache-2.0
"""Where data come from: SQLite, PostgreSQL, S3. One file an engine; each imports its library when it is used."""
