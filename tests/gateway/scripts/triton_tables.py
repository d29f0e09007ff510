# SPDX-License-Identifier: Apache-2.0
"""Asks each service named in JSON on the command line as its own metadata says, by the official `tritonclient`; what it
saw goes to stdout as JSON. Runs in an environment of its own.
"""

import json
import sys

import numpy as np
import tritonclient.http as triton

url, key, told = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
client = triton.InferenceServerClient(url.removeprefix("http://"))
headers = {"authorization": f"Bearer {key}"}
KINDS = {"FP64": np.float64, "FP32": np.float32, "BYTES": np.object_}
seen = {}
for service, (names, rows) in told.items():
    metadata = client.get_model_metadata(service, headers=headers)
    for binary in (True, False):
        given = []
        for one in metadata["inputs"]:
            wide = len(one["shape"]) == 2
            place = 0 if wide else names.index(one["name"])
            array = np.array(rows if wide else [row[place] for row in rows], KINDS[one["datatype"]])
            tensor = triton.InferInput(one["name"], list(array.shape), one["datatype"])
            tensor.set_data_from_numpy(array, binary_data=binary)
            given.append(tensor)
        wanted = [triton.InferRequestedOutput(one["name"], binary_data=binary) for one in metadata["outputs"]]
        found = client.infer(service, given, outputs=wanted, headers=dict(headers))  # it keeps what it adds
        answers = {one["name"]: found.as_numpy(one["name"]) for one in metadata["outputs"]}
        seen[f"{service}/{'binary' if binary else 'json'}"] = {
            name: [value.decode() if isinstance(value, bytes) else value for value in array.tolist()]
            for name, array in answers.items()
        }
    seen[f"{service}/platform"] = metadata["platform"]
print(json.dumps(seen))
