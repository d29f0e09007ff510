# SPDX-License-Identifier: Apache-2.0
"""What we ask of the world, one Protocol a file, few methods each."""
