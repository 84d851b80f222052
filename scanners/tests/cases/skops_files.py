"""skops: models saved with the real library, and nodes that name functions, methods and files."""

import json

import skops.io

import estimators
import zip_bytes
from numpy_files import npy, described
from pickle_code import payload

PLAIN = ("logistic", "forest", "svc", "kmeans", "pca", "columns", "text", "grid-search", "boosting", "neighbours", "ridge", "scaler", "tree", "voting", "mixture")


def make(cases):
    family = cases.family("skops")
    models = estimators.trained()
    for case in PLAIN:
        family.benign(case, "model.skops", skops.io.dumps(models[case]), f"a model of scikit-learn: {case}")
    family.benign("values", "values.skops", skops.io.dumps({"a": [1, 2.5, "x"], "b": estimators.ROWS}), "plain values")
    family.benign("object-array", "labels.skops", skops.io.dumps(estimators.numpy.array(["a", None], object)), "an object array, which skops writes as JSON")
    nodes(family)
    archives(family)


def node(kind, module, name, content=None, loader=None, **more):
    return {"__class__": name, "__module__": module, "__loader__": loader or kind, "content": content, "__id__": 1, **more}


def schema(root, files=None):
    said = {"protocol": 2, "_skops_version": "0.11.0", **root}
    return zip_bytes.plain({"schema.json": said if isinstance(said, str) else json.dumps(said), **(files or {})})


def nodes(family):
    text = lambda value: {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode", "content": json.dumps(value), "is_json": True, "__id__": 2}
    tuple_ = lambda *values: node("TupleNode", "builtins", "tuple", list(values))
    rows = [
        ("function", node("FunctionNode", "os", "system", {"module_path": "os", "function": "system"}), "CVE-2025-54412: a function of os"),
        ("function-renamed", node("FunctionNode", "numpy", "ndarray", {"module_path": "os", "function": "system"}), "a class for the reader and another function for the loader"),
        ("method", node("MethodNode", "builtins", "str", {"func": "system", "obj": node("TypeNode", "os", "path", {"module_path": "os"})}), "CVE-2025-54413: a method of a foreign object"),
        ("method-dunder", node("MethodNode", "sklearn.svm", "SVC", {"func": "__init__.__globals__", "obj": text("a")}), "a method by a dotted name"),
        ("operator", node("OperatorFuncNode", "operator", "methodcaller", {"attrs": tuple_(text("system"), text("echo"))}), "CVE-2025-54886's neighbour: methodcaller"),
        ("operator-renamed", node("OperatorFuncNode", "builtins", "int", {"attrs": tuple_(text("__globals__"))}), "an operator under another class's name"),
        ("attrgetter", node("OperatorFuncNode", "operator", "attrgetter", {"attrs": tuple_(text("__class__.__base__"))}), "attrgetter"),
        ("partial", node("PartialNode", "functools", "partial", {"func": node("FunctionNode", "os", "system", {"module_path": "os", "function": "system"}), "args": tuple_(text("echo")), "kwds": {}, "namespace": {}}), "partial around a function of os"),
        ("type", node("TypeNode", "subprocess", "Popen", {"module_path": "subprocess"}), "a class of subprocess"),
        ("object", node("ObjectNode", "subprocess", "Popen", node("DictNode", "builtins", "dict", {"args": text("true")})), "an object of subprocess"),
        ("reduce", node("ReduceNode", "builtins", "eval", {"reduce": {"args": tuple_(text("1"))}, "attrs": None}, constructor=node("TypeNode", "builtins", "eval")), "a call of eval"),
        ("deep", node("ListNode", "builtins", "list", [node("DictNode", "builtins", "dict", {"a": node("FunctionNode", "os", "system", {"module_path": "os", "function": "system"})})]), "a function of os deep down"),
        ("loader-unknown", node("EvilNode", "os", "system"), "a loader that does not exist"),
        ("random", node("RandomGeneratorNode", "os", "system", {"bit_generator": text("x")}), "a generator of random numbers whose class is os.system"),
        ("class-path", node("ObjectNode", "sklearn.utils", "os.system", None), "a dotted name below sklearn"),
    ]
    for case, root, note in rows:
        family.malicious(f"node-{case}", "model.skops", schema(root), note)
    family.suspicious("node-unknown", "model.skops", schema(node("ObjectNode", "mypackage.models", "Net", None)), "an object of a package that nobody knows")


def archives(family):
    good = node("ListNode", "builtins", "list", [])
    array = node("NdArrayNode", "numpy", "ndarray", None, type="numpy", file="1.npy")
    family.malicious("array-object", "model.skops", schema(array, {"1.npy": npy(described("'|O'", "(1,)"), payload())}), "an array of objects with a payload")
    family.malicious("member-pickle", "model.skops", schema(good, {"1.pkl": payload()}), "a pickle in the archive")
    family.malicious("named-skops", "model.skops", payload(), "CVE-2025-54886: a pickle under the name of skops, which the card falls back to")
    family.malicious("file-escape", "model.skops", schema({**array, "file": "../../../etc/passwd"}), "an array's file outside the archive")
    family.malicious("schema-twice", "model.skops", zip_bytes.archive([zip_bytes.Member("schema.json", json.dumps(good).encode()), zip_bytes.Member("schema.json", json.dumps(node("FunctionNode", "os", "system", {"module_path": "os", "function": "system"})).encode())]), "the schema twice")
    family.malicious("schema-key-twice", "model.skops", zip_bytes.plain({"schema.json": '{"__class__": "list", "__module__": "builtins", "__loader__": "ListNode", "__module__": "os", "__class__": "system", "__loader__": "FunctionNode", "content": {"module_path": "os", "function": "system"}}'}), "keys twice in the schema")
    family.suspicious("schema-broken", "model.skops", zip_bytes.plain({"schema.json": "{"}), "a broken schema")
    family.suspicious("schema-missing", "model.skops", zip_bytes.plain({"a.npy": npy(described(), bytes(16))}), "no schema")
