# SPDX-License-Identifier: Apache-2.0
"""A Python client for a running Colonnade: HTTP only, standard library only, quick to import.

from colonnade.sdk import Client
Client("http://127.0.0.1:8700", key).ask("How much may a hotel night cost?")["answer"]
"""

from colonnade.sdk.client import Client

__all__ = ["Client"]
