"""ONNX: models with subgraphs, functions and data beside them, and data that lies outside; CoreML beside it."""

import struct

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

from cases import floats, noise
from native import elf
from pickle_code import payload
from wire import block, float32, number, packed, pair

OPSET = [helper.make_opsetid("", 17)]
X, Y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in ("x", "y"))
LOCAL = "model.onnx.data"
ESCAPES = [
    ("dots", "../../../etc/passwd"),
    ("dots-inside", "data/../../../etc/passwd"),
    ("dots-many", "a/b/../../../../etc/passwd"),
    ("absolute", "/etc/passwd"),
    ("drive", "C:\\Windows\\win.ini"),
    ("backslash", "..\\..\\secret.bin"),
    ("backslash-inside", "data\\..\\..\\secret.bin"),
    ("unc", "\\\\127.0.0.1\\share\\a"),
    ("address", "http://127.0.0.1/x.bin"),
    ("file-address", "file:///etc/passwd"),
    ("nul", "model.onnx.data\0/../../etc/passwd"),
    ("dot-dot-slashes", "....//....//etc/passwd"),
    ("proc", "/proc/self/environ"),
    ("home", "~/.ssh/id_rsa"),
    ("variable", "$HOME/.ssh/id_rsa"),
    ("blank", " /etc/passwd"),
]


def make(cases):
    family = cases.family("onnx")
    benign(family)
    escapes(family)
    places(family)
    others(family)
    coreml(cases.family("coreml"))


def outside(name="w", location=LOCAL, offset=None, length=None, dims=(4, 4)):
    """A tensor whose bytes lie in another file."""
    made = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=dims, data_location=TensorProto.EXTERNAL)
    for key, value in (("location", location), ("offset", offset), ("length", length)):
        if value is not None:
            made.external_data.add(key=key, value=str(value))
    return made


def weights(name="w"):
    return numpy_helper.from_array(numpy.arange(16, dtype="f4").reshape(4, 4), name)


def graph(nodes=None, tensors=None, name="g", **more):
    return helper.make_graph(nodes or [helper.make_node("MatMul", ["x", "w"], ["y"])], name, [X], [Y], [weights()] if tensors is None else tensors, **more)


def model(*args, opsets=(), functions=(), **more):
    return helper.make_model(graph(*args, **more), opset_imports=[*OPSET, *opsets], functions=functions, ir_version=9, producer_name="pytorch", producer_version="2.3.0")


def raw(made):
    return made.SerializeToString()


def branch(tensors=None, nodes=None):
    out = helper.make_tensor_value_info("z", TensorProto.FLOAT, [1, 4])
    return helper.make_graph(nodes or [helper.make_node("Identity", ["x"], ["z"])], "branch", [], [out], tensors or [])


def conditional(inner):
    test = numpy_helper.from_array(numpy.array(True), "c")
    return model([helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=branch())], [test])


def loop_body():
    value = lambda name, kind, shape: helper.make_tensor_value_info(name, kind, shape)
    nodes = [helper.make_node("Identity", ["c2"], ["c3"]), helper.make_node("Relu", ["v2"], ["v3"])]
    inputs = [value("i", TensorProto.INT64, []), value("c2", TensorProto.BOOL, []), value("v2", TensorProto.FLOAT, [1, 4])]
    return helper.make_graph(nodes, "body", inputs, [value("c3", TensorProto.BOOL, []), value("v3", TensorProto.FLOAT, [1, 4])])


def benign(family):
    text = helper.make_node("Constant", [], ["t"], value=helper.make_tensor("s", TensorProto.STRING, [2], [b"../a", b"/etc/passwd"]))
    loop = helper.make_node("Loop", ["n", "c", "x"], ["y"], body=loop_body())
    own = helper.make_function("local", "Twice", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"])], OPSET)
    ml = helper.make_node("TreeEnsembleClassifier", ["x"], ["label", "y"], domain="ai.onnx.ml", nodes_treeids=[0], classlabels_int64s=[0, 1])
    contrib = helper.make_node("FusedMatMul", ["x", "w"], ["y"], domain="com.microsoft")
    sparse = helper.make_sparse_tensor(numpy_helper.from_array(numpy.ones(2, "f4"), "sp"), numpy_helper.from_array(numpy.array([0, 3]), "si"), [4, 4])
    rows = [
        ("matmul", model(), "one product"),
        ("convolution", model([helper.make_node("Conv", ["x", "w"], ["a"], kernel_shape=[3, 3]), helper.make_node("Relu", ["a"], ["y"])]), "a convolution"),
        ("conditional", conditional(branch([weights("v")])), "a branch with weights of its own"),
        ("loop", model([loop], [numpy_helper.from_array(numpy.array(3), "n"), numpy_helper.from_array(numpy.array(True), "c")]), "a loop with a body"),
        ("function", model([helper.make_node("Twice", ["x"], ["y"], domain="local")], opsets=[helper.make_opsetid("local", 1)], functions=[own]), "a function of its own"),
        ("trees", model([ml], [], opsets=[helper.make_opsetid("ai.onnx.ml", 3)]), "trees of the second domain"),
        ("microsoft", model([contrib], opsets=[helper.make_opsetid("com.microsoft", 1)]), "operators of the runtime's own domain"),
        ("texts", model([text, helper.make_node("Identity", ["x"], ["y"])]), "constant texts that look like paths"),
        ("sparse", model(None, None, sparse_initializer=[sparse]), "a sparse initialiser"),
        ("many", model([helper.make_node("Identity", ["x"], [f"n{n}" if n else "y"]) for n in range(500)]), "five hundred nodes"),
    ]
    for case, made, note in rows:
        family.benign(case, "model.onnx", raw(made), note)
    for kind in ("FLOAT16", "DOUBLE", "INT8", "UINT8", "INT32", "INT64", "BOOL", "BFLOAT16", "INT4", "FLOAT8E4M3FN"):
        tensor = TensorProto(name="w", data_type=getattr(TensorProto, kind), dims=[8], raw_data=noise(8 * 8, kind)[: {"DOUBLE": 64, "INT64": 64, "INT32": 32, "FLOAT16": 16, "BFLOAT16": 16, "INT4": 4}.get(kind, 8)])
        family.benign(f"dtype-{kind.lower()}", "model.onnx", raw(model(None, [tensor])), f"weights of {kind}")
    noted = model()
    helper.set_model_props(noted, {"names": "{0: 'person', 1: 'bicycle'}", "author": "a lab", "stride": "32"})
    noted.graph.doc_string = "Exported with torch.onnx.export(model, args)"
    family.benign("properties", "yolo.onnx", raw(noted), "properties as exporters write them")
    family.benign("external", "model.onnx", raw(model(None, [outside(length=64), outside("v", offset=64, length=64)])), "weights in a file beside it")
    family.benign("external", LOCAL, floats(32, 1), "the file beside it", complete=False)
    family.benign("external-folder", "onnx/model.onnx", raw(model(None, [outside(location="weights/w.bin")])), "weights in a folder below")
    family.benign("external-folder", "onnx/weights/w.bin", floats(16, 2), "the weights", complete=False)
    family.benign("external-checksum", "decoder_model.onnx", with_entry("checksum", "da39a3ee5e6b4b0d3255bfef95601890afd80709"), "weights with a checksum")
    family.benign("external-checksum", LOCAL, floats(16, 3), "the weights", complete=False)
    family.benign("like-pickle", "model.onnx", raw(model(None, [TensorProto(name="w", data_type=TensorProto.UINT8, dims=[len(payload())], raw_data=payload())])), "weights whose bytes look like a pickle")
    family.benign("text", "model.onnx.txt", str(model()), "a model printed as text")


def with_entry(key, value):
    made = outside()
    made.external_data.add(key=key, value=value)
    return raw(model(None, [made]))


def escapes(family):
    for case, location in ESCAPES:
        label = "suspicious" if case in ("nul", "dot-dot-slashes", "home", "variable", "blank") else "malicious"
        family.labelled(label, f"external-{case}", "model.onnx", raw(model(None, [outside(location=location)])), f"CVE-2024-27318: weights outside the folder ({case})")
    twice = outside()
    twice.external_data.add(key="location", value="../../etc/passwd")
    family.malicious("external-location-twice", "model.onnx", raw(model(None, [twice])), "two locations: the last wins")
    first = outside(location="../../etc/passwd")
    first.external_data.add(key="location", value=LOCAL)
    family.malicious("external-location-first", "model.onnx", raw(model(None, [first])), "two locations: some take the first")
    unmarked = outside(location="/etc/passwd")
    unmarked.ClearField("data_location")
    family.suspicious("external-unmarked", "model.onnx", raw(model(None, [unmarked])), "a location on a tensor that does not say it is external")


def places(family):
    """The same tensor wherever the format allows one."""
    evil = outside(location="../../../etc/passwd")
    node = helper.make_node("Constant", [], ["y"], value=evil)
    several = helper.make_node("Custom", ["x"], ["y"])
    attribute = several.attribute.add(name="all", type=onnx.AttributeProto.TENSORS)
    attribute.tensors.append(evil)
    indices = numpy_helper.from_array(numpy.array([0]), "i")
    sparse = onnx.SparseTensorProto(values=evil, indices=indices, dims=[4, 4])
    sparse_indices = onnx.SparseTensorProto(values=weights("v"), indices=evil, dims=[4, 4])
    sparse_node = helper.make_node("Constant", [], ["y"])
    sparse_node.attribute.add(name="sparse_value", type=onnx.AttributeProto.SPARSE_TENSOR).sparse_tensor.CopyFrom(sparse)
    deep = branch([evil])
    for _ in range(20):
        deep = branch(nodes=[helper.make_node("If", ["c"], ["z"], then_branch=deep, else_branch=branch())])
    own = helper.make_function("local", "F", ["a"], ["b"], [helper.make_node("Constant", [], ["b"], value=evil)], OPSET)
    many = helper.make_node("Scan", ["x"], ["y"])
    many.attribute.add(name="graphs", type=onnx.AttributeProto.GRAPHS).graphs.append(branch([evil]))
    trained = model()
    trained.training_info.add().algorithm.CopyFrom(graph(None, [evil]))
    started = model()
    started.training_info.add().initialization.CopyFrom(graph([node], []))
    rows = [
        ("constant", model([node], []), "in a constant"),
        ("attributes", model([several], []), "in a list of tensors"),
        ("sparse", model(None, None, sparse_initializer=[sparse]), "as values of a sparse initialiser"),
        ("sparse-indices", model(None, None, sparse_initializer=[sparse_indices]), "as indices of a sparse initialiser"),
        ("sparse-attribute", model([sparse_node], []), "in a sparse attribute"),
        ("branch", conditional(branch([evil])), "in a branch"),
        ("branch-deep", conditional(deep), "twenty branches deep"),
        ("function", model([helper.make_node("F", ["x"], ["y"], domain="local")], [], functions=[own]), "in a function"),
        ("graphs", model([many], []), "in a list of graphs"),
        ("training", trained, "in the training's algorithm"),
        ("training-start", started, "in the training's initialisation"),
        ("last", model(None, [weights(f"w{n}") for n in range(300)] + [evil]), "the last of three hundred"),
    ]
    for case, made, note in rows:
        family.malicious(f"place-{case}", "model.onnx", raw(made), f"a tensor outside the folder, {note}")
    family.malicious("place-graph-twice", "model.onnx", raw(model()) + block(7, raw(graph([node], []))), "in a second graph, which is merged with the first")
    family.malicious("place-unknown-fields", "model.onnx", block(99, b"x" * 40) + raw(model(None, [evil])), "behind fields that nobody knows")


def others(family):
    python = helper.make_node("PyOp", ["x"], ["y"], domain="ai.onnx.contrib", module="os", func="system")
    contrib = helper.make_node("PythonOp", ["x"], ["y"], domain="com.microsoft", func_name="os.system")
    torch_python = helper.make_node("PythonOp", ["x"], ["y"], domain="org.pytorch._caffe2", name="os")
    for case, node in (("py-op", python), ("python-op", contrib), ("python-op-torch", torch_python)):
        family.malicious(case, "model.onnx", raw(model([node], opsets=[helper.make_opsetid(node.domain, 1)])), "an operator that calls Python")
    family.malicious("py-op-function", "model.onnx", raw(model(None, None, functions=[helper.make_function("local", "F", ["x"], ["y"], [python], OPSET)])), "the same inside a function that nobody calls")
    family.malicious("py-op-branch", "model.onnx", raw(conditional(branch(nodes=[python]))), "the same inside a branch")
    unknown = helper.make_node("Thing", ["x"], ["y"], domain="com.mycompany")
    family.suspicious("domain-unknown", "model.onnx", raw(model([unknown], opsets=[helper.make_opsetid("com.mycompany", 1)])), "operators of a domain that nobody knows: needs a library")
    family.suspicious("extensions", "model.onnx", raw(model([helper.make_node("SentencepieceTokenizer", ["x"], ["y"], domain="ai.onnx.contrib", model=b"x")])), "operators of the runtime's extensions: needs a library")
    family.suspicious("external-missing", "model.onnx", raw(model(None, [outside(location="missing.bin")])), "weights in a file that is not there")
    family.suspicious("external-range", "model.onnx", raw(model(None, [outside(offset=1 << 50, length=1 << 50)])), "weights far behind the end of their file")
    family.benign("external-range", LOCAL, floats(4, 9), "the file that is too short", complete=False)
    family.suspicious("external-negative", "model.onnx", raw(model(None, [outside(offset=-8, length=64)])), "a negative offset")
    family.benign("external-negative", LOCAL, floats(16, 9), "the file of the negative offset", complete=False)
    family.suspicious("dims-overflow", "model.onnx", raw(model(None, [TensorProto(name="w", data_type=1, dims=[1 << 40, 1 << 40], raw_data=bytes(16))])), "dimensions whose product overflows")
    family.suspicious("dims-negative", "model.onnx", raw(model(None, [TensorProto(name="w", data_type=1, dims=[-1], raw_data=bytes(16))])), "a negative dimension")
    family.suspicious("short-data", "model.onnx", raw(model(None, [TensorProto(name="w", data_type=1, dims=[4000], raw_data=bytes(16))])), "fewer bytes than the shape needs")
    family.suspicious("cut", "model.onnx", raw(model())[:-9], "a cut model")
    epilogue = helper.make_node("EPContext", ["x"], ["y"], domain="com.microsoft", ep_cache_context="../../lib.so", embed_mode=0)
    family.malicious("context-path", "model.onnx", raw(model([epilogue])), "a compiled context that lies outside the folder")
    blob = helper.make_node("EPContext", ["x"], ["y"], domain="com.microsoft", ep_cache_context=elf(), embed_mode=1)
    family.suspicious("context-blob", "model.onnx", raw(model([blob])), "a compiled context inside the model")
    family.malicious("property-pickle", "model.onnx", raw(model()) + block(14, block(1, "state") + block(2, payload())), "a pickle among the properties")
    family.malicious("raw-elf-beside", "libcustom_op.so", elf(), "a library of operators beside the model")


def coreml(family):
    """CoreML models on the level of the wire: what is inside, and what asks for a class of the application."""
    port = lambda name: block(1, name) + block(3, block(5, packed(1, [1, 4]) + number(2, 65568)))
    description = block(1, port("x")) + block(10, port("y")) + block(100, block(1, "a small model") + block(3, "a lab") + pair(100, "com.github.apple.coremltools.version", "7.1"))
    dense = block(1, "fc") + block(2, "x") + block(3, "y") + block(140, number(1, 4) + number(2, 4) + block(20, block(1, floats(16, 5))))
    custom = block(1, "own") + block(2, "x") + block(3, "y") + block(500, block(10, "MyLayerClass") + pair(30, "path", block(20, "/etc/passwd")))
    made = lambda layer: number(1, 4) + block(2, description) + block(500, block(1, layer))
    family.benign("network", "model.mlmodel", made(dense), "a small network")
    family.benign("trees", "model.mlmodel", number(1, 1) + block(2, description) + block(402, block(1, b"".join(block(1, number(1, 0) + number(2, n)) for n in range(5)))), "trees")
    family.benign("linear", "model.mlmodel", number(1, 1) + block(2, description) + block(300, block(1, struct.pack("<2d", 0.5, 0.25))), "a linear model")
    family.benign("package", "model.mlpackage/Manifest.json", '{"fileFormatVersion": "1.0.0", "itemInfoEntries": {"A": {"author": "com.apple.CoreML", "description": "CoreML Model Specification", "name": "model.mlmodel", "path": "com.apple.CoreML/model.mlmodel"}}, "rootModelIdentifier": "A"}\n', "a package's manifest")
    family.benign("package", "model.mlpackage/Data/com.apple.CoreML/model.mlmodel", made(dense), "the model of the package")
    family.suspicious("custom-layer", "model.mlmodel", made(custom), "a layer whose class the application must bring")
    family.suspicious("custom-model", "model.mlmodel", number(1, 2) + block(2, description) + block(555, block(10, "MyModelClass")), "a model whose class the application must bring")
    family.malicious("package-escape", "model.mlpackage/Manifest.json", '{"fileFormatVersion": "1.0.0", "itemInfoEntries": {"A": {"path": "../../../etc/passwd"}}, "rootModelIdentifier": "A"}\n', "a manifest that climbs out of its package")
    family.malicious("linked-model", "model.mlmodel", number(1, 3) + block(2, description) + block(556, block(1, block(1, block(1, "../../../other")))), "a linked model outside the folder")
    family.malicious("tail-elf", "model.mlmodel", made(dense) + elf(), "a program behind the model")
    family.benign("preprocess", "scaler.mlmodel", number(1, 1) + block(2, description) + block(604, float32(1, 0.5)), "a scaler")

