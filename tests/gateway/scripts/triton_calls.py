# SPDX-License-Identifier: Apache-2.0
"""Calls of the official `tritonclient`; what it saw goes to stdout as JSON. Runs in an environment of its own."""

import json
import sys

import numpy as np
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

url, key, model = sys.argv[1:]
client = triton.InferenceServerClient(url.removeprefix("http://"))
headers = {"authorization": f"Bearer {key}"}
rows = np.array([[3, 1], [10, 5], [0, 0]], np.float32)


def ask(*, binary_in, binary_out, outputs=True):
    given = triton.InferInput("x", list(rows.shape), "FP32")
    given.set_data_from_numpy(rows, binary_data=binary_in)
    wanted = [triton.InferRequestedOutput("y", binary_data=binary_out)] if outputs else None
    found = client.infer(model, [given], outputs=wanted, headers=headers, request_id="one")
    said = found.get_response()
    return {"y": found.as_numpy("y").ravel().tolist(), "id": said["id"], "version": said["model_version"]}


def refused(call):
    try:
        call()
    except InferenceServerException as error:
        return {"status": error.status(), "message": error.message()}
    return None


wrong = triton.InferInput("x", [1, 3], "FP32")
wrong.set_data_from_numpy(np.zeros((1, 3), np.float32))
print(
    json.dumps(
        {
            "live": client.is_server_live(),
            "ready": client.is_server_ready(),
            "model_ready": client.is_model_ready(model, headers=headers),
            "metadata": client.get_model_metadata(model, headers=headers),
            "server": client.get_server_metadata(headers=headers),
            "default": ask(binary_in=True, binary_out=True, outputs=False),
            "binary": ask(binary_in=True, binary_out=True),
            "json": ask(binary_in=False, binary_out=False),
            "mixed": ask(binary_in=False, binary_out=True),
            "wrong_shape": refused(lambda: client.infer(model, [wrong], headers=headers)),
            "no_key": refused(lambda: client.infer(model, [wrong])),
            "unknown": refused(lambda: client.infer("nobody", [wrong], headers=headers)),
        }
    )
)
