# SPDX-License-Identifier: Apache-2.0
"""Colonnade: AI-native infrastructure in one package.

Importing it costs nothing; every part is reached by its own module.
"""

__version__ = "0.1.0"
