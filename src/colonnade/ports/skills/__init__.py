# SPDX-License-Identifier: Apache-2.0
"""What rooms ask of each other, one Protocol of at most three methods a file."""
