"""Benign objects of the libraries installed here, for `regenerate.py observed` to pickle. Nothing is fetched or kept."""

import array
import collections
import datetime
import decimal
import functools
import pathlib
import random
import re
import sys
import types
import uuid
import warnings

warnings.filterwarnings("ignore")


def objects():
    for maker in (plain, numbers, tables, sparse, estimators, composed, boosters):
        try:
            yield from maker()
        except Exception as problem:  # A library that is not there, or a version that does it differently.
            print(f"# {maker.__name__}: {problem!r}", file=sys.stderr)


def plain():
    values = {
        "containers": [collections.OrderedDict(a=1), collections.Counter("ab"), collections.deque([1]), collections.defaultdict(list)],
        "dates": [datetime.datetime.now(datetime.timezone.utc), datetime.date.today(), datetime.time(1), datetime.timedelta(1)],
        "numbers": [decimal.Decimal(1), 1j, range(3), slice(1)], "paths": [pathlib.Path("a"), pathlib.PurePosixPath("b")],
        "random": random.Random(1), "pattern": re.compile("a"), "uuid": uuid.uuid4(), "space": types.SimpleNamespace(a=1),
        "partial": functools.partial(max, 1), "array": array.array("f", [1]), "method": str.lower, "types": [int, len, type(None), ...],
        "sets": [{1}, frozenset((1,)), bytearray(b"a"), b"abc\xff"], "error": ValueError("a"),
    }
    yield from values.items()


def numbers():
    import numpy

    for kind in "? b h i l q B H I L Q e f d g F D S4 U4 V4 O M8[s] m8[s]".split():
        one = numpy.zeros(2, kind)
        yield f"numpy {kind}", [one, one[0], one.dtype, type(one[0])]
    yield "numpy.ma", numpy.ma.masked_array([1, 2], [0, 1])
    yield "numpy.matrix", numpy.matrix([[1]])
    yield "numpy.rec", numpy.rec.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")])
    yield "numpy.poly", [numpy.poly1d([1, 2]), numpy.polynomial.Polynomial([1, 2]), numpy.polynomial.Chebyshev([1, 2])]
    yield "numpy.fortran", numpy.asfortranarray(numpy.ones((2, 3)))
    yield "numpy.masked", numpy.ma.masked
    yield "numpy ufuncs", [numpy.log1p, numpy.mean, numpy.exp, numpy.add]
    for kind in ("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64"):
        bits = getattr(numpy.random, kind)(1)
        yield f"numpy.random {kind}", [bits, numpy.random.Generator(bits), numpy.random.RandomState(bits) if kind == "MT19937" else bits.seed_seq]
    yield "numpy.random", [numpy.random.RandomState(1), numpy.random.SeedSequence(1), numpy.random.default_rng()]


def tables():
    import numpy
    import pandas as pd

    frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y"], "c": pd.to_datetime(["2024", "2025"]), "d": pd.Categorical(["p", "q"]), "e": [True, False]})
    yield "pandas frame", frame
    yield "pandas series", [frame[c] for c in frame]
    yield "pandas empty", [pd.DataFrame(), pd.Series(dtype=float)]
    for kind in ("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64", "Float32", "Float64", "boolean", "string", "category", "string[python]", "Sparse[float]", "str"):
        try:
            one = pd.Series([1, 0]).astype(kind)
            yield f"pandas {kind}", [one, one.array, one.dtype]
        except (TypeError, ValueError, ImportError):
            continue
    yield "pandas indexes", [pd.Index([1]), pd.Index(["a"]), pd.RangeIndex(2), pd.MultiIndex.from_tuples([(1, 2)]), pd.CategoricalIndex(["a"]),
                             pd.date_range("2024", periods=3), pd.date_range("2024", periods=3, tz="UTC"), pd.period_range("2024", periods=2, freq="M"), pd.timedelta_range("1D", periods=2), pd.interval_range(0, 2)]
    yield "pandas indexed", pd.DataFrame({"a": [1.0, 2.0]}, index=pd.MultiIndex.from_tuples([(1, 2), (3, 4)]))
    yield "pandas scalars", [pd.Timestamp("2024"), pd.Timestamp("2024", tz="UTC"), pd.Timedelta("1D"), pd.Period("2024", "M"), pd.Interval(0, 1), pd.NaT, pd.NA]
    offsets = pd.tseries.offsets
    for name in sorted(dir(offsets)):
        kind = getattr(offsets, name)
        if isinstance(kind, type):
            try:
                yield f"pandas offset {name}", kind()
            except TypeError:
                continue
    yield "pandas grouped", [frame.dtypes, pd.Grouper(key="a"), pd.CategoricalDtype(["a"], True), pd.DatetimeTZDtype(tz="UTC"), pd.IntervalDtype("int64"), pd.PeriodDtype("M"), pd.SparseDtype()]
    yield "pandas tz", pd.Timestamp("2024", tz="Europe/Berlin")
    yield "pandas flags", numpy.array([pd.Timestamp("2024")], dtype=object)


def sparse():
    import numpy
    import scipy.interpolate
    import scipy.sparse
    import scipy.spatial
    import scipy.stats

    for form in ("csr", "csc", "coo", "lil", "dok", "dia", "bsr"):
        yield f"scipy {form}", [scipy.sparse.random(4, 4, 0.5).asformat(form), getattr(scipy.sparse, f"{form}_array")(numpy.eye(3))]
    x = numpy.arange(8.0)
    yield "scipy interp", [scipy.interpolate.interp1d(x, x), scipy.interpolate.UnivariateSpline(x, x), scipy.interpolate.CubicSpline(x, x), scipy.interpolate.PchipInterpolator(x, x),
                           scipy.interpolate.Akima1DInterpolator(x, x), scipy.interpolate.make_interp_spline(x, x), scipy.interpolate.PPoly([[1.0]], [0.0, 1.0])]
    yield "scipy grid", scipy.interpolate.RegularGridInterpolator((x, x), numpy.ones((8, 8)))
    yield "scipy rbf", scipy.interpolate.RBFInterpolator(numpy.random.rand(9, 2), numpy.ones(9))
    yield "scipy trees", [scipy.spatial.cKDTree(numpy.random.rand(9, 2)), scipy.spatial.KDTree(numpy.random.rand(9, 2))]
    yield "scipy rotation", scipy.spatial.transform.Rotation.identity()
    yield "scipy kde", scipy.stats.gaussian_kde(x)
    for name in dir(scipy.stats):
        one = getattr(scipy.stats, name)
        if isinstance(one, (scipy.stats.rv_continuous, scipy.stats.rv_discrete)):
            try:
                yield f"scipy.stats {name}", [one, one()]
            except TypeError:
                yield f"scipy.stats {name}", one
    yield "scipy.optimize", scipy.optimize.minimize(lambda v: (v**2).sum(), [1.0]) if hasattr(scipy, "optimize") else None


def estimators():
    import numpy
    from sklearn.utils import all_estimators

    random_state = numpy.random.RandomState(0)
    x, texts = abs(random_state.normal(size=(40, 4))), ["a load of text", "light words"] * 20
    y = (x[:, 0] > x[:, 0].mean()).astype(int)
    for name, kind in all_estimators():
        for target in (y, x[:, 0], None, numpy.c_[y, y]):
            try:
                one = kind()
                for setting, value in (("max_iter", 5), ("n_estimators", 3)):
                    if setting in one.get_params():
                        one.set_params(**{setting: value})
                one.fit(x, target)
            except Exception:
                continue
            yield name, one
            break
        else:
            try:
                yield name, kind().fit(texts)
            except Exception:
                continue
    import sklearn.ensemble
    import sklearn.gaussian_process.kernels as kernels
    import sklearn.linear_model
    import sklearn.metrics
    import sklearn.neighbors

    for loss in ("squared_error", "absolute_error", "huber", "quantile"):
        yield f"boosting {loss}", sklearn.ensemble.GradientBoostingRegressor(loss=loss, n_estimators=2).fit(x, x[:, 0])
    for loss in ("squared_error", "absolute_error", "poisson", "quantile", "gamma"):
        yield f"hist {loss}", sklearn.ensemble.HistGradientBoostingRegressor(loss=loss, max_iter=2, quantile=0.5).fit(x, x[:, 0])
    yield "hist multiclass", sklearn.ensemble.HistGradientBoostingClassifier(max_iter=2).fit(x, numpy.arange(40) % 3)
    yield "boosting exponential", sklearn.ensemble.GradientBoostingClassifier(loss="exponential", n_estimators=2).fit(x, y)
    for loss in ("hinge", "log_loss", "modified_huber", "squared_hinge", "perceptron", "squared_error", "huber", "epsilon_insensitive", "squared_epsilon_insensitive"):
        yield f"sgd {loss}", sklearn.linear_model.SGDClassifier(loss=loss).fit(x, y)
    for criterion in ("squared_error", "friedman_mse", "absolute_error", "poisson"):
        from sklearn.tree import DecisionTreeRegressor
        yield f"tree {criterion}", DecisionTreeRegressor(criterion=criterion).fit(x, x[:, 0])
    for metric in ("euclidean", "manhattan", "chebyshev", "minkowski", "haversine", "hamming", "jaccard", "canberra", "braycurtis", "seuclidean", "mahalanobis"):
        for algorithm in ("ball_tree", "kd_tree", "brute"):
            try:
                yield f"neighbours {metric}", sklearn.neighbors.KNeighborsClassifier(metric=metric, algorithm=algorithm).fit(x.astype("f4" if metric == "hamming" else "f8"), y)
            except Exception:
                continue
        try:
            yield f"metric {metric}", sklearn.metrics.DistanceMetric.get_metric(metric)
        except Exception:
            continue
    yield "scorers", [sklearn.metrics.get_scorer(name) for name in sklearn.metrics.get_scorer_names()]
    yield "kernels", [getattr(kernels, n)() for n in ("RBF", "WhiteKernel", "Matern", "ConstantKernel", "DotProduct", "RationalQuadratic", "ExpSineSquared", "PairwiseKernel")]
    for power in (0, 1, 2, 1.5):
        yield f"glm {power}", sklearn.linear_model.TweedieRegressor(power=power).fit(x, x[:, 0])


def composed():
    import numpy
    from sklearn import calibration, compose, ensemble, feature_selection, inspection, linear_model, metrics, model_selection, multiclass, multioutput, pipeline, preprocessing, svm

    x = abs(numpy.random.RandomState(0).normal(size=(40, 4)))
    y = numpy.arange(40) % 2
    base = linear_model.LogisticRegression()
    yield "pipeline", pipeline.make_pipeline(preprocessing.StandardScaler(), base).fit(x, y)
    yield "columns", compose.ColumnTransformer([("a", preprocessing.StandardScaler(), [0]), ("b", "passthrough", [1])], remainder="drop").fit(x)
    yield "selector", compose.make_column_selector(dtype_include=float)
    yield "grid", model_selection.GridSearchCV(base, {"C": [1, 2]}, cv=3, scoring="f1").fit(x, y)
    yield "search", model_selection.RandomizedSearchCV(base, {"C": __import__("scipy.stats").stats.uniform(0, 1)}, n_iter=2, cv=model_selection.StratifiedKFold(2)).fit(x, y)
    for method in ("sigmoid", "isotonic"):
        yield f"calibrated {method}", calibration.CalibratedClassifierCV(svm.LinearSVC(), method=method, cv=2).fit(x, y)
    yield "multi", [multiclass.OneVsRestClassifier(base).fit(x, y), multiclass.OneVsOneClassifier(base).fit(x, numpy.arange(40) % 3), multiclass.OutputCodeClassifier(base).fit(x, numpy.arange(40) % 3),
                    multioutput.MultiOutputClassifier(base).fit(x, numpy.c_[y, y]), multioutput.ClassifierChain(base).fit(x, numpy.c_[y, y])]
    yield "ensembles", [ensemble.VotingClassifier([("a", base)]).fit(x, y), ensemble.StackingClassifier([("a", base)], cv=2).fit(x, y), ensemble.BaggingClassifier(base, 2).fit(x, y)]
    for score in ("f_classif", "chi2", "f_regression", "mutual_info_classif", "mutual_info_regression", "r_regression"):
        yield f"select {score}", feature_selection.SelectKBest(getattr(feature_selection, score), k=2).fit(x, y)
    yield "select from", [feature_selection.SelectFromModel(base).fit(x, y), feature_selection.RFE(base).fit(x, y)]
    yield "functions", [preprocessing.FunctionTransformer(f) for f in (numpy.log1p, numpy.log, numpy.sqrt, numpy.exp, numpy.expm1, numpy.square, numpy.abs, numpy.nan_to_num)]
    yield "target", compose.TransformedTargetRegressor(linear_model.Ridge(), func=numpy.log1p, inverse_func=numpy.expm1).fit(x, x[:, 0])
    yield "scorer", metrics.make_scorer(metrics.mean_squared_error, greater_is_better=False)
    yield "splits", [getattr(model_selection, n)() for n in ("KFold", "StratifiedKFold", "GroupKFold", "ShuffleSplit", "TimeSeriesSplit", "RepeatedKFold", "LeaveOneOut", "StratifiedShuffleSplit")]
    yield "inspection", inspection.permutation_importance(linear_model.Ridge().fit(x, y), x, y, n_repeats=2)
    public = [getattr(metrics, n) for n in dir(metrics) if callable(getattr(metrics, n)) and n[0].islower()]
    for one in public:
        yield f"metric function {one.__name__}", one


def boosters():
    import numpy

    x = abs(numpy.random.RandomState(0).normal(size=(40, 4)))
    y = numpy.arange(40) % 2
    import xgboost

    yield "xgb booster", xgboost.train({"nthread": 1}, xgboost.DMatrix(x, y), 2)
    for name in ("XGBClassifier", "XGBRegressor", "XGBRFClassifier", "XGBRFRegressor"):
        yield name, getattr(xgboost, name)(n_estimators=2, n_jobs=1).fit(x, y)
    yield "xgb early", xgboost.XGBClassifier(n_estimators=2, n_jobs=1, callbacks=[xgboost.callback.EarlyStopping(1)])
    yield "XGBRanker", xgboost.XGBRanker(n_estimators=2, n_jobs=1).fit(x, y, group=[40])
    import lightgbm

    yield "lgbm booster", lightgbm.train({"verbose": -1, "num_threads": 1}, lightgbm.Dataset(x, y), 2)
    for name in ("LGBMClassifier", "LGBMRegressor"):
        yield name, getattr(lightgbm, name)(n_estimators=2, n_jobs=1, verbose=-1).fit(x, y)
    yield "LGBMRanker", lightgbm.LGBMRanker(n_estimators=2, n_jobs=1, verbose=-1).fit(x, y, group=[40])
