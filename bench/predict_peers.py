# SPDX-License-Identifier: Apache-2.0
"""The peers of `bench/predict.py`: the same graph behind a bare ASGI app with msgspec, and behind FastAPI.

Started as `predict_peers.py bare|fastapi PORT MODEL.onnx`, each in its own process (FastAPI's in an environment that
has it). Neither checks a key, knows versions, gathers requests or survives a crash of the model.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import onnxruntime
import uvicorn

FEATURES = [f"f{number}" for number in range(8)]


def session(path: str) -> Any:
    """The graph, one thread, as the replica has it."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def predict(graph: Any, rows: list[dict[str, float]]) -> list[float]:
    """One number a row."""
    array = np.asarray([[row[name] for name in FEATURES] for row in rows], np.float32)
    found: list[float] = graph.run(None, {"x": array})[0][:, 0].tolist()
    return found


def bare(path: str) -> Any:
    """An ASGI app that does nothing but the prediction."""
    import msgspec

    class Asked(msgspec.Struct):
        rows: list[dict[str, float]]

    graph, decode, encode = session(path), msgspec.json.Decoder(Asked).decode, msgspec.json.encode

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        data = encode({"predictions": predict(graph, decode(body).rows)})
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(data))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": data})

    return app


def fast(path: str) -> Any:
    """FastAPI as its documentation shows it."""
    from fastapi import FastAPI  # type: ignore[import-not-found, unused-ignore]
    from pydantic import BaseModel

    class Asked(BaseModel):
        rows: list[dict[str, float]]

    graph, app = session(path), FastAPI()

    async def answer(asked: Asked) -> dict[str, list[float]]:
        return {"predictions": predict(graph, asked.rows)}

    answer.__annotations__["asked"] = Asked
    app.post("/v1/predict")(answer)
    return app


if __name__ == "__main__":
    kind, port, model = sys.argv[1:]
    made = bare(model) if kind == "bare" else fast(model)
    quiet: dict[str, Any] = {"access_log": False, "log_level": "warning", "lifespan": "off"}
    uvicorn.run(made, host="127.0.0.1", port=int(port), http="httptools", loop="asyncio", **quiet)
