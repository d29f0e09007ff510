# SPDX-License-Identifier: Apache-2.0
"""The programs that load a model and answer with it, each in a process of its own."""
