# SPDX-License-Identifier: Apache-2.0
"""From changed data to a model that serves. Not built yet."""
