# SPDX-License-Identifier: Apache-2.0
"""What a replica does not load, and how it says so: its last line is what `status` shows."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest

from colonnade.adapters.replicas import weights
from colonnade.adapters.replicas.formats import load
from colonnade.adapters.replicas.model import Loading, need
from colonnade.app.wiring_replica import Judging


class Foreign:
    """A type that nobody vouches for."""

    def predict(self, rows: Any) -> Any:
        return rows


class Bad:
    def __init__(self, sentinel: Path) -> None:
        self._sentinel = sentinel

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.system, (f"touch {self._sentinel}",)


def refused(folder: Path, **more: Any) -> str:
    """What it says."""
    options: dict[str, Any] = {"judge": Judging(), **more}
    with pytest.raises(SystemExit) as raised:
        load(Loading(folder, folder, **options))
    return str(raised.value)


def test_a_pickle_is_judged_in_the_replica_itself_before_it_is_read(tmp_path: Path) -> None:
    """Whatever judged the files before: they may have been changed since."""
    sentinel = tmp_path / "executed"
    for name, data in (("model.pkl", pickle.dumps(Bad(sentinel))), ("model.joblib", pickle.dumps(Bad(sentinel)))):
        folder = tmp_path / name.partition(".")[2]
        folder.mkdir()
        (folder / name).write_bytes(data)
        assert refused(folder).startswith("unsafe_pickle: ")
        assert "nobody here judges" in refused(folder, judge=None)
    assert not sentinel.exists()


def test_what_is_judged_is_what_is_read_though_the_file_is_exchanged_meanwhile(tmp_path: Path) -> None:
    from sklearn.dummy import DummyRegressor

    sentinel, path = tmp_path / "executed", tmp_path / "model.pkl"
    good = DummyRegressor().fit([[1.0]], [4.0])
    path.write_bytes(pickle.dumps(good))

    class Exchanges(Judging):
        def why_not(self, file: BinaryIO, name: str) -> str:
            said = super().why_not(file, name)
            other = tmp_path / "other"
            other.write_bytes(pickle.dumps(Bad(sentinel)))
            other.rename(path)
            return said

    model = load(Loading(tmp_path, tmp_path, judge=Exchanges()))
    assert model.rows([[7.0]]) == [4.0]
    assert not sentinel.exists()


def test_a_skops_file_with_an_unknown_type_is_refused_by_its_name(tmp_path: Path) -> None:
    import skops.io

    skops.io.dump(Foreign(), tmp_path / "model.skops")
    said = refused(tmp_path)
    assert "Foreign" in said
    assert "nobody vouches for" in said


def test_types_on_the_scans_list_are_taken_though_skops_does_not_know_them(tmp_path: Path) -> None:
    import lightgbm
    import skops.io

    model = lightgbm.LGBMRegressor(n_estimators=2, verbosity=-1).fit(np.arange(60.0)[:, None], np.arange(60.0))
    skops.io.dump(model, tmp_path / "model.skops")
    unknown = skops.io.get_untrusted_types(file=tmp_path / "model.skops")
    assert unknown, "skops asks about these"
    judge = Judging()
    foreign = [name for name in unknown if not judge.known(*name.rsplit(".", 1))]
    if foreign:
        assert foreign[0] in refused(tmp_path)
    else:
        assert len(load(Loading(tmp_path, tmp_path, judge=judge)).rows([[3.0]])) == 1


def test_each_sentence_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])

    def folder(**files: bytes) -> Path:
        made = tmp_path / str(len(list(tmp_path.iterdir())))
        made.mkdir()
        for name, data in files.items():
            (made / name.replace("__", ".")).write_bytes(data)
        return made

    tensor = b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    weighted = len(tensor).to_bytes(8, "little") + tensor + bytes(4)
    assert "an empty folder" in refused(folder())
    assert "ONNX, LightGBM, XGBoost, skops" in refused(folder(notes__md=b"hello"))
    assert "write the model in one of" in refused(folder(model__json=b'{"cut": 1}')), "JSON, but not XGBoost's"
    assert "2 files of ONNX" in refused(folder(a__onnx=b"x", b__onnx=b"x"))
    assert "build(tensors, folder)" in refused(folder(a__safetensors=weighted))
    script = folder(serve__py=b"def load(folder): return 1\n")
    assert refused(script, script="serve.py") == "serve.py has no function predict (or infer)"
    script = folder(serve__py=b"build = infer = print\n", a__safetensors=b"12")
    assert "weights cannot be read" in refused(script, script="serve.py")
    with pytest.raises(SystemExit, match=r"needs no_such_engine, which is not installed: pip install 'colonnade\[x\]'"):
        need("no_such_engine", "a model", "pip install 'colonnade[x]'")


def test_a_scheme_that_does_not_fit_is_told(tmp_path: Path) -> None:
    import lightgbm

    data = lightgbm.Dataset(np.arange(80.0).reshape(40, 2), np.arange(40) % 2)
    options = {"verbosity": -1, "objective": "binary", "min_data_in_leaf": 2}
    lightgbm.train(options, data, 2).save_model(str(tmp_path / "model.txt"))
    for told, said in (
        ({"columns": ["a"]}, "names 1 columns, and the model takes 2"),
        ({"classes": ["a", "b", "c"]}, "names 3 classes, and the model tells 2 apart"),
        ({"columns": 3}, "cannot be read"),
        ([], "cannot be read"),
    ):
        (tmp_path / "scheme.json").write_text(json.dumps(told))
        assert said in refused(tmp_path)


def test_safetensors_are_read_as_the_library_reads_them(tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    rng = np.random.default_rng(1)
    arrays = {
        kind: (rng.normal(size=(3, 2)) * 9).astype(kind)
        for kind in ("float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint8", "uint16", "uint32")
    } | {"empty": np.zeros((0, 4), np.float32), "one": np.array(3.0), "yes": np.array([True, False])}
    save_file(arrays, tmp_path / "a.safetensors")
    mine, theirs = weights.read(tmp_path / "a.safetensors"), load_file(tmp_path / "a.safetensors")
    assert mine.keys() == theirs.keys()
    for name, array in theirs.items():
        assert mine[name].dtype == array.dtype
        np.testing.assert_array_equal(mine[name], array)
        assert not mine[name].flags.writeable
    head = b'{"w":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}'
    (tmp_path / "b.safetensors").write_bytes(len(head).to_bytes(8, "little") + head + b"\x80\x3f\x20\xc0")
    assert weights.read(tmp_path / "b.safetensors")["w"].tolist() == [1.0, -2.5]
    (tmp_path / "b.safetensors").write_bytes((1 << 60).to_bytes(8, "little") + head)
    with pytest.raises(ValueError, match="longer than the file"):
        weights.read(tmp_path / "b.safetensors")


def test_a_replica_imports_no_engine_but_its_own(tmp_path: Path) -> None:
    """Every replica pays for what it imports, in memory and in time."""
    program = (
        "import sys, colonnade.app.wiring_replica\n"
        "heavy = {'onnxruntime', 'lightgbm', 'xgboost', 'sklearn', 'skops', 'scipy', 'torch', 'pandas', 'pydantic',"
        " 'cryptography', 'sqlite3', 'aiohttp'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_an_engine_need_not_import_is_hidden_from_it_and_from_nobody_else(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from colonnade.adapters.replicas.model import NOT_NEEDED, need\n"
        "need('lightgbm', '', '', without=NOT_NEEDED); need('xgboost', '', '', without=NOT_NEEDED)\n"
        "print(sorted({'sklearn', 'pandas', 'pyarrow'} & set(sys.modules)))\n"
        "import sklearn\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
