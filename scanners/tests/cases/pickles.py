"""Ordinary pickles: plain values, arrays, frames and estimators, in every protocol that people meet."""

import collections
import datetime
import decimal
import fractions
import pathlib
import pickle
import random
import re
import uuid

import numpy
import pandas

import estimators
from pickle_code import Code, pickled

CYCLE = []
CYCLE.append(CYCLE)
POINT = collections.OrderedDict([("b", 2), ("a", 1)])
UTC = datetime.timezone.utc
VALUES = {
    "vocabulary": {word: index for index, word in enumerate("the model is weighed and found light".split())},
    "labels": ["cat", "dog", "owl"], "nested": {"a": [1, (2, 3)], "b": {"c": {"d": None}}},
    "numbers": [0, 255, 256, 65536, -1, 2**31, 2**63, -(2**70), 10**100],
    "floats": [0.0, -1.5, float("inf"), float("nan"), 1e-300],
    "texts": ["", "naïve", "雪", "\U0001f389", "line\nbreak", "quote'\"", "\x80abc"], "bytes": [b"", b"\0\1\2", bytes(300)],
    "sets": [{1, 2}, frozenset("ab")], "mutable-bytes": bytearray(b"abc"), "complex": [1j, slice(1, 5), range(9)],
    "dates": [datetime.date(2024, 1, 2), datetime.datetime(2024, 1, 2, 3, tzinfo=UTC), datetime.timedelta(days=1), datetime.time(3)],
    "decimals": [decimal.Decimal("1.25"), fractions.Fraction(1, 3)], "uuid": uuid.UUID(int=5),
    "containers": [POINT, collections.Counter("abca"), collections.deque([1, 2], 5), collections.defaultdict(list, {"a": [1]})],
    "paths": [pathlib.PurePosixPath("data/train"), pathlib.PureWindowsPath("C:/data")], "pattern": re.compile(r"\w+", re.I),
    "cycle": CYCLE, "long-text": "weights " * 5000, "random-state": random.Random(1).getstate(),
    "many-memo": [[n] for n in range(600)], "types": [int, str, dict, len], "bool-none": [True, False, None, ...],
    "code-words": ["import os", "os.system('ls')", "cos\nsystem\n(S'ls'\ntR.", "__reduce__", "eval", "subprocess"],
    "history": {"loss": [0.9, 0.5, 0.3], "val_loss": [1.0, 0.7, 0.6]},
}


def make(cases):
    family = cases.family("pickle")
    plain_values(family)
    every_protocol(family)
    arrays(family)
    frames(family)
    trained(family)
    oddities(family)


def plain_values(family):
    for at, (case, value) in enumerate(VALUES.items()):
        protocol = (2, 4, 5, 3)[at % 4]
        family.benign(f"value-{case}", f"{case}.pkl", pickle.dumps(value, protocol), f"plain values ({case}), protocol {protocol}")
    for case in ("vocabulary", "nested", "texts", "containers"):
        family.benign(f"value-{case}-p0", f"{case}.p", pickle.dumps(VALUES[case], 0), f"plain values ({case}) in protocol 0, which is text")
    family.benign("value-python2", "vocab.pkl", pickle.dumps(VALUES["containers"], 2, fix_imports=True).replace(b"builtins", b"__builtin__"), "containers as Python 2 wrote them")


def every_protocol(family):
    model = estimators.classifiers()["logistic"].fit(estimators.ROWS, estimators.CLASSES)
    for protocol in range(6):
        family.benign(f"array-p{protocol}", "array.pickle", pickle.dumps(numpy.arange(20.0), protocol), f"an array, protocol {protocol}")
        family.benign(f"logistic-p{protocol}", "model.pkl", pickle.dumps(model, protocol), f"a logistic regression, protocol {protocol}")


def arrays(family):
    rows = {
        "int-scalar": numpy.int64(7), "float-scalar": numpy.float32(0.5), "legacy-random": numpy.random.RandomState(3),
        "generator": numpy.random.default_rng(3), "philox": numpy.random.Generator(numpy.random.Philox(1)),
        "masked": numpy.ma.masked_array([1, 2, 3], [0, 1, 0]),
        "date": numpy.datetime64("2024-01-01"),
        "dtype": numpy.dtype([("a", "f4")]),
        "structured": numpy.zeros(3, [("a", "<f4"), ("b", "S4")]), "object-strings": numpy.array(["a", None, "c"], object),
        "dict-of-arrays": {"mean": numpy.zeros(4), "std": numpy.ones(4, "f4")}, "seed-sequence": numpy.random.SeedSequence(4),
        "fortran": numpy.asfortranarray(numpy.zeros((3, 2))), "large": numpy.zeros((300, 300), "f4"),
    }
    rows |= {f"sparse-{form}": matrix for form, matrix in estimators.sparse().items()}
    for at, (case, value) in enumerate(rows.items()):
        family.benign(f"numpy-{case}", f"{case}.pkl", pickle.dumps(value, (2, 4, 5)[at % 3]), f"numpy or scipy: {case}")
    old = pickle.dumps(numpy.arange(6.0), 2).replace(b"numpy._core", b"numpy.core")
    family.benign("numpy-1", "array.pkl", old, "an array as numpy 1 named its modules")


def frames(family):
    frame = pandas.DataFrame({"n": [1, 2], "x": [0.5, None], "town": ["Bern", "Basel"], "when": pandas.to_datetime(["2024-01-01", "2024-02-01"])})
    rows = {
        "frame": frame, "series": frame["x"], "index": frame.set_index("when"), "categories": frame.astype({"town": "category"}),
        "multi-index": frame.set_index(["town", "n"]),
        "objects": frame.astype({"town": object}),
        "period": pandas.period_range("2024", periods=3),
        "interval": pandas.interval_range(0, 3),
        "nullable": frame.astype({"n": "Int64"}),
        "timestamp": pandas.Timestamp("2024-01-01", tz="UTC"),
    }
    for at, (case, value) in enumerate(rows.items()):
        family.benign(f"pandas-{case}", f"{case}.pkl", pickle.dumps(value, (4, 5)[at % 2]), f"pandas: {case}")


def trained(family):
    names = (".pkl", ".sav", ".pickle", ".model", ".p")
    for at, (case, model) in enumerate(estimators.trained().items()):
        protocol = (2, 3, 4, 5)[at % 4]
        family.benign(f"sklearn-{case}", "model" + names[at % 5], pickle.dumps(model, protocol), f"scikit-learn: {case}, protocol {protocol}")
    for case, model in estimators.boosters().items():
        family.benign(f"boosted-{case}", "model.pkl", pickle.dumps(model, 4), f"a boosting library's object: {case}")


def oddities(family):
    """Correct and harmless, and yet not what every reader expects."""
    family.benign("odd-empty-tuple", "none.pkl", pickled((), 2), "an empty tuple")
    family.benign("odd-two-protocols", "twice.pkl", b"\x80\x02\x80\x02N.", "the protocol said twice")
    family.benign("odd-dup", "dup.pkl", b"\x80\x02]2\x86.", "the same list twice, by DUP")
    family.benign("odd-pop-mark", "pop.pkl", b"\x80\x02K\x01(K\x02K\x031.", "values thrown away with POP_MARK")
    family.benign("odd-put-get", "memo.pkl", b"]p0\n0g0\n.", "memo numbers as text")
    family.benign("odd-long", "long.pkl", b"\x80\x02\x8a\x00.", "zero as a long of no bytes")
    family.benign("odd-frames", "frames.pkl", b"\x80\x04\x95\x01\0\0\0\0\0\0\0]\x95\x01\0\0\0\0\0\0\0.", "a frame for every opcode")
    family.benign("odd-recursive", "tree.pkl", pickled(Code(b"]q\0(h\0h\0e"), 2), "a list that holds itself twice")
    family.benign("word-vectors", "vectors.pkl", pickle.dumps({w: numpy.ones(8, "f4") for w in "abcdefgh"}, 5), "word vectors")
    deep = None
    for _ in range(60):
        deep = [deep]
    family.benign("odd-deep", "deep.pkl", pickle.dumps(deep, 4), "sixty lists in one another")
    family.benign("odd-mixed", "cache.dat", pickle.dumps({"k": 1}, 4), "a pickle under a name that says nothing")
