# SPDX-License-Identifier: Apache-2.0
"""From a candidate that passed its gates to the live version: shadow, canary, promotion or the way back."""
