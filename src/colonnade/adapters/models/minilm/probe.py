# SPDX-License-Identifier: Apache-2.0
"""Which arithmetic is worth it on this processor: measured once, remembered by the processor's name.

int8 multiplies faster where the processor has VNNI, at a small cost in cosine; fp32 is the default where it gains
little. A data directory that has vectors keeps its arithmetic wherever it is moved: `open_minilm` is handed their id.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from colonnade.adapters.models.minilm.child import DEFAULT
from colonnade.adapters.models.minilm.encoder import Arithmetic, Encoder, arithmetic_of, embedder_id
from colonnade.adapters.models.minilm.folder import ModelFolder, default_folder, open_folder
from colonnade.adapters.models.minilm.process import EmbedderProcess, python_child
from colonnade.core.errors import Unavailable

WORTH_IT = 1.4
"""int8 is taken when fp32 needs at least so many times its CPU."""
_ROUNDS, _TEXTS, _PIECES = 5, 4, 128
_MOST_S = 60


def open_minilm(
    path: Path | None = None,
    *,
    stored_id: str | None = None,
    arithmetic: Arithmetic | None = None,
    cache: Path | None = None,
    threads: int | None = None,
    idle_seconds: float = 120.0,
) -> EmbedderProcess:
    """The embedder to use, in a process of its own; nothing is loaded yet.

    Args:
        path: a model folder; None for the packaged all-MiniLM-L6-v2.
        stored_id: the embedder id that the vectors at hand were made with. If it names this model, its arithmetic is
            kept, so that moving a data directory to another processor re-embeds nothing.
        arithmetic: what a person asked for; it beats `stored_id`.
        cache: folder in which the probe's finding is kept; None to measure each time.
        threads: cores for passages; None for all.
        idle_seconds: after so long without work the process ends.

    Raises `MissingExtra` when the default weights are not installed, `UsageError` when the folder does not fit.
    """
    folder = default_folder() if path is None else open_folder(path)
    if arithmetic is None and stored_id is not None:
        kept = arithmetic_of(stored_id)
        arithmetic = kept if kept is not None and embedder_id(folder, kept) == stored_id else None
    if arithmetic is None:
        arithmetic = choose(folder, cache)
    return EmbedderProcess(folder, arithmetic, threads=threads, idle_seconds=idle_seconds)


def choose(folder: ModelFolder, cache: Path | None = None) -> Arithmetic:
    """ "int8" where it gains enough, else "fp32". Takes about a second, once per processor and model size."""
    shape = folder.shape
    key = f"{_processor()} | {shape.layers}x{shape.hidden}x{shape.inner}"
    file = cache / "embedder-probe.json" if cache is not None else None
    known = _read(file)
    if key not in known:
        known[key] = measure_apart(folder)
        if file is not None:
            _write(file, known)
    return "int8" if known[key] >= WORTH_IT else "fp32"


def measure_apart(folder: ModelFolder) -> float:
    """`gain(folder)`, in a child process, so that no model stays in this one."""
    model = DEFAULT if folder.sha256 is not None else str(folder.path.resolve())
    command, environment = python_child(__spec__.name if __spec__ else __name__)
    done = subprocess.run(
        [*command, model], env=environment, cwd="/", capture_output=True, timeout=_MOST_S, check=False
    )
    try:
        return float(done.stdout)
    except ValueError as error:
        reason = done.stderr.decode(errors="replace").strip().splitlines()
        raise Unavailable(
            f"the embedding model does not run: {reason[-1] if reason else f'exit code {done.returncode}'}",
            hint="`colonnade doctor` checks the model",
            code="embedder_failed",
        ) from error


def gain(folder: ModelFolder) -> float:
    """CPU time of fp32 divided by that of int8, the best of a few interleaved rounds each."""
    encoders = [Encoder(folder, "fp32"), Encoder(folder, "int8")]
    # Words of the model's own vocabulary or not: each is a piece or more, and what is too long is cut.
    pieces = encoders[0].encode([" ".join(["heat", "pump"][n % 2] for n in range(_PIECES - 2))] * _TEXTS)
    batch = [text[:_PIECES] for text in pieces]
    best = [float("inf"), float("inf")]
    for _ in range(_ROUNDS):
        for index, encoder in enumerate(encoders):
            start = time.process_time()
            encoder.run(batch)
            best[index] = min(best[index], time.process_time() - start)
    return best[0] / best[1]


def _processor() -> str:
    """Name and vector abilities, as the kernel tells them."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    fields = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    flags = fields.get("flags", fields.get("Features", "")).split()
    wanted = [flag for flag in ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8") if flag in flags]
    return " ".join([fields.get("model name", "unknown"), *wanted])


def _read(file: Path | None) -> dict[str, float]:
    try:
        known = json.loads(file.read_bytes()) if file is not None else {}
        return {str(key): float(value) for key, value in known.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _write(file: Path, known: dict[str, float]) -> None:
    """Whole or not at all; a cache that cannot be written is only measured again."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part")
        part.write_text(json.dumps(known, indent=1))
        part.replace(file)
    except OSError:
        return


if __name__ == "__main__":
    print(gain(default_folder() if sys.argv[1] == DEFAULT else open_folder(Path(sys.argv[1]))))
