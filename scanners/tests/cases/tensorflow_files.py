"""TensorFlow: saved models, frozen graphs, checkpoints, TFLite and event files, written on the level of the wire."""

import json
import struct

import flatbuffers

import zip_bytes
from cases import floats, noise
from keras_files import OLD_DENSE, code, old
from native import elf
from wire import block, float32, float64, number, pair, varint

# What a graph may say that reads, writes or runs; name of the operation, attributes as text, note.
EVIL_OPS = [
    ("ReadFile", {}, "reads a file"),
    ("WriteFile", {}, "writes a file"),
    ("MatchingFiles", {}, "lists files"),
    ("PyFunc", {"token": "pyfunc_0"}, "calls Python"),
    ("PyFuncStateless", {"token": "pyfunc_0"}, "calls Python"),
    ("EagerPyFunc", {"token": "pyfunc_0"}, "calls Python"),
    ("Save", {}, "writes a file"),
    ("PrintV2", {"output_stream": "file:///tmp/weighbridge"}, "prints into a file"),
    ("DebugIdentityV3", {"debug_urls": "file:///tmp/weighbridge"}, "writes what it sees into a file"),
    ("DebugIdentity", {"debug_urls": "grpc://127.0.0.1:9"}, "sends what it sees away"),
    ("WholeFileReaderV2", {}, "reads files"),
    ("FixedLengthRecordReaderV2", {}, "reads files"),
    ("TextLineDataset", {}, "reads files"),
    ("SqlDataset", {}, "reads a database"),
    ("LoadDataset", {}, "reads files"),
    ("SaveDataset", {}, "writes files"),
    ("GetElementAtIndex", {}, "walks a dataset from elsewhere"),
    ("RegisterDataset", {"address": "127.0.0.1"}, "sends a dataset to a service"),
    ("DataServiceDatasetV4", {"protocol": "grpc"}, "reads from a service"),
    ("GenerateBigQueryReaderPartitions", {}, "reads a table elsewhere"),
    ("CreateSummaryFileWriter", {}, "writes files"),
    ("ImmutableConst", {"memory_region_name": "/etc/passwd"}, "maps a file of the system"),
]
SOFT = {"GetElementAtIndex", "GenerateBigQueryReaderPartitions", "CreateSummaryFileWriter"}


def make(cases):
    family = cases.family("tensorflow")
    saved_models(family)
    operations(family)
    places(family)
    frozen(family)
    checkpoints(family)
    tflite(cases.family("tflite"))


def node(name, op, inputs=(), **attributes):
    body = block(1, name) + block(2, op) + b"".join(block(3, one) for one in inputs)
    for key, value in attributes.items():
        body += pair(5, key, value if isinstance(value, bytes) else block(2, str(value)))
    return body


def dtype(kind=1):
    return number(6, kind)


GOOD_NODES = [
    node("x", "Placeholder", dtype=dtype()),
    node("w", "VarHandleOp", shared_name="dense/kernel", dtype=dtype()),
    node("read", "ReadVariableOp", ["w"], dtype=dtype()),
    node("y", "MatMul", ["x", "read"], T=dtype()),
    node("z", "Relu", ["y"], T=dtype()),
    node("call", "StatefulPartitionedCall", ["x"], f=block(10, block(1, "__inference_f"))),
]
KEEPER = [
    node("saver_filename", "Placeholder", dtype=dtype(7)),
    node("save/SaveV2", "SaveV2", ["saver_filename"]),
    node("save/RestoreV2", "RestoreV2", ["saver_filename"]),
    node("MergeV2Checkpoints", "MergeV2Checkpoints", ["saver_filename"]),
    node("ShardedFilename", "ShardedFilename", ["saver_filename"]),
]


def function(name, nodes):
    return block(1, block(1, name)) + b"".join(block(3, one) for one in nodes)


def graph(nodes, functions=()):
    library = b"".join(block(1, one) for one in functions)
    return b"".join(block(1, one) for one in nodes) + (block(2, library) if library else b"") + block(4, number(1, 1087))


def meta_graph(nodes, functions=(), assets=(), collections=b""):
    info = block(4, "serve") + block(5, "2.15.0")
    signature = pair(5, "serving_default", pair(1, "x", block(1, "x:0") + number(2, 1)) + block(3, "tensorflow/serving/predict"))
    files = b"".join(block(6, block(1, block(1, "const:0")) + block(2, name)) for name in assets)
    return block(1, info) + block(2, graph(nodes, functions)) + collections + signature + files


def saved_model(nodes=None, functions=(), **more):
    return number(1, 1) + block(2, meta_graph(GOOD_NODES if nodes is None else nodes, functions, **more))


def saved_models(family):
    inner = function("__inference_f", [node("m", "MatMul"), node("b", "BiasAdd"), node("s", "Softmax"), node("r", "Identity")])
    whole = saved_model(GOOD_NODES + KEEPER, [inner, function("__inference__traced_save", KEEPER)])
    family.benign("saved-model", "saved_model.pb", whole, "a saved model with its functions and its keeper")
    family.benign("saved-model", "variables/variables.index", checkpoint_index(), "the index of the variables")
    family.benign("saved-model", "variables/variables.data-00000-of-00001", floats(64, 1), "the variables", complete=False)
    family.benign("saved-model", "fingerprint.pb", number(1, 12345) + number(2, 678), "a fingerprint")
    family.benign("saved-model", "assets/vocab.txt", "the\nmodel\n", "an asset")
    family.benign("saved-model-assets", "saved_model.pb", saved_model([*GOOD_NODES, node("t", "HashTableV2"), node("i", "InitializeTableFromTextFileV2")], assets=["vocab.txt"]), "a table filled from an asset")
    family.benign("saved-model-assets", "assets/vocab.txt", "the\nmodel\n", "the asset")
    layers = [node(f"conv{n}", "Conv2D", ["x"], strides=block(1, number(3, 1))) for n in range(30)] + [node(f"bn{n}", "FusedBatchNormV3") for n in range(30)]
    family.benign("saved-model-convolution", "saved_model.pb", saved_model(layers), "convolutions")
    text = [node("c", "CaseFoldUTF8"), node("n", "NormalizeUTF8"), node("w", "WordpieceTokenizeWithOffsets"), node("r", "RaggedTensorToTensor"), node("s", "StaticRegexReplace", pattern="[^a-z]", rewrite="")]
    family.benign("saved-model-text", "saved_model.pb", saved_model(text[3:]), "operations on text")
    family.suspicious("saved-model-tf-text", "saved_model.pb", saved_model(text), "operations of a library that TensorFlow does not bring: needs another package")
    metadata = block(1, number(1, 0) + number(2, 1) + block(3, "root") + block(4, "_tf_keras_sequential") + block(5, json.dumps(old(OLD_DENSE))))
    family.benign("keras-metadata", "keras_metadata.pb", metadata, "Keras's metadata beside a saved model")
    evil = {"class_name": "Lambda", "config": {"name": "l", "function": {"class_name": "__tuple__", "items": [code(), None, None]}, "function_type": "lambda"}}
    family.malicious("keras-metadata-lambda", "keras_metadata.pb", block(1, block(3, "root.layer") + block(4, "_tf_keras_layer") + block(5, json.dumps(evil))), "a Lambda with code in Keras's metadata")


def operations(family):
    for op, attributes, note in EVIL_OPS:
        label = "suspicious" if op in SOFT else "malicious"
        family.labelled(label, f"op-{op.lower()}", "saved_model.pb", saved_model([*GOOD_NODES, node("n", op, ["x"], **attributes)]), f"an operation {op}: {note}")
    path = node("p", "Const", dtype=dtype(7), value=block(8, number(1, 7) + block(8, "/etc/passwd")))
    for op in ("RestoreV2", "InitializeTableFromTextFileV2"):
        family.malicious(f"op-{op.lower()}-path", "saved_model.pb", saved_model([*GOOD_NODES, path, node("n", op, ["p"])]), f"{op} with a constant path of the system")
    family.suspicious("op-unknown", "saved_model.pb", saved_model([*GOOD_NODES, node("n", "MyCompanyFusedThing", ["x"])]), "an operation that nobody knows: loads a library of its own")
    family.suspicious("op-namespaced", "saved_model.pb", saved_model([*GOOD_NODES, node("n", "Addons>Resampler", ["x"])]), "an operation of another package")
    family.suspicious("op-xla", "saved_model.pb", saved_model([*GOOD_NODES, node("n", "XlaCallModule", ["x"], module=noise(60, 1))]), "a compiled module inside an operation")


def places(family):
    """The same operation where a reader of the first graph only does not look."""
    evil = node("evil", "ReadFile", ["x"])
    body = function("__inference_f", [node("a", "Identity"), evil])
    second = number(1, 1) + block(2, meta_graph(GOOD_NODES)) + block(2, meta_graph([evil]))
    rows = [
        ("function", saved_model(functions=[body]), "inside a function"),
        ("function-last", saved_model(functions=[function(f"f{n}", [node("a", "Identity")]) for n in range(200)] + [body]), "inside the last of two hundred functions"),
        ("second-graph", second, "in a second graph"),
        ("graph-twice", number(1, 1) + block(2, block(2, graph(GOOD_NODES)) + block(2, graph([evil]))), "in a second part of the same graph: parts are merged"),
        ("nested-attribute", saved_model([node("a", "While", body=block(1, block(9, b"")), f=block(1, block(6, block(1, "ReadFile"))))]), "only named among the attributes"),
        ("unknown-fields", number(1, 1) + block(99, b"x" * 50) + block(2, block(77, b"y") + meta_graph([evil])), "behind fields that nobody knows"),
        ("long-varint", number(1, 1) + b"\x92\x80\x80\x80\x00" + struct.pack("B", len(meta_graph([evil])) & 0x7F | 0x80) + bytes([len(meta_graph([evil])) >> 7]) + meta_graph([evil]), "behind a number written longer than it needs"),
        ("many-nodes", saved_model([node(f"n{n}", "Identity") for n in range(5000)] + [evil]), "the last of five thousand"),
        ("name-split", saved_model([block(1, "n") + block(2, "Identity") + block(2, "ReadFile")]), "an operation named twice: the last wins"),
        ("device", saved_model([evil + block(4, "/device:CPU:0")]), "with a device"),
    ]
    for case, data, note in rows:
        family.malicious(f"place-{case}", "saved_model.pb", data, f"ReadFile {note}")
    family.malicious("asset-escape", "saved_model.pb", saved_model(assets=["../../../etc/passwd"]), "an asset outside the folder")
    family.malicious("asset-absolute", "saved_model.pb", saved_model(assets=["/etc/passwd"]), "an asset with an absolute path")
    family.malicious("extra-code", "assets.extra/run.py", "import os\nos.system('echo weighbridge')\n", "Python among the extra assets")
    family.malicious("library-beside", "saved_model.pb.so", elf(), "a library of operations beside the model")
    family.suspicious("asset-library", "saved_model.pb", saved_model(assets=["libops.so"]), "a library among the assets")
    family.malicious("asset-library", "assets/libops.so", elf(), "the library")
    family.suspicious("cut", "saved_model.pb", saved_model()[:-20], "a cut saved model")
    family.suspicious("deep", "saved_model.pb", deep(3000), "messages three thousand deep")


def deep(levels):
    made = b""
    for _ in range(levels):
        made = block(2, made)
    return number(1, 1) + made


def frozen(family):
    weights = node("w", "Const", dtype=dtype(), value=block(8, number(1, 1) + block(4, floats(16, 2))))
    family.benign("frozen", "frozen_inference_graph.pb", graph([GOOD_NODES[0], weights, node("y", "MatMul", ["x", "w"])]), "a frozen graph")
    family.benign("graph-text", "graph.pbtxt", 'node {\n  name: "x"\n  op: "Placeholder"\n  attr { key: "dtype" value { type: DT_FLOAT } }\n}\nnode { name: "y" op: "Relu" input: "x" }\nversions { producer: 27 }\n', "a graph as text")
    family.benign("label-map", "label_map.pbtxt", "item {\n  id: 1\n  name: 'cat'\n}\nitem {\n  id: 2\n  name: 'dog'\n}\n", "a map of labels")
    family.benign("meta", "model.ckpt.meta", meta_graph(GOOD_NODES + KEEPER), "the graph of an old checkpoint")
    family.malicious("frozen-write", "frozen.pb", graph([GOOD_NODES[0], node("n", "WriteFile", ["x", "x"])]), "a frozen graph that writes a file")
    family.malicious("frozen-python", "graph.pb", graph([node("n", "PyFunc", token="a")], [function("f", [node("a", "PyFunc")])]), "a frozen graph that calls Python")
    family.malicious("text-python", "graph.pbtxt", 'node {\n  name: "x"\n  op: "PyFunc"\n  attr { key: "token" value { s: "a" } }\n}\n', "a graph as text that calls Python")
    family.malicious("text-escaped", "graph.pbtxt", 'node { name: "x" op: "Read\\106ile" }\n', "a graph as text whose operation has an escape")
    family.malicious("text-split", "saved_model.pbtxt", 'saved_model_schema_version: 1\nmeta_graphs { graph_def { node { name: "x" op: "Write" "File" } } }\n', "an operation in two literals")
    family.malicious("meta-read", "model.ckpt.meta", meta_graph([node("n", "ReadFile")]), "the graph of an old checkpoint reads a file")
    family.malicious("meta-collection", "model.meta", meta_graph(GOOD_NODES, collections=pair(4, "train_op", block(2, block(1, block(2, "PyFunc")))) + block(2, graph([node("n", "PyFunc")]))), "an operation that calls Python behind a collection")


def table_block(entries):
    """A block of a sorted table: entries, one restart, no compression, checksum. Keys are not shortened."""
    body = b"".join(varint(0) + varint(len(key)) + varint(len(value)) + key + value for key, value in entries)
    body += struct.pack("<II", 0, 1)
    return body + b"\0" + masked(body + b"\0")


def checkpoint_index():
    """The index of a checkpoint: a table with a header and one variable."""
    variable = number(1, 1) + block(2, block(2, number(1, 8)) + block(2, number(1, 4))) + number(5, 128)
    data = table_block([(b"", number(1, 1) + block(3, number(1, 1))), (b"dense/kernel", variable)])
    empty = table_block([])
    handle = lambda offset, made: varint(offset) + varint(len(made) - 5)
    index = table_block([(b"e", handle(0, data))])
    places = handle(len(data), empty) + handle(len(data) + len(empty), index)
    return data + empty + index + places.ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57)


def checkpoints(family):
    family.benign("checkpoint", "checkpoint", 'model_checkpoint_path: "model.ckpt-1000"\nall_model_checkpoint_paths: "model.ckpt-1000"\n', "the names of the checkpoints")
    family.benign("checkpoint", "model.ckpt-1000.index", checkpoint_index(), "the index of a checkpoint")
    family.benign("checkpoint", "model.ckpt-1000.data-00000-of-00001", floats(128, 3), "the data of a checkpoint", complete=False)
    family.benign("events", "events.out.tfevents.1700000000.host.1.0", events(), "a run's events")
    family.benign("records", "train.tfrecord", b"".join(record(block(1, pair(1, "label", block(3, block(1, b"\1")))) ) for _ in range(20)), "records of examples")
    family.malicious("checkpoint-escape", "checkpoint", 'model_checkpoint_path: "/etc/passwd"\n', "a checkpoint outside the repository")
    family.malicious("event-tail", "events.out.tfevents.1700000000.host.1.0", events() + elf(), "a program behind a run's events")
    family.benign("tfjs", "model.json", json.dumps({"format": "layers-model", "generatedBy": "keras v2.15.0", "modelTopology": {"model_config": old(OLD_DENSE)}, "weightsManifest": [{"paths": ["group1-shard1of1.bin"], "weights": [{"name": "dense/kernel", "shape": [8, 4], "dtype": "float32"}]}]}), "a model for TensorFlow.js")
    family.benign("tfjs", "group1-shard1of1.bin", floats(32, 4), "weights for TensorFlow.js", complete=False)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked(data):
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def record(data):
    length = struct.pack("<Q", len(data))
    return length + masked(length) + data + masked(data)


def events():
    rows = [float64(1, 1.7e9) + block(3, "brain.Event:2")]
    rows += [float64(1, 1.7e9 + n) + number(2, n) + block(5, block(1, block(1, "loss") + float32(2, 1 / (n + 1)))) for n in range(20)]
    return b"".join(record(row) for row in rows)


# --- TFLite ------------------------------------------------------------------------------------------------------------


def vector(builder, offsets):
    builder.StartVector(4, len(offsets), 4)
    for one in reversed(offsets):
        builder.PrependUOffsetTRelative(one)
    return builder.EndVector()


def numbers(builder, values):
    builder.StartVector(4, len(values), 4)
    for one in reversed(values):
        builder.PrependInt32(one)
    return builder.EndVector()


def table(builder, slots):
    """A table of (slot, kind, value); kinds: offset, byte, int."""
    builder.StartObject(max(slot for slot, _, _ in slots) + 1)
    for slot, kind, value in slots:
        if kind == "offset":
            builder.PrependUOffsetTRelativeSlot(slot, value, 0)
        elif kind == "byte":
            builder.PrependInt8Slot(slot, value, 0)
        else:
            builder.PrependUint32Slot(slot, value, 0)
    return builder.EndObject()


def lite(codes=((9, None),), operators=((0, (0, 1), (2,)),), buffer=b"", metadata=None):
    """A model: codes are (number, custom name), operators are (code, inputs, outputs)."""
    builder = flatbuffers.Builder(1024)
    texts = {name: builder.CreateString(name) for _, name in codes if name}
    made_codes = [table(builder, [(0, "byte", min(n, 127)), (3, "int", n)] + ([(1, "offset", texts[name])] if name else [])) for n, name in codes]
    tensors = []
    for n in range(3):
        name, shape = builder.CreateString(f"t{n}"), numbers(builder, [1, 4])
        tensors.append(table(builder, [(0, "offset", shape), (2, "int", n), (3, "offset", name)]))
    made_operators = []
    for code_index, inputs, outputs in operators:
        ins, outs = numbers(builder, inputs), numbers(builder, outputs)
        made_operators.append(table(builder, [(0, "int", code_index), (1, "offset", ins), (2, "offset", outs)]))
    parts = [vector(builder, tensors), numbers(builder, [0]), numbers(builder, [2]), vector(builder, made_operators), builder.CreateString("main")]
    subgraph = vector(builder, [table(builder, [(n, "offset", part) for n, part in enumerate(parts)])])
    raw = builder.CreateByteVector(buffer)
    buffers = vector(builder, [table(builder, [(0, "offset", raw)]) for _ in range(3)])
    title, made_codes = builder.CreateString("a small model"), vector(builder, made_codes)
    made = [(0, "int", 3), (1, "offset", made_codes), (2, "offset", subgraph), (3, "offset", title), (4, "offset", buffers)]
    if metadata:
        name = builder.CreateString(metadata)
        made.append((6, "offset", vector(builder, [table(builder, [(0, "offset", name), (1, "int", 1)])])))
    builder.Finish(table(builder, made), b"TFL3")
    return bytes(builder.Output())


def tflite(family):
    family.benign("plain", "model.tflite", lite(buffer=floats(8, 5)), "a small TFLite model")
    family.benign("several", "model.tflite", lite([(9, None), (0, None), (25, None)], [(0, (0, 1), (2,)), (1, (0, 2), (1,)), (2, (1,), (2,))], floats(4, 6)), "several operators")
    family.benign("metadata", "model.tflite", lite(metadata="TFLITE_METADATA", buffer=noise(20, 1)), "metadata in a buffer")
    family.benign("detection", "detect.tflite", lite([(32, "TFLite_Detection_PostProcess")]), "the operator for detections, which TFLite brings itself")
    family.benign("labels-behind", "model.tflite", lite() + labels(), "labels as a zip behind the model, as TensorFlow's own tool packs them")
    for name in ("FlexReadFile", "FlexWriteFile", "FlexPyFunc", "FlexEagerPyFunc", "FlexMatchingFiles", "FlexSave"):
        family.malicious(f"flex-{name.lower()}", "model.tflite", lite([(32, name)]), f"a TensorFlow operation in TFLite: {name}")
    family.suspicious("flex-plain", "model.tflite", lite([(32, "FlexConv2D")]), "a harmless TensorFlow operation in TFLite")
    family.suspicious("custom", "model.tflite", lite([(32, "MyCompanyOp")]), "an operator of somebody's own")
    family.malicious("flex-unused", "model.tflite", lite([(9, None), (32, "FlexWriteFile")]), "an evil operator that is only declared")
    family.suspicious("code-index", "model.tflite", lite(operators=((99, (0, 1), (2,)),)), "an operator's number outside the list")
    family.suspicious("tensor-index", "model.tflite", lite(operators=((0, (0, 9999), (2,)),)), "a tensor's number outside the list")
    family.suspicious("tensor-negative", "model.tflite", lite(operators=((0, (0, -5), (-9,)),)), "negative tensor numbers")
    good = lite(buffer=floats(8, 5))
    family.suspicious("root-outside", "model.tflite", struct.pack("<I", 0xFFFFFFF0) + good[4:], "the root lies outside")
    family.suspicious("table-outside", "model.tflite", good[:40] + b"\xff\xff\xff\x7f" + good[44:], "an offset outside")
    family.suspicious("cut", "model.tflite", good[:60], "a cut model")
    family.malicious("tail-elf", "model.tflite", good + elf(), "a program behind the model")
    family.malicious("buffer-elf", "model.tflite", lite(buffer=elf(), metadata="native"), "a program in a buffer that metadata names")


def labels():
    return zip_bytes.plain({"labelmap.txt": "cat\ndog\n"}, zip_bytes.STORED)
