# SPDX-License-Identifier: Apache-2.0
"""Key stores, one file an engine, and the check of a signature. No rule about who may open what stands here."""
