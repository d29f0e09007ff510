# SPDX-License-Identifier: Apache-2.0
"""What a Keras configuration would run: Lambda layers hold marshalled code, and a module's name is imported.

The objects of a configuration name a module and a class; Keras imports the one and calls the other. Known attacks:
Lambda layers (CVE-2024-3660), `module: os` (CVE-2025-1550), its own dangerous functions such as `keras.utils.get_file`
(CVE-2025-8747) and `keras.config.enable_unsafe_deserialization` (CVE-2025-9906). Reads parsed JSON only.
"""

from __future__ import annotations

from typing import Any

from colonnade.observe.security.verdicts import Findings

_LAYERS = ("keras", "keras_hub", "keras_nlp", "keras_cv", "tf_keras", "tensorflow.keras")
_FUNCTIONS = {"activations", "losses", "metrics", "initializers", "regularizers", "constraints", "ops"}


def look(found: Findings, document: Any, where: str) -> None:
    """Find what a loader would run, anywhere in the document."""
    todo = [document]
    while todo:
        item = todo.pop()
        if isinstance(item, list):
            todo += item
        elif isinstance(item, dict):
            todo += item.values()
            _object(found, item, where)


def _object(found: Findings, item: dict[str, Any], where: str) -> None:
    name = item.get("class_name")
    if not isinstance(name, str):
        return
    if name.rsplit(">", 1)[-1] in {"Lambda", "__lambda__"}:
        found.malicious(where, "a Keras Lambda layer holds code that runs when the model is loaded")
    module = item.get("module")
    if "registered_name" not in item or not isinstance(module, str):
        return
    parts = module.split(".")
    if not any(module == root or module.startswith(f"{root}.") for root in _LAYERS):
        if not (module == "builtins" and name in {"function", "dict", "list", "tuple", "slice"}):
            found.malicious(where, f"the configuration imports {module[:100]}.{name[:100]}, which is not Keras")
    elif "utils" in parts or "config" in parts or "saving" in parts or "src" in parts:
        found.malicious(where, f"the configuration imports {module[:100]}.{name[:100]}, which is no layer")
    elif name == "function" and not _FUNCTIONS & set(parts):
        found.malicious(where, f"the configuration calls a function of {module[:100]}")
