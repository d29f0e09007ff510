# SPDX-License-Identifier: Apache-2.0
"""Colonnade: AI-native infrastructure in one package.

Importing it costs nothing; every part is reached by its own module. What pipelines in Python need is found here too:

    from colonnade import each, pipeline, step
"""

from colonnade.core.version import __version__ as __version__

TYPE_CHECKING = False  # typing itself costs milliseconds
if TYPE_CHECKING:
    from typing import Any

    from colonnade.sdk.flow import each as each
    from colonnade.sdk.flow import pipeline as pipeline
    from colonnade.sdk.flow import step as step

_OF_PIPELINES = ("each", "pipeline", "step")


def __getattr__(name: str) -> "Any":
    """Loaded when it is asked for."""
    if name not in _OF_PIPELINES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from colonnade.sdk import flow

    return getattr(flow, name)
