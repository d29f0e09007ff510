# SPDX-License-Identifier: Apache-2.0
"""The nouns and the pure rules on them: same input, same output.

Standard library only. No I/O, no clock, no randomness.
"""
