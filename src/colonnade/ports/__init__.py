# SPDX-License-Identifier: Apache-2.0
"""What the rooms ask of the world and of each other: Protocols, no implementation."""
