# SPDX-License-Identifier: Apache-2.0
"""What would happen if: traces replayed against the engine and the published policies, and the wire of `--drive`."""
