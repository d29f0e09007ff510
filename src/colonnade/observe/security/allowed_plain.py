# SPDX-License-Identifier: Apache-2.0
"""The allow-list for Python itself, numpy, scipy, pandas, joblib, XGBoost and LightGBM, one reason a group.

A name is here only if a genuine file needs it and if no argument that a pickle can give makes it do more than make a
value. Whole modules are never allowed: numpy alone has `f2py`, `testing`, `load`, `lib.format`, `ctypeslib`.
"""

from __future__ import annotations

CALLED = {
    # Values of Python's own types, as copyreg and the types' own __reduce__ write them.
    "builtins": "bytearray bytes complex dict float frozenset int list range xrange set slice str tuple bool",
    "collections": "Counter OrderedDict defaultdict deque",
    "datetime": "date datetime time timedelta timezone",
    "decimal": "Decimal",
    "fractions": "Fraction",
    "pathlib": "PurePosixPath PosixPath PureWindowsPath",
    # Protocols 0 to 2 write bytes as text to encode, and objects by these two.
    "_codecs": "encode",
    "copyreg": "_reconstructor __newobj__",
    # An array's frame, its scalars, its buffers (protocol 5), and random generators.
    "numpy": "dtype",
    "numpy._core.multiarray": "_reconstruct scalar",
    "numpy._core.numeric": "_frombuffer",
    "numpy.ma.core": "_mareconstruct",
    "numpy.random._pickle": "__bit_generator_ctor __generator_ctor __randomstate_ctor",
    "numpy.random.bit_generator": "__pyx_unpickle_SeedSequence",
    # Cython classes are made by a function of their module, out of a class and a number.
    "pandas._libs.arrays": "__pyx_unpickle_NDArrayBacked",
    "pandas._libs.internals": "_unpickle_block",
    "pandas.core.internals.managers": "BlockManager SingleBlockManager",
    "pandas.core.indexes.base": "_new_Index",
    "pandas": "StringDtype CategoricalDtype",
    "pandas.core.arrays.string_": "StringDtype",
    "sklearn.neighbors._ball_tree": "newObj",
    "sklearn.neighbors._kd_tree": "newObj",
    "sklearn.metrics._dist_metrics": "newObj",
    # Loss functions and links of scikit-learn reduce to a call of their own class with numbers.
    "sklearn._loss._loss": (
        "CyAbsoluteError CyExponentialLoss CyHalfBinomialLoss CyHalfGammaLoss CyHalfMultinomialLoss CyHalfPoissonLoss "
        "CyHalfSquaredError CyHalfTweedieLoss CyHalfTweedieLossIdentity CyHuberLoss CyPinballLoss"
    ),
    "sklearn.linear_model._sgd_fast": (
        "EpsilonInsensitive Hinge Huber Log ModifiedHuber SquaredEpsilonInsensitive SquaredHinge SquaredLoss"
    ),
    "sklearn.tree._tree": "Tree",
}
"""Functions and types that a pickle may call; `calls` has further rules for the arguments of some."""

MADE = {
    "builtins": "object set frozenset list dict tuple int float str",
    "collections": "Counter OrderedDict defaultdict deque",
    "numpy": "ndarray",
    "numpy.ma": "MaskedArray",
    "numpy.ma.core": "MaskedArray MaskedConstant",
    "numpy.random._mt19937": "MT19937",
    "numpy.random._pcg64": "PCG64 PCG64DXSM",
    "numpy.random._philox": "Philox",
    "numpy.random._sfc64": "SFC64",
    "numpy.random.bit_generator": "SeedSequence",
    "joblib.numpy_pickle": "NumpyArrayWrapper",
    "scipy.interpolate._bsplines": "BSpline",
    "scipy.interpolate._interpolate": "interp1d PPoly BPoly",
    "scipy.interpolate._cubic": "CubicSpline PchipInterpolator",
    "scipy.sparse._csr": "csr_matrix csr_array",
    "scipy.sparse._csc": "csc_matrix csc_array",
    "scipy.sparse._coo": "coo_matrix coo_array",
    "scipy.sparse._dok": "dok_matrix dok_array",
    "scipy.sparse._lil": "lil_matrix lil_array",
    "scipy.sparse._bsr": "bsr_matrix bsr_array",
    "scipy.sparse._dia": "dia_matrix dia_array",
    "scipy.sparse.csr": "csr_matrix",
    "scipy.sparse.csc": "csc_matrix",
    "scipy.sparse.coo": "coo_matrix",
    "pandas": (
        "Categorical CategoricalDtype DataFrame Index RangeIndex Series MultiIndex DatetimeIndex TimedeltaIndex "
        "CategoricalIndex IntervalIndex"
    ),
    "pandas.core.frame": "DataFrame",
    "pandas.core.series": "Series",
    "pandas.core.indexes.base": "Index",
    "pandas.core.indexes.range": "RangeIndex",
    "pandas.core.indexes.multi": "MultiIndex",
    "pandas.core.indexes.datetimes": "DatetimeIndex",
    "pandas.core.indexes.category": "CategoricalIndex",
    "pandas.core.arrays.categorical": "Categorical",
    "pandas.core.arrays.datetimes": "DatetimeArray",
    "pandas.core.arrays.string_": "StringArray",
    "pandas.core.dtypes.dtypes": "CategoricalDtype DatetimeTZDtype",
    "pandas.core.internals.managers": "BlockManager SingleBlockManager",
    "pandas.arrays": "DatetimeArray StringArray IntegerArray FloatingArray BooleanArray TimedeltaArray",
    # Their state is a model in the library's own format, read by its native reader.
    "xgboost.core": "Booster",
    "xgboost.sklearn": "XGBClassifier XGBModel XGBRFClassifier XGBRFRegressor XGBRanker XGBRegressor",
    "xgboost.callback": "EarlyStopping EvaluationMonitor",
    "lightgbm.basic": "Booster",
    "lightgbm.sklearn": "LGBMClassifier LGBMModel LGBMRanker LGBMRegressor",
}
"""Classes that a pickle may make without their constructor, and give a state."""

_UFUNCS = (
    "abs absolute add arccos arcsin arctan cbrt ceil cos cosh divide exp exp2 expm1 fabs floor log log10 log1p log2 "
    "maximum minimum multiply negative power reciprocal rint sign sin sinh sqrt square subtract tan tanh trunc"
)

VALUES = {
    "builtins": "bool bytes complex dict float frozenset int list set slice str tuple Ellipsis NotImplemented",
    "numpy": (
        "bool bool_ bytes_ complex128 complex64 datetime64 float16 float32 float64 int16 int32 int64 int8 longlong "
        f"matrix ndarray object_ str_ timedelta64 uint16 uint32 uint64 uint8 void nan mean median {_UFUNCS}"
    ),
    "scipy._lib.array_api_compat.numpy._aliases": "asarray",
    "scipy.special._ufuncs": "expit logit",
    "scipy.special": "expit logit",
}
"""Types and functions that a state refers to: never called, and not made, by the pickle."""
