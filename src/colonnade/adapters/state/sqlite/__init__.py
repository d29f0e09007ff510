# SPDX-License-Identifier: Apache-2.0
"""The embedded state store: one sqlite file in WAL mode, one writing process, any number of readers."""
