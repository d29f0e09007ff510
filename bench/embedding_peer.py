# SPDX-License-Identifier: Apache-2.0
"""Peers of `embedding.py`: MiniLM by torch, and by onnxruntime on the usual export, each as its documentation has it.

PEER_PYTHON bench/embedding_peer.py torch|onnx MODEL_FOLDER < texts.json

Runs in an environment of its own (torch, transformers, onnx, onnxscript, onnxruntime); imports nothing of ours. One
thread. Prints one JSON object: the best CPU seconds of the rounds, query p50, vectors of the first texts.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from typing import Any

import numpy as np

BATCH, ROUNDS, QUERIES = 32, 2, 100


def torch_run(folder: str) -> Any:
    import torch
    from transformers import AutoModel

    torch.set_num_threads(1)
    model = AutoModel.from_pretrained(folder).eval()

    def run(feed: dict[str, Any]) -> Any:
        with torch.no_grad():
            return model(**{name: torch.from_numpy(value) for name, value in feed.items()}).last_hidden_state.numpy()

    return run


def onnx_run(folder: str) -> Any:
    import onnxruntime
    import torch
    from transformers import AutoModel

    model = AutoModel.from_pretrained(folder, attn_implementation="eager").eval()
    names = ["input_ids", "attention_mask", "token_type_ids"]
    example = tuple(torch.ones(2, 8, dtype=torch.int64) for _ in names)
    with tempfile.TemporaryDirectory() as place:
        path = os.path.join(place, "model.onnx")
        axes = {name: {0: "batch", 1: "length"} for name in [*names, "last_hidden_state"]}
        torch.onnx.export(
            model, example, path, input_names=names, output_names=["last_hidden_state"], dynamic_axes=axes,
            opset_version=17, dynamo=False,
        )  # fmt: skip
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda feed: session.run(None, feed)[0]


def main(kind: str, folder: str) -> None:
    from transformers import AutoTokenizer

    asked = json.load(sys.stdin)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    run = {"torch": torch_run, "onnx": onnx_run}[kind](folder)

    def embed(texts: list[str]) -> Any:
        out = []
        for at in range(0, len(texts), BATCH):
            feed = tokenizer(texts[at : at + BATCH], padding=True, truncation=True, max_length=256, return_tensors="np")
            feed = {name: np.ascontiguousarray(value, np.int64) for name, value in feed.items()}
            mask = feed["attention_mask"][:, :, None].astype(np.float32)
            mean = (run(feed) * mask).sum(axis=1) / mask.sum(axis=1)
            out.append(mean / np.linalg.norm(mean, axis=1, keepdims=True))
        return np.concatenate(out)

    vectors = embed(asked["passages"])
    best, waits = float("inf"), []
    for _ in range(ROUNDS):
        start = time.process_time()
        embed(asked["passages"])
        best = min(best, time.process_time() - start)
    for query in asked["queries"][:QUERIES]:
        begin = time.perf_counter()
        embed([query])
        waits.append(time.perf_counter() - begin)
    with open("/proc/self/statm") as file:
        resident = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20
    answer = {"cpu_s": best, "query_p50_ms": 1000 * float(np.median(waits)), "resident_mib": resident}
    print(json.dumps(answer | {"vectors": vectors[:8].tolist()}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
