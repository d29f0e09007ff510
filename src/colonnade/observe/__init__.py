# SPDX-License-Identifier: Apache-2.0
"""What happens, and is it still right. `security` says whether a model may be loaded; the rest is not built yet."""
