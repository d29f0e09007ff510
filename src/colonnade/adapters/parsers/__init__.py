# SPDX-License-Identifier: Apache-2.0
"""The `parsers` port: one file a format, and a pool of bounded children. No chunking, no state, no network."""
