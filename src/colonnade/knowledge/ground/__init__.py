# SPDX-License-Identifier: Apache-2.0
"""What stands between passages and a language model: the conversation understood, the prompt, the check of every
citation.

Pure functions; no HTTP, no index, no clock.
"""
