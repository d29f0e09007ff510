# SPDX-License-Identifier: Apache-2.0
"""From sources to answers: parse, chunk, embed, index, retrieve, fuse, answer.

It reaches files, models and databases through ports only.
"""
