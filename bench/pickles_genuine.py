# SPDX-License-Identifier: Apache-2.0
"""Write genuine model files of scikit-learn, XGBoost, LightGBM, torch, numpy, scipy, joblib and pandas into a folder.

Runs in an environment of its own that has those packages (bench/README.md); nothing it writes is committed. What a
scan calls other than clean among these is a false alarm.

    python bench/pickles_genuine.py FOLDER
"""

# mypy: ignore-errors
from __future__ import annotations

import collections
import datetime
import decimal
import pickle
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

Writer = Callable[[Path], object]
PACKINGS = (0, 3, ("gzip", 3), ("bz2", 3), ("xz", 3), ("lzma", 3), ("lz4", 1))


def main() -> None:
    """Write them all; say what could not be written."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("ignore")
    count = 0
    for part in (sklearn_files, boost_files, numpy_files, torch_files, other_files):
        for name, write in part():
            write(folder / name)
            count += 1
    print(f"{count} files in {folder}")


def dumped(value: Any, protocol: int) -> Writer:
    """A writer of one plain pickle."""
    return lambda path: path.write_bytes(pickle.dumps(value, protocol))


def estimators(folder: Path) -> None:
    """Every public estimator of scikit-learn that fits on small data with its defaults, one pickle each."""
    from sklearn.utils import all_estimators

    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.RandomState(5)
    x = rng.rand(60, 4)
    y = (x[:, 0] > 0.5).astype(int)
    for name, cls in all_estimators():
        try:
            model = cls().fit(x, y)
            data = pickle.dumps(model, 4)
        except Exception as error:
            print(f"{name} does not fit: {type(error).__name__}", file=sys.stderr)
            continue
        (folder / f"{name}.pkl").write_bytes(data)


def joblib_dumped(value: Any, packing: Any) -> Writer:
    """A writer of one file of joblib."""
    import joblib

    return lambda path: joblib.dump(value, path, compress=packing)


def sklearn_files() -> Iterator[tuple[str, Writer]]:
    """Fitted estimators, by pickle at several protocols and by joblib with each compression."""
    import joblib
    from sklearn import (
        cluster,
        compose,
        decomposition,
        ensemble,
        feature_extraction,
        gaussian_process,
        impute,
        isotonic,
        linear_model,
        mixture,
        model_selection,
        naive_bayes,
        neighbors,
        neural_network,
        pipeline,
        preprocessing,
        svm,
        tree,
    )
    from sklearn.calibration import CalibratedClassifierCV

    rng = np.random.RandomState(7)
    x = rng.rand(120, 5)
    y = (x[:, 0] + x[:, 1] > 1).astype(int)
    words = ["a red fox", "a blue dog", "red red dog", "blue fox"] * 30
    scaled = pipeline.make_pipeline(preprocessing.StandardScaler(), linear_model.LogisticRegression())
    columns = compose.ColumnTransformer(
        [("s", preprocessing.StandardScaler(), [0, 1]), ("b", preprocessing.KBinsDiscretizer(3), [2])]
    )
    models: list[tuple[str, Any]] = [
        ("logistic", linear_model.LogisticRegression()),
        ("ridge", linear_model.RidgeCV()),
        ("elastic", linear_model.ElasticNetCV(cv=3)),
        ("sgd", linear_model.SGDClassifier(random_state=1)),
        ("tree", tree.DecisionTreeClassifier(max_depth=4)),
        ("forest", ensemble.RandomForestClassifier(8, random_state=np.random.RandomState(3))),
        ("extra", ensemble.ExtraTreesRegressor(5)),
        ("boosting", ensemble.GradientBoostingClassifier(n_estimators=5)),
        ("histogram", ensemble.HistGradientBoostingClassifier(max_iter=5)),
        ("histogram_reg", ensemble.HistGradientBoostingRegressor(max_iter=5)),
        ("adaboost", ensemble.AdaBoostClassifier(n_estimators=4)),
        ("isolation", ensemble.IsolationForest(n_estimators=5)),
        ("voting", ensemble.VotingClassifier([("a", linear_model.LogisticRegression()), ("b", svm.SVC())])),
        ("stacking", ensemble.StackingClassifier([("a", naive_bayes.GaussianNB()), ("b", svm.LinearSVC())], cv=3)),
        ("svc", svm.SVC(probability=False)),
        ("svr", svm.SVR()),
        ("knn_kd", neighbors.KNeighborsClassifier(algorithm="kd_tree")),
        ("knn_ball", neighbors.KNeighborsClassifier(algorithm="ball_tree")),
        ("kmeans", cluster.KMeans(3, n_init=2)),
        ("minibatch", cluster.MiniBatchKMeans(3, n_init=2)),
        ("dbscan", cluster.DBSCAN()),
        ("pca", decomposition.PCA(2)),
        ("svd", decomposition.TruncatedSVD(2)),
        ("nmf", decomposition.NMF(2)),
        ("mlp", neural_network.MLPClassifier((8,), max_iter=20, random_state=2)),
        ("gaussian_process", gaussian_process.GaussianProcessClassifier()),
        ("mixture", mixture.GaussianMixture(2)),
        ("isotonic", isotonic.IsotonicRegression()),
        ("calibrated", CalibratedClassifierCV(svm.LinearSVC(), cv=3)),
        ("pipeline", scaled),
        ("columns", pipeline.make_pipeline(columns, linear_model.LogisticRegression())),
        ("grid", model_selection.GridSearchCV(tree.DecisionTreeClassifier(), {"max_depth": [2, 3]}, cv=3)),
        ("imputer", pipeline.make_pipeline(impute.SimpleImputer(), preprocessing.QuantileTransformer(n_quantiles=20))),
        ("spline", pipeline.make_pipeline(preprocessing.SplineTransformer(), linear_model.Ridge())),
        ("power", preprocessing.PowerTransformer()),
        ("log", pipeline.make_pipeline(preprocessing.FunctionTransformer(np.log1p), linear_model.Ridge())),
    ]
    for i, (name, model) in enumerate(models):
        if name == "isotonic":
            model.fit(x[:, 0], y)
        else:
            model.fit(x, y)
        yield f"sklearn_{name}.pkl", dumped(model, (2, 4, 5, 3)[i % 4])
        if i % 3 == 0:
            yield f"sklearn_{name}.joblib", joblib_dumped(model, PACKINGS[i // 3 % len(PACKINGS)])
    text = pipeline.make_pipeline(feature_extraction.text.TfidfVectorizer(), naive_bayes.MultinomialNB())
    text.fit(words, [0, 1] * 60)
    yield "sklearn_text.joblib", lambda path: joblib.dump(text, path)
    yield "sklearn_text.pkl", dumped(text, 5)
    counted = feature_extraction.text.CountVectorizer(ngram_range=(1, 2)).fit(words)
    yield "sklearn_counts.pkl", dumped(counted, 0)
    onehot = preprocessing.OneHotEncoder(handle_unknown="ignore").fit(np.array([["a", "b"], ["c", "d"]], dtype=object))
    yield "sklearn_onehot_objects.joblib", lambda path: joblib.dump(onehot, path)
    yield "sklearn_labels.pkl", dumped(preprocessing.LabelEncoder().fit(["x", "y"]), 4)


def boost_files() -> Iterator[tuple[str, Writer]]:
    """XGBoost and LightGBM: pickles, joblib, and their own formats."""
    import joblib
    import lightgbm
    import xgboost

    rng = np.random.RandomState(8)
    x = rng.rand(100, 4)
    y = (x[:, 0] > 0.5).astype(int)
    tree = xgboost.XGBClassifier(n_estimators=3).fit(x, y)
    yield "xgboost_classifier.pkl", dumped(tree, 4)
    yield "xgboost_regressor.pkl", dumped(xgboost.XGBRegressor(n_estimators=3).fit(x, y), 2)
    yield "xgboost_ranker.pkl", dumped(xgboost.XGBRanker(n_estimators=2).fit(x, y, group=[50, 50]), 5)
    yield "xgboost_booster.pkl", dumped(tree.get_booster(), 5)
    yield "xgboost.joblib", lambda path: joblib.dump(tree, path)
    yield "xgboost.json", tree.save_model
    yield "xgboost.ubj", tree.save_model
    forest = lightgbm.LGBMClassifier(n_estimators=3, verbose=-1).fit(x, y)
    yield "lightgbm_classifier.pkl", dumped(forest, 4)
    yield "lightgbm_regressor.pkl", dumped(lightgbm.LGBMRegressor(n_estimators=3, verbose=-1).fit(x, y), 3)
    yield "lightgbm_booster.pkl", dumped(forest.booster_, 5)
    yield "lightgbm.joblib", lambda path: joblib.dump(forest, path, compress=3)
    yield "lightgbm.txt", forest.booster_.save_model


def numpy_files() -> Iterator[tuple[str, Writer]]:
    """Arrays of every sort, as npy, npz and pickles."""
    import scipy.sparse
    import scipy.stats

    rng = np.random.default_rng(9)
    table = np.zeros(3, dtype=[("a", "<f8"), ("b", "U4")])
    yield "numpy_floats.npy", lambda path: np.save(path, rng.random((50, 3)))
    yield "numpy_objects.npy", lambda path: np.save(path, np.array(["a", 1, None, {"b": 2}], dtype=object))
    yield "numpy_many.npz", lambda path: np.savez(path, a=np.arange(9), b=table)
    yield "numpy_packed.npz", lambda path: np.savez_compressed(path, a=np.arange(9), b=np.array([1, "x"], dtype=object))
    yield "numpy_table.pkl", dumped(table, 4)
    yield "numpy_dates.pkl", dumped(np.array(["2026-01-01"], dtype="datetime64[D]"), 3)
    yield "numpy_scalars.pkl", dumped([np.float32(1), np.int64(2), np.bool_(True), np.complex64(1j)], 5)
    yield "numpy_generator.pkl", dumped(np.random.default_rng(3), 5)
    yield "numpy_random_state.pkl", dumped(np.random.RandomState(3), 4)
    yield "numpy_old.pkl", dumped({"x": np.arange(5.0), "f": np.asfortranarray(rng.random((3, 2)))}, 0)
    yield "numpy_buffers.pkl", dumped(rng.random((200, 200)), 5)
    yield "numpy_masked.pkl", dumped(np.ma.masked_less(np.arange(5), 2), 4)
    for kind in ("csr", "csc", "coo", "dok", "lil"):
        yield f"scipy_{kind}.pkl", dumped(getattr(scipy.sparse, f"{kind}_matrix")(np.eye(4)), 4)
    yield "scipy_array.pkl", dumped(scipy.sparse.csr_array(np.eye(4)), 5)
    yield "scipy_sparse.npz", lambda path: scipy.sparse.save_npz(path, scipy.sparse.csr_matrix(np.eye(5)))


def torch_files() -> Iterator[tuple[str, Writer]]:
    """State dicts, optimisers, whole modules, TorchScript, in the zip format and in the one before it."""
    try:
        import torch
    except ImportError:
        print("no torch here", file=sys.stderr)
        return
    torch.manual_seed(1)
    net = torch.nn.Sequential(
        torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.BatchNorm1d(8), torch.nn.Dropout(0.1), torch.nn.Linear(8, 2)
    )
    net(torch.rand(3, 4)).sum().backward()
    adam = torch.optim.Adam(net.parameters())
    adam.step()
    conv = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.GELU(), torch.nn.AdaptiveAvgPool2d(1))
    attention = torch.nn.TransformerEncoderLayer(16, 2, 32)

    def old(path: Path) -> None:
        torch.save(net.state_dict(), path, _use_new_zipfile_serialization=False)

    yield "torch_state.pt", lambda path: torch.save(net.state_dict(), path)
    yield "torch_state_old.pth", old
    yield (
        "torch_checkpoint.ckpt",
        lambda path: torch.save(
            {"model": net.state_dict(), "optimiser": adam.state_dict(), "epoch": 3, "args": {"lr": 0.1}}, path
        ),
    )
    yield "torch_half.bin", lambda path: torch.save({k: v.half() for k, v in net.state_dict().items()}, path)
    yield "torch_bfloat.bin", lambda path: torch.save({k: v.bfloat16() for k, v in net.state_dict().items()}, path)
    yield "torch_kinds.pt", lambda path: torch.save(
        [torch.arange(3), torch.tensor([True]), torch.tensor([1j]), torch.eye(3).to_sparse(), torch.float32,
         torch.device("cpu"), torch.Size([1, 2]), torch.nn.Parameter(torch.rand(2))], path)  # fmt: skip
    yield "torch_module.pt", lambda path: torch.save(net, path)
    yield "torch_conv.pt", lambda path: torch.save(conv, path)
    yield "torch_attention.pt", lambda path: torch.save(attention, path)
    yield "torch_tensor.pkl", dumped(torch.rand(3), 4)


def other_files() -> Iterator[tuple[str, Writer]]:
    """Plain Python values, pandas frames, safetensors."""
    import pandas
    from safetensors.numpy import save_file

    point = collections.OrderedDict(a=1, b=[1.5, "x", b"y", {1, 2}, frozenset({3}), (None, True), 2**80, 1j])
    when = [datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC), datetime.timedelta(3), decimal.Decimal("1.5")]
    for protocol in range(6):
        yield f"python_values_{protocol}.pkl", dumped([point, when, collections.Counter("abca"), range(3)], protocol)
    frame = pandas.DataFrame(
        {"a": [1.5, 2], "b": ["x", "y"], "c": pandas.Categorical(["u", "v"]), "d": pandas.to_datetime(["2026", "2027"])}
    )
    yield "pandas_frame.pkl", frame.to_pickle
    yield "pandas_series.pkl", pandas.Series([1, 2, 3], name="n").to_pickle
    yield "safe.safetensors", lambda path: save_file({"w": np.ones((2, 2))}, path)


if __name__ == "__main__":
    main()
