# SPDX-License-Identifier: Apache-2.0
"""Ways to tell others what happened."""
