"""Trained estimators and arrays of the real libraries, as people save them. Small, and the same on every run."""

import warnings

import numpy
import scipy.sparse

warnings.filterwarnings("ignore")
RANDOM = numpy.random.RandomState(7)
ROWS = RANDOM.normal(size=(60, 5))
CLASSES = (ROWS[:, 0] + ROWS[:, 1] > 0).astype(int)
TARGET = ROWS @ numpy.arange(5) + 0.1
TEXTS = ["the model is weighed", "the load is light", "a heavy load of text", "light and heavy"] * 5


def classifiers():
    from sklearn import discriminant_analysis, dummy, ensemble, gaussian_process, linear_model, naive_bayes, neighbors, neural_network, svm, tree

    return {
        "logistic": linear_model.LogisticRegression(), "sgd": linear_model.SGDClassifier(random_state=0),
        "svc": svm.SVC(probability=False), "linear-svc": svm.LinearSVC(), "nu-svc": svm.NuSVC(),
        "tree": tree.DecisionTreeClassifier(max_depth=3, random_state=0),
        "forest": ensemble.RandomForestClassifier(n_estimators=5, random_state=0),
        "extra-trees": ensemble.ExtraTreesClassifier(n_estimators=5, random_state=0),
        "boosting": ensemble.GradientBoostingClassifier(n_estimators=5, random_state=0),
        "hist-boosting": ensemble.HistGradientBoostingClassifier(max_iter=5, random_state=0),
        "ada": ensemble.AdaBoostClassifier(n_estimators=4, random_state=0),
        "bagging": ensemble.BaggingClassifier(n_estimators=3, random_state=0),
        "voting": ensemble.VotingClassifier([("a", linear_model.LogisticRegression()), ("b", naive_bayes.GaussianNB())]),
        "naive-bayes": naive_bayes.GaussianNB(), "neighbours": neighbors.KNeighborsClassifier(),
        "ball-tree": neighbors.KNeighborsClassifier(algorithm="ball_tree"),
        "kd-tree": neighbors.KNeighborsClassifier(algorithm="kd_tree"),
        "lda": discriminant_analysis.LinearDiscriminantAnalysis(), "dummy": dummy.DummyClassifier(),
        "perceptron": neural_network.MLPClassifier((4,), max_iter=20, random_state=0),
        "gaussian-process": gaussian_process.GaussianProcessClassifier(random_state=0),
        "isolation": ensemble.IsolationForest(n_estimators=4, random_state=0),
    }


def regressors():
    from sklearn import cross_decomposition, ensemble, gaussian_process, isotonic, linear_model, neighbors, svm

    kernel = gaussian_process.kernels.RBF() + gaussian_process.kernels.WhiteKernel()
    return {
        "linear": linear_model.LinearRegression(), "ridge": linear_model.Ridge(), "lasso": linear_model.LassoCV(cv=3),
        "elastic": linear_model.ElasticNet(), "huber": linear_model.HuberRegressor(), "svr": svm.SVR(),
        "forest-regressor": ensemble.RandomForestRegressor(n_estimators=4, random_state=0),
        "boosting-regressor": ensemble.GradientBoostingRegressor(n_estimators=4, random_state=0),
        "hist-regressor": ensemble.HistGradientBoostingRegressor(max_iter=4, random_state=0, loss="poisson") if (TARGET > 0).all() else ensemble.HistGradientBoostingRegressor(max_iter=4, random_state=0),
        "neighbours-regressor": neighbors.KNeighborsRegressor(), "pls": cross_decomposition.PLSRegression(2),
        "process-regressor": gaussian_process.GaussianProcessRegressor(kernel, random_state=0),
        "glm": linear_model.TweedieRegressor(), "stacking": ensemble.StackingRegressor([("r", linear_model.Ridge())], cv=3),
        "isotonic": isotonic.IsotonicRegression(),
    }


def transformers():
    from sklearn import cluster, decomposition, feature_selection, impute, kernel_approximation, manifold, mixture, preprocessing, random_projection

    return {
        "scaler": preprocessing.StandardScaler(), "min-max": preprocessing.MinMaxScaler(),
        "quantile": preprocessing.QuantileTransformer(n_quantiles=10), "power": preprocessing.PowerTransformer(),
        "polynomial": preprocessing.PolynomialFeatures(2), "spline": preprocessing.SplineTransformer(),
        "bins": preprocessing.KBinsDiscretizer(3, quantile_method="averaged_inverted_cdf"),
        "pca": decomposition.PCA(2),
        "svd": decomposition.TruncatedSVD(2, random_state=0),
        "ica": decomposition.FastICA(2, random_state=0), "kmeans": cluster.KMeans(3, n_init=1, random_state=0),
        "mini-kmeans": cluster.MiniBatchKMeans(3, n_init=1, random_state=0), "dbscan": cluster.DBSCAN(),
        "agglomerative": cluster.AgglomerativeClustering(3), "mixture": mixture.GaussianMixture(2, random_state=0),
        "imputer": impute.SimpleImputer(), "knn-imputer": impute.KNNImputer(),
        "variance": feature_selection.VarianceThreshold(),
        "projection": random_projection.GaussianRandomProjection(2, random_state=0),
        "nystroem": kernel_approximation.Nystroem(n_components=4, random_state=0), "isomap": manifold.Isomap(n_neighbors=5),
    }


def composed():
    from sklearn import calibration, compose, feature_extraction, feature_selection, linear_model, model_selection, multiclass, naive_bayes, pipeline, preprocessing, svm, tree
    import pandas

    frame = pandas.DataFrame({"age": [30, 40, 50, 60] * 5, "town": ["Bern", "Basel", "Genf", "Bern"] * 5})
    labels = numpy.array([0, 1, 1, 0] * 5)
    columns = compose.ColumnTransformer([("n", preprocessing.StandardScaler(), ["age"]), ("c", preprocessing.OneHotEncoder(handle_unknown="ignore"), ["town"])])
    words = pipeline.make_pipeline(feature_extraction.text.TfidfVectorizer(ngram_range=(1, 2)), naive_bayes.MultinomialNB())
    search = model_selection.GridSearchCV(svm.SVC(), {"C": [0.1, 1]}, cv=3)
    random = model_selection.RandomizedSearchCV(tree.DecisionTreeClassifier(random_state=0), {"max_depth": [1, 2, 3]}, n_iter=2, cv=3, random_state=0)
    best = pipeline.Pipeline([("pick", feature_selection.SelectKBest(feature_selection.f_classif, k=3)), ("fit", linear_model.LogisticRegression())])
    return {
        "columns": pipeline.Pipeline([("columns", columns), ("model", linear_model.LogisticRegression())]).fit(frame, labels),
        "text": words.fit(TEXTS, [0, 1, 0, 1] * 5),
        "count-vectors": feature_extraction.text.CountVectorizer().fit(TEXTS),
        "hashing": feature_extraction.text.HashingVectorizer(n_features=64).fit(TEXTS),
        "grid-search": search.fit(ROWS, CLASSES),
        "random-search": random.fit(ROWS, CLASSES),
        "select-best": best.fit(ROWS, CLASSES),
        "calibrated": calibration.CalibratedClassifierCV(svm.LinearSVC(), cv=2).fit(ROWS, CLASSES),
        "one-vs-rest": multiclass.OneVsRestClassifier(linear_model.LogisticRegression()).fit(ROWS, (TARGET > 0) * 1 + (TARGET > 5)),
        "union": pipeline.FeatureUnion([("s", preprocessing.StandardScaler()), ("p", preprocessing.PolynomialFeatures(2))]).fit(ROWS),
        "label-encoder": preprocessing.LabelEncoder().fit(["cat", "dog", "owl"]),
        "one-hot": preprocessing.OneHotEncoder().fit([["a", 1], ["b", 2]]),
        "ordinal": preprocessing.OrdinalEncoder().fit([["a"], ["b"]]),
        "binarizer": preprocessing.MultiLabelBinarizer().fit([("a", "b"), ("c",)]),
        "target-model": compose.TransformedTargetRegressor(linear_model.Ridge(), transformer=preprocessing.StandardScaler()).fit(ROWS, TARGET),
        "log-features": preprocessing.FunctionTransformer(numpy.log1p).fit(abs(ROWS)),
    }


def trained():
    """Every estimator by name, fitted."""
    made = {name: one.fit(ROWS, CLASSES) for name, one in classifiers().items()}
    made |= {name: one.fit(ROWS[:, 0] if name == "isotonic" else ROWS, TARGET) for name, one in regressors().items()}
    made |= {name: one.fit(ROWS) for name, one in transformers().items()}
    return made | composed()


def boosters():
    """Estimators of the boosting libraries, with their boosters inside."""
    import lightgbm
    import xgboost

    quiet = {"n_jobs": 1}
    return {
        "xgb-classifier": xgboost.XGBClassifier(n_estimators=3, max_depth=2, **quiet).fit(ROWS, CLASSES),
        "xgb-regressor": xgboost.XGBRegressor(n_estimators=3, max_depth=2, **quiet).fit(ROWS, TARGET),
        "xgb-booster": xgboost.train({"max_depth": 2, "nthread": 1}, xgboost.DMatrix(ROWS, CLASSES), 3),
        "lgbm-classifier": lightgbm.LGBMClassifier(n_estimators=3, max_depth=2, verbose=-1, **quiet).fit(ROWS, CLASSES),
        "lgbm-booster": lightgbm.train({"verbose": -1, "num_threads": 1}, lightgbm.Dataset(ROWS, TARGET), 3),
    }


def arrays():
    """Arrays of every kind of element."""
    kinds = ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "c8", "c16", "?", ">f4", ">i8"]
    made = {f"dtype-{kind.replace('>', 'big-').replace('?', 'bool')}": numpy.arange(12).reshape(3, 4).astype(kind) for kind in kinds}
    record = numpy.dtype([("x", "<f4"), ("label", "S8"), ("box", "<i4", (4,))])
    return made | {
        "structured": numpy.zeros(5, record), "text": numpy.array(["alpha", "beta"]), "bytes": numpy.array([b"ab", b"c"]),
        "dates": numpy.array(["2024-01-01", "2024-06-01"], "M8[D]"), "spans": numpy.array([1, 2], "m8[s]"),
        "fortran": numpy.asfortranarray(numpy.arange(6.0).reshape(2, 3)), "empty": numpy.zeros((0, 4), "f4"),
        "scalar": numpy.array(3.5), "large": RANDOM.normal(size=(128, 64)).astype("f4"),
        "raw-void": numpy.zeros(3, "V6"), "nested": numpy.zeros(2, [("a", [("b", "<i2"), ("c", "<f8")])]),
    }


def sparse():
    grid = scipy.sparse.random(20, 20, 0.1, random_state=1)
    return {form: grid.asformat(form) for form in ("csr", "csc", "coo", "lil", "dok", "dia", "bsr")}
