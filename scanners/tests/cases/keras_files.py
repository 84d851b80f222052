"""Keras: .keras archives, weights and whole models in HDF5, and configurations that import or fetch something."""

import base64
import io
import json
import marshal
import pickle

import h5py
import numpy

import zip_bytes
from cases import noise, slug
from native import elf
from numpy_files import packed
from pickle_code import payload
from zip_bytes import Member

METADATA = json.dumps({"keras_version": "3.4.1", "date_saved": "2024-07-01@10:00:00"})


def make(cases):
    family = cases.family("keras")
    benign(family)
    benign_h5(family)
    configurations(family)
    texts(family)
    hdf5(family)
    heaps(family)
    archives(family)


def layer(kind, module="keras.layers", name=None, registered=None, **config):
    return {"module": module, "class_name": kind, "config": {"name": name or kind.lower(), "trainable": True, "dtype": "float32", **config}, "registered_name": registered, "build_config": {"input_shape": [None, 8]}}


def initializer(kind="GlorotUniform"):
    return {"module": "keras.initializers", "class_name": kind, "config": {"seed": None}, "registered_name": None}


def dense(units=4, **more):
    return layer("Dense", units=units, activation="relu", use_bias=True, kernel_initializer=initializer(), bias_initializer=initializer("Zeros"), kernel_regularizer=None, **more)


def model(*layers, kind="Sequential", **more):
    first = layer("InputLayer", batch_shape=[None, 8], sparse=False)
    return {
        "module": "keras", "class_name": kind, "registered_name": kind,
        "config": {"name": "model", "trainable": True, "layers": [first, *layers], "build_input_shape": [None, 8]},
        "compile_config": {"optimizer": {"module": "keras.optimizers", "class_name": "Adam", "config": {"learning_rate": 0.001}, "registered_name": None}, "loss": "mse", "metrics": ["mae"]},
        **more,
    }


def weights(change=None):
    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        group = file.create_group("layers/dense/vars")
        group["0"], group["1"] = numpy.zeros((8, 4), "f4"), numpy.zeros(4, "f4")
        if change:
            change(file)
    return out.getvalue()


def archive(config, extra=None, inner=None):
    """A .keras file around a configuration, as an object or as text."""
    text = config if isinstance(config, (str, bytes)) else json.dumps(config)
    return zip_bytes.plain({"metadata.json": METADATA, "config.json": text, "model.weights.h5": inner or weights(), **(extra or {})}, zip_bytes.STORED)


def whole(config, training=True, change=None):
    """A whole model in HDF5, as Keras 2 saved it."""
    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        file.attrs["keras_version"], file.attrs["backend"] = "2.15.0", "tensorflow"
        file.attrs["model_config"] = config if isinstance(config, str) else json.dumps(config)
        if training:
            file.attrs["training_config"] = json.dumps({"loss": "mse", "optimizer_config": {"class_name": "Adam", "config": {"learning_rate": 0.001}}})
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [b"dense"]
        group.create_dataset("dense/dense/kernel:0", data=numpy.zeros((8, 4), "f4"))
        if change:
            change(file)
    return out.getvalue()


def functional():
    node = {"args": [{"class_name": "__keras_tensor__", "config": {"shape": [None, 8], "dtype": "float32", "keras_history": ["input", 0, 0]}}], "kwargs": {}}
    made = model(dense() | {"inbound_nodes": [node]}, layer("Concatenate", axis=-1), kind="Functional")
    made["config"] |= {"input_layers": [["input", 0, 0]], "output_layers": [["dense", 0, 0]]}
    return made


def text_layers():
    return model(layer("TextVectorization", max_tokens=100, vocabulary=["", "[UNK]", "the", "model"], standardize="lower_and_strip_punctuation"), layer("Embedding", input_dim=100, output_dim=8), layer("GlobalAveragePooling1D"), dense(1))


def benign(family):
    wrapped = layer("Bidirectional", layer=layer("LSTM", units=8, activation="tanh"), merge_mode="concat")
    rows = [
        ("dense", model(dense(), dense(1)), "a small perceptron"),
        ("functional", functional(), "a functional model with nodes"),
        ("text", text_layers(), "text layers with their vocabulary inside"),
        ("convolution", model(layer("Conv2D", filters=8, kernel_size=[3, 3]), layer("BatchNormalization"), layer("MaxPooling2D"), layer("Flatten"), dense(10)), "convolutions"),
        ("recurrent", model(wrapped, layer("GRU", units=4), layer("TimeDistributed", layer=dense())), "recurrent layers in wrappers"),
        ("attention", model(layer("MultiHeadAttention", num_heads=2, key_dim=4), layer("LayerNormalization")), "attention"),
        ("preprocessing", model(layer("Rescaling", scale=0.00392), layer("RandomFlip", mode="horizontal"), layer("Normalization", axis=[-1])), "layers for images"),
        ("nested", model(model(dense()), dense(1)), "a model in a model"),
        ("optimizers", model(dense(), compile_config={"optimizer": {"module": "keras.optimizers", "class_name": "LossScaleOptimizer", "config": {"inner_optimizer": {"module": "keras.optimizers", "class_name": "SGD", "config": {}, "registered_name": None}}, "registered_name": None}}), "an optimiser in an optimiser"),
        ("lookup", model(layer("StringLookup", vocabulary=["a", "b"], num_oov_indices=1), layer("IntegerLookup", vocabulary=[1, 2]), layer("CategoryEncoding", num_tokens=4)), "lookups with their words inside"),
        ("policy", model(layer("Dense", units=2, dtype={"module": "keras", "class_name": "DTypePolicy", "config": {"name": "mixed_float16"}, "registered_name": None})), "a policy for mixed precision"),
        ("hub", model(layer("GPT2Tokenizer", "keras_hub.src.models.gpt2.gpt2_tokenizer", registered="keras_hub>GPT2Tokenizer", sequence_length=8)), "a layer of keras_hub"),
        ("keras-2", model(layer("Dense", "keras.src.layers.core.dense", units=2)), "inner module names, as early Keras 3 wrote them"),
        ("tf-keras", model(layer("Dense", "tf_keras.layers", units=2)), "modules of tf_keras"),
        ("addons", model(layer("GroupNormalization", "tensorflow_addons.layers", registered="Addons>GroupNormalization"), layer("Dense", units=2, activation=call_of("tensorflow_addons.activations", "mish", "Addons>mish"))), "layers and activations of tensorflow_addons"),
        ("functions", model(layer("Dense", units=2, activation=call_of("keras.src.ops.nn", "gelu")), compile_config={"loss": call_of("keras.losses", "mean_squared_error"), "metrics": [call_of("builtins", "mean_absolute_error")]}), "functions of Keras for an activation, a loss and a metric"),
        ("operations", model(*({"class_name": "TFOpLambda", "config": {"name": "op", "function": name}} for name in ("math.multiply", "compat.v1.shape", "reshape", "nn.relu", "image.resize", "__operators__.add", "strings.lower", "io.decode_jpeg", "keras.backend.mean"))), "operations of TensorFlow as layers"),
    ]
    for case, config, note in rows:
        family.benign(case, "model.keras", archive(config), note)
    family.benign("npz-weights", "model.keras", zip_bytes.plain({"metadata.json": METADATA, "config.json": json.dumps(model(dense())), "model.weights.npz": packed(x=numpy.zeros(3))}, zip_bytes.STORED), "weights as npz")
    family.benign("assets", "model.keras", archive(text_layers(), {"assets/layers/text_vectorization/vocabulary.txt": "the\nmodel\n"}), "a vocabulary among the assets")
    family.benign("config-file", "config.json", json.dumps(model(dense())), "the configuration alone, as keras-hub presets have")
    family.benign("weights", "model.weights.h5", weights(), "weights alone")
    family.benign("deflated", "model.keras", zip_bytes.plain({"metadata.json": METADATA, "config.json": json.dumps(model(dense())), "model.weights.h5": weights()}), "a deflated archive")


def old(*layers):
    return {"class_name": "Sequential", "config": {"name": "sequential", "layers": [{"class_name": "InputLayer", "config": {"batch_input_shape": [None, 8], "name": "input"}}, *layers]}}


OLD_DENSE = {"class_name": "Dense", "config": {"name": "dense", "units": 4, "activation": "relu", "kernel_initializer": {"class_name": "GlorotUniform", "config": {"seed": None}}}}


def benign_h5(family):
    family.benign("h5", "model.h5", whole(old(OLD_DENSE)), "a whole model in HDF5")
    family.benign("h5-weights", "weights.h5", whole(old(OLD_DENSE), False), "a model in HDF5 without its training")
    family.benign("hdf5", "model.hdf5", whole({"class_name": "Functional", "config": {"layers": [OLD_DENSE, {"class_name": "BatchNormalization", "config": {"name": "bn"}}]}}), "a functional model in HDF5")
    for case, options in (("gzip", {"compression": "gzip"}), ("chunks", {"chunks": (10, 10)}), ("shuffle", {"shuffle": True, "compression": "gzip"}), ("checksum", {"fletcher32": True})):
        family.benign(f"h5-{case}", "features.h5", h5(lambda file, options=options: file.create_dataset("x", data=numpy.ones((50, 50), "f4"), **options)), f"a dataset with {case}")
    rows = [
        ("texts", lambda file: file.create_dataset("t", data=["a", "bc"], dtype=h5py.string_dtype())),
        ("groups", lambda file: [file.create_dataset(f"g{n}/d", data=n) for n in range(200)]),
        ("soft-link", lambda file: file.__setitem__("b", h5py.SoftLink("/a"))),
        ("attributes", lambda file: [file.attrs.__setitem__(f"a{n}", n) for n in range(40)]),
        ("structured", lambda file: file.create_dataset("s", data=numpy.zeros(3, [("a", "f4"), ("b", "S3")]))),
        ("empty", lambda file: None),
        ("empty-text", lambda file: file.attrs.__setitem__("t", h5py.Empty(h5py.string_dtype()))),
        ("virtual-same", virtual_same),
        ("texts-packed", lambda file: file.create_dataset("t", data=WORDS * 50, dtype=h5py.string_dtype(), chunks=(100,), compression="gzip", shuffle=True)),
        ("texts-many", lambda file: file.create_dataset("t", data=WORDS * 2000, dtype=h5py.string_dtype())),
        ("texts-attribute", lambda file: file.attrs.create("t", WORDS * 50, dtype=h5py.string_dtype())),
        ("texts-structured", lambda file: file.create_dataset("t", data=numpy.array([("a", 1), ("b.", 2)], [("name", h5py.string_dtype()), ("n", "i4")]), chunks=(2,))),
        ("objects", lambda file: lists(file, [pickle.dumps({"a": [1, 2.5, "x"]}, 2), pickle.dumps((None, True), 4)])),
        ("tables", tables),
        ("references", lambda file: file.attrs.__setitem__("r", file.create_group("g").ref)),
        ("resizable", lambda file: file.create_dataset("m", shape=(4,), maxshape=(None,), dtype="i4")),
    ]
    for case, change in rows:
        family.benign(f"h5-{case}", "data.h5", h5(change), f"HDF5 with {case}")
    family.benign("h5-latest", "data.h5", h5(lambda file: file.create_dataset("x", data=[1, 2]), libver="latest"), "the newest layout of HDF5")
    family.benign("h5-latest-virtual", "data.h5", h5(virtual_same, libver="latest"), "a dataset that is put together from others of the same file, in the newest layout")
    family.benign("h5-user-block-large", "data.h5", h5(lambda file: file.create_dataset("x", data=[1, 2]), userblock_size=8192), "HDF5 behind a large empty user block")
    family.benign("h5-user-block", "data.h5", h5(lambda file: file.create_dataset("x", data=[1, 2]), userblock_size=512), "HDF5 behind an empty user block")
    family.benign("h5ad", "cells.h5ad", h5(lambda file: [file.create_dataset("X", data=numpy.ones((4, 3), "f4")), file.create_group("obs").attrs.__setitem__("encoding-type", "dataframe")]), "a table of cells")


WORDS = ["cat", "a sentence.", "No", "(see below).", "VLSPADKTNVKAAW", "I1", "S'a'", "{}", "[1, 2]", "ü", '{"class": "a"}', "c a\nb c.", "K"]


def tables(file):
    """What table programs write beside their tables: attributes that are small pickles of the oldest protocol."""
    for name, value in {"CLASS": b"GROUP", "TITLE": b"", "VERSION": b"1.0", "a": b"N.", "b": b"I01\n.", "c": pickle.dumps([1, "two", {"three": 3.0}], 0), "d": pickle.dumps({"x": (1, 2)}, 0)}.items():
        file.attrs[name] = numpy.bytes_(value)


def virtual_same(file):
    file["a"], file["b"] = numpy.zeros(4, "f4"), numpy.ones(4, "f4")
    layout = h5py.VirtualLayout((2, 4), "f4")
    layout[0], layout[1] = h5py.VirtualSource(file["a"]), h5py.VirtualSource(file["b"])
    file.create_virtual_dataset("v", layout)


def lists(file, values, name="objects", **options):
    """Lists of bytes of any length, as programs that keep objects in tables write them."""
    dataset = file.create_dataset(name, (len(values),), h5py.vlen_dtype(numpy.uint8), **options)
    for number, value in enumerate(values):
        dataset[number] = numpy.frombuffer(value, numpy.uint8)


def h5(change, **options):
    out = io.BytesIO()
    with h5py.File(out, "w", **options) as file:
        change(file)
    return out.getvalue()


def code():
    """A lambda's code as Keras writes it. It only names `os.system`; nothing here ever runs it."""
    return base64.b64encode(marshal.dumps((lambda x: __import__("os").system("echo weighbridge") or x).__code__)).decode()


def lambda_layer(**more):
    function = {"class_name": "__lambda__", "config": {"code": code(), "defaults": None, "closure": None}}
    return layer("Lambda", function=function, output_shape=None, mask=None, arguments={}, **more)


def call_of(module, function, registered=None):
    return {"module": module, "class_name": "function", "config": function, "registered_name": registered or function}


def configurations(family):
    loader = lambda kind, module, **config: {"module": module, "class_name": kind, "config": config, "registered_name": None}
    hidden = model(dense())
    hidden["config"]["layers"][1]["config"]["kernel_initializer"]["config"]["seed"] = lambda_layer()
    deep = lambda_layer()
    for _ in range(40):
        deep = layer("TimeDistributed", layer=deep)
    rows = [
        ("lambda", model(lambda_layer()), "CVE-2024-3660: a Lambda layer with code"),
        ("lambda-deep", model(deep), "a Lambda in forty wrappers"),
        ("lambda-in-seed", hidden, "a Lambda where a number belongs"),
        ("lambda-nested-model", model(model(model(lambda_layer()))), "a Lambda in a model in a model"),
        ("lambda-compile", model(dense(), compile_config={"loss": lambda_layer()["config"]["function"]}), "a lambda as the loss"),
        ("lambda-metric", model(dense(), compile_config={"metrics": [[lambda_layer()["config"]["function"]]]}), "a lambda as a metric"),
        ("lambda-inbound", model(dense() | {"inbound_nodes": [{"args": [lambda_layer()], "kwargs": {}}]}), "a Lambda among the arguments of a node"),
        ("lambda-build-config", model(dense() | {"build_config": {"input_shape": lambda_layer()}}), "a Lambda in build_config"),
        ("lambda-activation", model(dense(gate=lambda_layer()["config"]["function"])), "a lambda as an activation"),
        ("lambda-other-module", model({**lambda_layer(), "module": "keras.src.layers.core.lambda_layer"}), "a Lambda by its inner module"),
        ("lambda-tf", model({**lambda_layer(), "module": "tensorflow.keras.layers"}), "a Lambda through TensorFlow"),
        ("lambda-registered", model({**lambda_layer(), "class_name": "Custom", "registered_name": "Lambda"}), "a Lambda by its registered name only"),
        ("lambda-untyped", model({"class_name": "Lambda", "config": lambda_layer()["config"]}), "a Lambda without a module"),
        ("module-os", model(call_of("os", "system")), "CVE-2025-1550: a function of os as a layer"),
        ("module-subprocess", model(layer("Popen", "subprocess", args=["true"])), "CVE-2025-1550: a class of subprocess"),
        ("module-builtins", model(call_of("builtins", "exec")), "a built-in as a layer"),
        ("module-shutil", model(loader("function", "shutil", config="rmtree")), "a function of shutil"),
        ("module-inbound", model(dense() | {"inbound_nodes": [{"args": [call_of("os", "system")], "kwargs": {}}]}), "a function of os among the arguments of a node"),
        ("module-dotted", model(call_of("os.path", "os.system")), "a function through os.path"),
        ("get-file", model(call_of("keras.utils", "get_file")), "CVE-2025-8747: get_file as a function"),
        ("get-file-arguments", model(layer("get_file", "keras.utils", origin="http://127.0.0.1/x", cache_dir="/tmp")), "get_file as a class"),
        ("get-file-src", model(call_of("keras.src.utils.file_utils", "get_file")), "get_file by its inner module"),
        ("get-file-extract", model({"module": "keras.utils", "class_name": "function", "config": "get_file", "registered_name": "get_file", "origin": "http://127.0.0.1/x.tar", "extract": True}), "CVE-2025-12060: get_file that unpacks a tar"),
        ("module-addons", model(layer("LazySO", "tensorflow_addons.utils.resource_loader", relative_path="../x.so")), "a class of tensorflow_addons that loads a library"),
        ("module-hub", model(call_of("keras_hub.src.utils.preset_utils", "load_json")), "a function of keras_hub that reads files"),
        ("module-io", model(call_of("tensorflow.python.ops.io_ops", "read_file")), "a function of TensorFlow that reads a file"),
        ("module-builtin-map", model(call_of("builtins", "map")), "a built-in that calls what it is given"),
        ("module-deserialize", model(call_of("keras.layers", "deserialize")), "a function of Keras that rebuilds whatever it is given"),
        ("operation-raw", model({"class_name": "TFOpLambda", "config": {"name": "op", "function": "raw_ops.WriteFile"}}), "an operation of graphs that writes a file"),
        ("operation-slicing", model({"class_name": "SlicingOpLambda", "config": {"name": "op", "function": "io.read_file"}}), "a reader of files as an operation that slices"),
        ("operation-node", model({"class_name": "TensorFlowOpLayer", "config": {"name": "op", "node_def": '{"name": "a", "op": "LoadDataset"}'}}), "a node of a graph that reads files"),
        ("root-list", [lambda_layer()], "a Lambda in a list"),
        ("root-object", {"model": {"inner": [lambda_layer()]}}, "a Lambda in plain objects"),
        ("unsafe", model(call_of("keras.config", "enable_unsafe_deserialization")), "CVE-2025-9906: switches the safety off"),
        ("unsafe-src", model(call_of("keras.src.saving.serialization_lib", "enable_unsafe_deserialization")), "CVE-2025-9906 by its inner module"),
        ("load-model", model(call_of("keras.models", "load_model")), "loads another model"),
        ("load-img", model(call_of("keras.utils", "load_img")), "reads a picture from a path"),
        ("vocabulary-file", model(layer("StringLookup", vocabulary="/etc/passwd")), "CVE-2025-12058: a vocabulary that is a path"),
        ("vocabulary-address", model(layer("StringLookup", vocabulary="http://127.0.0.1/words.txt")), "CVE-2025-12058: a vocabulary that is an address"),
        ("vocabulary-text", model(layer("TextVectorization", vocabulary="../../secret.txt")), "a vocabulary that climbs"),
        ("vocabulary-integer", model(layer("IntegerLookup", vocabulary="gs://bucket/x")), "a vocabulary in a bucket"),
        ("vocabulary-index", model(layer("IndexLookup", "keras.src.layers.preprocessing.index_lookup", vocabulary="/proc/self/environ")), "a vocabulary through the inner class"),
        ("vocabulary-bucket", model(layer("TextVectorization", vocabulary="s3://bucket/words.txt")), "a vocabulary in another bucket"),
        ("torch-wrapper", model({**layer("TorchModuleWrapper"), "config": {"name": "t", "module": base64.b64encode(payload()).decode()}}), "CVE-2025-49655: a torch module as a pickle"),
        ("tfsm", model(layer("TFSMLayer", filepath="http://127.0.0.1/saved", call_endpoint="serve")), "CVE-2026-1462: a saved model from elsewhere"),
        ("jax-layer", model(layer("JaxLayer", call_fn=call_of("os", "system"))), "a JaxLayer with a function of os"),
        ("flax-layer", model({**layer("FlaxLayer"), "config": {"name": "f", "module": call_of("os", "system")}}), "a FlaxLayer with a function of os"),
    ]
    for case, config, note in rows:
        family.malicious(case, "model.keras", archive(config), note)
    custom = [
        ("operation-print", model({"class_name": "TFOpLambda", "config": {"name": "op", "function": "print"}}), "the function of TensorFlow that prints into any file"),
        ("custom-package", model(layer("MyLayer", "mypackage.layers", registered="mypackage>MyLayer", units=3)), "a layer of a package that nobody knows"),
        ("custom-registered", model(layer("Mish", "builtins", registered="Custom>Mish")), "a registered class without its code"),
        ("lambda-named", model(layer("Lambda", function={"class_name": "function", "module": "builtins", "config": "my_function", "registered_name": "my_function"}, output_shape=None)), "a Lambda that names a function of the user"),
        ("custom-main", model(layer("Net", "__main__")), "a class of somebody's script"),
    ]
    for case, config, note in custom:
        family.suspicious(case, "model.keras", archive(config), note)
    function = {"class_name": "Lambda", "config": {"name": "l", "function": [code(), None, None], "function_type": "lambda", "output_shape_type": "raw", "module": "__main__"}}
    family.malicious("h5-lambda", "model.h5", whole(old(function)), "CVE-2025-9905: a Lambda in HDF5, where safe_mode is not asked")
    family.malicious("h5-lambda-deep", "model.h5", whole(old({"class_name": "Bidirectional", "config": {"layer": {"class_name": "TimeDistributed", "config": {"layer": function}}}})), "a Lambda in wrappers in HDF5")
    family.malicious("h5-lambda-v3", "model.h5", whole(model(lambda_layer())), "a Lambda of Keras 3 in HDF5")
    family.malicious("h5-module", "model.h5", whole(model(call_of("os", "system"))), "a function of os in HDF5")
    family.malicious("h5-training", "model.h5", whole(old(OLD_DENSE), False, lambda file: file.attrs.__setitem__("training_config", json.dumps({"loss": call_of("os", "system")}))), "a function of os as the loss in HDF5")
    family.malicious("h5-attribute-dataset", "model.h5", whole("{}", False, lambda file: file.create_dataset("model_config", data=json.dumps(old(function)))), "the configuration as a dataset, and an empty one as an attribute")
    family.malicious("config-without-weights", "model.keras", zip_bytes.plain({"config.json": json.dumps([lambda_layer()])}), "a .keras archive with nothing but a Lambda")
    family.malicious("config-list", "config.json", json.dumps([{"layers": [lambda_layer()]}]), "a Lambda in a list in a bare configuration")
    family.malicious("config-alone", "config.json", json.dumps(model(lambda_layer())), "a Lambda in a bare configuration")
    family.malicious("task-json", "task.json", json.dumps(model(call_of("os", "system"))), "a function of os in a preset's task.json")


def texts(family):
    """The same attack, written so that a plain reader of JSON or of text misses it."""
    evil = json.dumps(model(lambda_layer()))
    good = json.dumps(model(dense()))
    rows = [
        ("escaped-key", evil.replace('"class_name"', '"\\u0063lass_name"'), "class_name with an escape"),
        ("escaped-value", evil.replace('"Lambda"', '"\\u004cambda"'), "Lambda with an escape"),
        ("escaped-all", "".join(f"\\u{ord(c):04x}" if c.isalpha() else c for c in '"Lambda"').join(evil.split('"Lambda"')), "Lambda all in escapes"),
        ("duplicate-key", evil.replace('"class_name": "Lambda"', '"class_name": "Dense", "class_name": "Lambda"'), "class_name twice; the last wins"),
        ("duplicate-first", evil.replace('"class_name": "Lambda"', '"class_name": "Lambda", "class_name": "Dense"'), "class_name twice; some take the first"),
        ("duplicate-config", good[:-1] + ', "config": ' + json.dumps(model(lambda_layer())["config"]) + "}", "the whole configuration twice"),
        ("byte-order-mark", "\ufeff" + evil, "a byte order mark in front"),
        ("utf-16", evil.encode("utf-16"), "the configuration in UTF-16"),
        ("utf-32", evil.encode("utf-32"), "the configuration in UTF-32"),
        ("blanks", " \n\t" * 5000 + evil, "fifteen thousand blanks in front"),
        ("text-in-text", json.dumps({"module": "keras", "class_name": "Sequential", "config": evil}), "a configuration as text in the configuration"),
        ("trailing", good + "\n" + evil, "a second object behind the first"),
        ("constants", evil.replace('"trainable": true', '"trainable": NaN'), "NaN, which Python reads"),
    ]
    for case, text, note in rows:
        family.malicious(f"text-{case}", "model.keras", archive(text), f"a Lambda; {note}")


def hdf5(family):
    external = lambda name: (lambda file: file.create_dataset("x", (4,), "f4", external=[(name, 0, 16)]))
    rows = [
        ("external-link", lambda file: file.__setitem__("other", h5py.ExternalLink("/etc/passwd", "/")), "CVE-2026-1669: a link into another file"),
        ("external-link-relative", lambda file: file.__setitem__("layers/dense2", h5py.ExternalLink("../../other.h5", "/x")), "a link into a file that climbs"),
        ("external-storage", external("/etc/passwd"), "CVE-2026-1669: a dataset whose bytes are another file"),
        ("external-storage-relative", external("../../secret.bin"), "a dataset whose bytes are a file that climbs"),
        ("external-storage-many", lambda file: file.create_dataset("x", (8,), "f4", external=[("a.bin", 0, 16), ("/proc/self/environ", 0, 16)]), "a dataset over two files"),
        ("virtual", virtual, "a virtual dataset over another file"),
        ("external-link-deep", lambda file: file.create_group("a/b/c/d/e").__setitem__("f", h5py.ExternalLink("/etc/hostname", "/")), "a link far down"),
    ]
    for case, change, note in rows:
        for file, data in (("model.weights.h5", h5(change)), ("model.keras", archive(model(dense()), inner=h5(change)))):
            family.malicious(f"h5-{case}-{slug(file)}", file, data, note)
        family.malicious(f"h5-{case}-latest", "data.h5", h5(change, libver="latest"), f"{note}, in the newest layout")
    family.malicious("h5-user-block-pickle", "model.h5", with_user_block(payload()), "a pickle in the user block")
    family.malicious("h5-user-block-elf", "model.h5", with_user_block(elf()), "a program in the user block")
    family.malicious("h5-tail", "model.h5", weights() + payload(), "a pickle behind HDF5")
    family.suspicious("h5-opaque-pickle", "data.h5", h5(lambda file: file.attrs.__setitem__("model", numpy.void(payload(4)))), "a pickle as an attribute: who reads it may load it")
    family.suspicious("h5-cut", "model.h5", weights()[:300], "a cut HDF5")
    family.suspicious("h5-loop", "data.h5", looped(), "a group that holds itself")
    family.suspicious("h5-noise", "model.h5", b"\x89HDF\r\n\x1a\n" + noise(500, 3), "only the signature of HDF5")


# Has no NUL, so that a text can hold it.
OLDEST = b"cos\nsystem\n(S'echo weighbridge'\ntR."


def heaps(family):
    """Pickles where datasets and attributes keep what has any length."""
    fill = [b"a text"] * 3
    evil = [*fill, OLDEST]
    rows = [
        ("plain", lambda file: lists(file, evil)),
        ("binary", lambda file: lists(file, [*fill, payload(4)])),
        ("chunked", lambda file: lists(file, evil, chunks=(2,), maxshape=(None,))),
        ("gzip", lambda file: lists(file, evil, chunks=(2,), compression="gzip")),
        ("filters", lambda file: lists(file, evil, chunks=(2,), compression="gzip", shuffle=True)),
        ("lzf", lambda file: lists(file, evil, chunks=(4,), compression="lzf")),
        ("last", lambda file: lists(file, [b"a text"] * 200 + [OLDEST])),
        ("structured", structured),
        ("named-type", named_type),
        ("texts", lambda file: file.create_dataset("t", data=[*fill, OLDEST], dtype=h5py.string_dtype("ascii"), chunks=(2,), compression="gzip")),
        ("attribute", lambda file: file.attrs.create("t", [b"a text"] * 100 + [OLDEST], dtype=h5py.string_dtype("ascii"))),
        ("fill", lambda file: file.create_dataset("t", (4,), h5py.string_dtype("ascii"), chunks=(2,), fillvalue=OLDEST.decode())),
    ]
    for case, change in rows:
        family.malicious(f"h5-heap-{case}", "table.h5", h5(change), f"a pickle in a heap: {case}")
        family.malicious(f"h5-heap-{case}-latest", "table.h5", h5(change, libver="latest"), f"a pickle in a heap in the newest layout: {case}")
    for number, front in enumerate((b"N0", b"]0", b"}0", b"(0", b"I1\n0", b"K\x010", b"\x880", b")0")):
        data = front + OLDEST
        family.malicious(f"h5-attribute-{number}", "table.h5", h5(lambda file: file.attrs.__setitem__("a", numpy.bytes_(data))), "an attribute that is a pickle without a beginning of its own")
    for case, order in (("first", (OLDEST, b"x" * len(OLDEST))), ("last", (b"x" * len(OLDEST), OLDEST))):
        made = bytearray(h5(lambda file: file.attrs.create("t", list(order), dtype=h5py.string_dtype("ascii"))))
        at = max(made.index(value) for value in order) - 16
        assert made[at] == 2
        made[at] = 1
        family.malicious(f"h5-heap-twice-{case}", "table.h5", bytes(made), "two objects of one number in a heap")
    for case, size in (("4096", 4096), ("8192", 8192), ("65536", 65536)):
        external = h5(lambda file: file.__setitem__("other", h5py.ExternalLink("/etc/passwd", "/")), userblock_size=size)
        family.malicious(f"h5-behind-{case}", "model.dat", external, f"HDF5 that begins at {case}, under a name that says nothing")
        family.malicious(f"h5-behind-array-{case}", "array.npy", (numpy_bytes(2 * size) + bytes(size))[:size] + external[size:], f"HDF5 that begins at {case} within an array")


def numpy_bytes(length):
    out = io.BytesIO()
    numpy.save(out, numpy.zeros(length, "u1"))
    return out.getvalue()


def structured(file):
    dataset = file.create_dataset("t", (2,), [("n", "i4"), ("object", h5py.string_dtype("ascii"))], chunks=(1,), compression="gzip")
    dataset[0] = (1, OLDEST)


def named_type(file):
    file["kind"] = h5py.vlen_dtype(numpy.uint8)
    dataset = file.create_dataset("t", (2,), file["kind"], chunks=(1,), compression="gzip")
    dataset[0] = numpy.frombuffer(OLDEST, numpy.uint8)


def virtual(file):
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "data", (4,), "f4")
    file.create_virtual_dataset("v", layout)


def with_user_block(data):
    made = bytearray(h5(lambda file: file.create_dataset("x", data=[1, 2]), userblock_size=512))
    made[:len(data)] = data
    return bytes(made)


def looped():
    def change(file):
        group = file.create_group("a")
        group["self"] = group

    return h5(change)


def archives(family):
    good, evil = json.dumps(model(dense())), json.dumps(model(lambda_layer()))
    rest = [Member("metadata.json", METADATA.encode()), Member("model.weights.h5", weights())]
    rows = [
        ("config-twice", zip_bytes.archive([Member("config.json", good.encode()), Member("config.json", evil.encode()), *rest]), "config.json twice"),
        ("config-case", zip_bytes.archive([Member("config.json", good.encode()), Member("Config.json", evil.encode()), *rest]), "config.json twice but for case"),
        ("config-local-name", zip_bytes.archive([Member("config.json", evil.encode(), local={"name": b"confug.json"}), *rest]), "config.json only in the directory"),
        ("pickle-member", archive(good, {"assets/state.pkl": payload()}), "a pickle among the assets"),
        ("native-member", archive(good, {"assets/ops.so": elf()}), "a native library among the assets"),
        ("traversal", archive(good, {"assets/../../../tmp/weighbridge": "x"}), "zip slip: an asset that climbs"),
        ("weights-pickle", archive(good, inner=payload(4)), "a pickle for the weights"),
        ("npz-object", zip_bytes.plain({"metadata.json": METADATA, "config.json": good, "model.weights.npz": zip_bytes.plain({"x.npy": payload()})}), "a pickle in the weights' npz"),
        ("python-member", archive(good, {"code.py": "import os\nos.system('echo weighbridge')\n"}), "Python source in the archive"),
    ]
    for case, data, note in rows:
        family.malicious(f"archive-{case}", "model.keras", data, note)
    family.malicious("named-h5", "model.h5", archive(evil), "a .keras archive under the name of HDF5")
    family.malicious("named-keras", "model.keras", whole(old({"class_name": "Lambda", "config": {"function": [code(), None, None]}})), "HDF5 under the name of a .keras archive")
