# SPDX-License-Identifier: Apache-2.0
"""Places outside the machine that keep checkpoints: a file, a git repository, a URL."""
