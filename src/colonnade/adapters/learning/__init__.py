# SPDX-License-Identifier: Apache-2.0
"""The built-in ways to learn: tables by LightGBM, texts by vectors and words. Run in a child process by `script.py`."""
