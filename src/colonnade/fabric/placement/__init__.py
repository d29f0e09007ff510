# SPDX-License-Identifier: Apache-2.0
"""Where a claim goes: the state of the nodes in arrays, and engines that choose a slot. No queues, no I/O."""
