# SPDX-License-Identifier: Apache-2.0
"""What happens, and is it still right. Not built yet."""
