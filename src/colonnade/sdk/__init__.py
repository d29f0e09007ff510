# SPDX-License-Identifier: Apache-2.0
"""The Python client. It speaks HTTP only and imports no room."""
