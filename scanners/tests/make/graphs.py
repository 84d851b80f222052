"""Writes the binary cases of the rules on graphs, trees and data formats. Standard library only; run it where it lies.

Every payload is harmless: what would run is `echo`, or a name that nobody has.
"""

import pathlib
import struct

RULES = pathlib.Path(__file__).resolve().parent.parent / "rules"


def put(rule, kind, name, data):
    path = RULES / rule / kind / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())


# Protobuf on the wire.


def varint(value):
    value &= (1 << 64) - 1
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def message(*fields):
    """Fields as (number, value): ints are varints, texts and bytes are what they are."""
    out = b""
    for number, value in fields:
        if isinstance(value, int):
            out += varint(number << 3) + varint(value)
        else:
            value = value.encode() if isinstance(value, str) else value
            out += varint(number << 3 | 2) + varint(len(value)) + value
    return out


# TensorFlow.


def tensor_text(text):
    return message((1, 7), (2, b""), (8, text))


def node(name, op, *inputs, **attributes):
    fields = [(1, name), (2, op)] + [(3, one) for one in inputs]
    for key, value in attributes.items():
        fields.append((5, message((1, key), (2, value))))
    return message(*fields)


def constant(name, text):
    return node(name, "Const", dtype=message((6, 7)), value=message((8, tensor_text(text))))


def function(name, arguments, *nodes):
    signature = message((1, name), *[(2, message((1, one), (2, 7))) for one in arguments])
    return message((1, signature), *[(3, one) for one in nodes])


def graph(*nodes, functions=()):
    fields = [(1, one) for one in nodes]
    if functions:
        fields.append((2, message(*[(1, one) for one in functions])))
    return message(*fields, (4, message((1, 1395), (2, 12))))


def saved_model(graph_def, *more):
    info = message((2, message((1, message((1, "MatMul"))))), (4, "serve"), (5, "2.16.1"))
    return message((1, 1), (2, message((1, info), (2, graph_def), *more)))


def tensorflow():
    plain = [node("x", "Placeholder"), node("w", "VarHandleOp"), node("y", "MatMul", "x", "w")]
    read = function("__inference_read_1", ["path"], node("data", "ReadFile", "path"), node("up", "Identity", "data:contents:0"))
    call = node("call", "PartitionedCall", "where", f=message((10, message((1, "__inference_read_1")))))
    put("WB-TFM-001", "bad", "saved_model.pb",
        saved_model(graph(*plain, constant("where", "/etc/passwd"), call, functions=[read])))
    # A checkpoint is written where the graph says: the path goes through a function's argument.
    save = function("__inference_save_2", ["prefix"], constant("part", "weights"),
                    node("joined", "StringJoin", "prefix", "part:output:0"), node("save", "SaveV2", "joined:output:0"))
    call = node("call", "StatefulPartitionedCall", "home", f=message((10, message((1, "__inference_save_2")))))
    put("WB-TFM-001", "bad", "frozen.pb", graph(constant("home", "/root/.ssh/"), call, functions=[save]))
    # Every SavedModel saves and restores itself, under a prefix that the loader gives.
    saver = [node("saver_filename", "Placeholder"), constant("part", "_temp/part"),
             node("joined", "StringJoin", "saver_filename", "part"), node("save", "SaveV2", "joined"),
             node("restore", "RestoreV2", "saver_filename"), node("ready", "ReadVariableOp", "w")]
    put("WB-TFM-001", "good", "saved_model.pb", saved_model(graph(*plain, *saver)))

    python = function("__inference_f_3", ["x"], node("py", "EagerPyFunc", "x", token=message((2, "pyfunc_0"))))
    put("WB-TFM-002", "bad", "saved_model.pb", saved_model(graph(*plain, functions=[python])))
    fine = function("__inference_pyfunction_4", ["x"], node("r", "Relu", "x"))
    call = node("py", "PartitionedCall", "x", f=message((10, message((1, "__inference_pyfunction_4")))))
    put("WB-TFM-002", "good", "saved_model.pb", saved_model(graph(*plain, call, functions=[fine])))

    put("WB-TFM-003", "bad", "frozen.pb", graph(*plain, node("z", "AcmeFusedAttention", "y")))
    inner = function("AcmeFusedAttention", ["x"], node("r", "Softmax", "x"))
    put("WB-TFM-003", "good", "frozen.pb", graph(*plain, node("z", "AcmeFusedAttention", "y"), functions=[inner]))

    asset = message((1, message((1, "Const:0"))), (2, "libops.so"))
    custom = node("c", "XlaCustomCallV2", "x", call_target_name=message((2, "acme_kernel")))
    put("WB-TFM-004", "bad", "saved_model.pb", saved_model(graph(*plain, custom), (6, asset)))
    vocabulary = message((1, message((1, "Const:0"))), (2, "vocab.txt"))
    put("WB-TFM-004", "good", "saved_model.pb", saved_model(graph(*plain), (6, vocabulary)))


# ONNX.


def onnx_tensor(name, dims, data=b"", location=None, **more):
    fields = [(1, dim) for dim in dims] + [(2, 1), (8, name)]
    if location is None:
        return message(*fields, (9, data))
    entries = {"location": location, **more}
    outside = [(13, message((1, key), (2, str(value)))) for key, value in entries.items()]
    return message(*fields, *outside, (14, 1))


def onnx_node(op, inputs, outputs, domain="", *attributes):
    fields = [(1, one) for one in inputs] + [(2, one) for one in outputs] + [(4, op)]
    fields += [(5, one) for one in attributes] + ([(7, domain)] if domain else [])
    return message(*fields)


def onnx_model(*graph_fields, more=()):
    graph_def = message(*graph_fields, (2, "graph"), (11, message((1, "x"))), (12, message((1, "y"))))
    return message((1, 9), (2, "maker"), (7, graph_def), (8, message((1, ""), (2, 18))), *more)


def onnx():
    floats = struct.pack("<4f", 1, 2, 3, 4)
    add = (1, onnx_node("Add", ["x", "w"], ["y"]))
    within = (1, onnx_node("Constant", [], ["w"], "",
                           message((1, "value"), (5, onnx_tensor("w", [4], location="../../etc/passwd")), (20, 4))))
    sparse = (15, message((1, onnx_tensor("values", [4], location="C:\\secret")), (2, onnx_tensor("i", [4], floats)), (3, 4)))
    put("WB-ONX-001", "bad", "attribute.onnx", onnx_model(within, add))
    put("WB-ONX-001", "bad", "sparse.onnx", onnx_model(add, sparse))
    put("WB-ONX-001", "good", "model.onnx", onnx_model(add, (5, onnx_tensor("w", [4], location="model.onnx_data", offset=0, length=16))))
    put("WB-ONX-001", "good", "model.onnx_data", floats)

    short = (5, onnx_tensor("w", [4], location="model.onnx_data", offset=8, length=16))
    lost = (5, onnx_tensor("v", [4], location="weights/gone.bin"))
    put("WB-ONX-002", "bad", "model.onnx", onnx_model(add, short, lost))
    put("WB-ONX-002", "bad", "model.onnx_data", floats)
    put("WB-ONX-002", "good", "model.onnx", onnx_model(add, (5, onnx_tensor("w", [4], location="model.onnx_data"))))
    put("WB-ONX-002", "good", "model.onnx_data", floats)

    python = (1, onnx_node("PyOp", ["x"], ["y"], "com.microsoft", message((1, "module"), (4, "evil"), (20, 3))))
    put("WB-ONX-003", "bad", "model.onnx", onnx_model(python))
    put("WB-ONX-003", "good", "model.onnx", onnx_model((1, onnx_node("Pow", ["x", "x"], ["y"]))))

    put("WB-ONX-004", "bad", "model.onnx", onnx_model((1, onnx_node("FancyNorm", ["x"], ["y"], "com.acme.kernels"))))
    own = message((1, "FancyNorm"), (4, "a"), (5, "b"), (7, onnx_node("Relu", ["a"], ["b"])), (10, "com.acme.kernels"))
    put("WB-ONX-004", "good", "model.onnx",
        onnx_model((1, onnx_node("FancyNorm", ["x"], ["y"], "com.acme.kernels")), more=[(25, own)]))

    put("WB-ONX-005", "bad", "model.onnx", onnx_model(add, (5, onnx_tensor("w", [1 << 40, 1 << 40], floats))))
    whole = onnx_model(add, (5, onnx_tensor("w", [2, 2], floats)))
    put("WB-GEN-006", "bad", "cut.onnx", whole[:-20])
    put("WB-GEN-006", "bad", "wide.onnx", whole + message((99, bytes(5000))))
    put("WB-GEN-006", "good", "model.onnx", whole)
    put("WB-ONX-005", "good", "model.onnx", onnx_model(add, (5, onnx_tensor("w", [2, 2], floats))))


# CoreML and Paddle.


def core_ml():
    def model(layer):
        feature = message((1, "x"), (3, message((5, message((1, 4), (2, 65568))))))
        network = message((1, layer))
        return message((1, 4), (2, message((1, feature), (10, feature))), (500, network))

    custom = message((1, "swish"), (2, "x"), (3, "y"), (500, message((10, "AcmeSwish"), (40, "A layer of ours"))))
    put("WB-CML-001", "bad", "model.mlmodel", model(custom))
    relu = message((1, "relu"), (2, "x"), (3, "y"), (130, message((10, b""))))
    put("WB-CML-001", "good", "model.mlmodel", model(relu))


def paddle():
    def program(*ops):
        block = message((1, 0), (2, -1), (3, message((1, "x"))), *[(4, message((1, message((1, "X"), (2, "x"))), (3, op))) for op in ops])
        return message((1, block), (4, message((1, 0))))

    put("WB-PDL-001", "bad", "model.pdmodel", program("feed", "py_func", "fetch"))
    put("WB-PDL-001", "good", "model.pdmodel", program("feed", "matmul_v2", "fetch"))
    put("WB-PDL-002", "bad", "model.pdmodel", program("feed", "save_combine", "fetch"))
    put("WB-PDL-002", "good", "model.pdmodel", program("feed", "relu", "fetch"))
    put("WB-PDL-003", "bad", "model.pdmodel", program("feed", "my_company_op", "fetch"))
    put("WB-PDL-003", "good", "model.pdmodel", program("feed", "softmax", "softmax_grad", "fetch"))
    description = message((1, 5), (2, 2), (2, 2))
    one = struct.pack("<IQIi", 0, 0, 0, len(description)) + description + struct.pack("<4f", 1, 2, 3, 4)
    put("WB-PDL-002", "good", "model.pdiparams", one * 2)


# TFLite: a flatbuffer, built from the front.


class Flat:
    def __init__(self, mark):
        self.out = bytearray(struct.pack("<I4s", 0, mark))

    def align(self, to=4):
        while len(self.out) % to:
            self.out += b"\0"

    def table(self, **slots):
        """Slots `s0`, `s1`, …: ints stand in the table, functions make what the offset leads to."""
        numbers = {int(key[1:]): value for key, value in slots.items()}
        count = max(numbers, default=-1) + 1
        self.align(8)
        vtable = len(self.out)
        places, place = [0] * count, 4
        for slot in sorted(numbers):
            places[slot], place = place, place + 4
        self.out += struct.pack(f"<HH{count}H", 4 + 2 * count, place, *places)
        self.align()
        at = len(self.out)
        self.out += struct.pack("<i", at - vtable) + b"\0" * (place - 4)
        for slot, value in sorted(numbers.items()):
            field = at + places[slot]
            struct.pack_into("<I", self.out, field, value if isinstance(value, int) else value() - field)
        return at

    def text(self, text):
        self.align()
        at = len(self.out)
        self.out += struct.pack("<I", len(text)) + text.encode() + b"\0"
        return at

    def numbers(self, *values):
        self.align()
        at = len(self.out)
        self.out += struct.pack(f"<I{len(values)}I", len(values), *values)
        return at

    def tables(self, *makers):
        self.align()
        at = len(self.out)
        self.out += struct.pack("<I", len(makers)) + b"\0" * 4 * len(makers)
        for number, maker in enumerate(makers):
            field = at + 4 + 4 * number
            struct.pack_into("<I", self.out, field, maker() - field)
        return at

    def finish(self, root):
        struct.pack_into("<I", self.out, 0, root)
        self.align(16)
        return bytes(self.out)


def lite(custom, input_number=0):
    flat = Flat(b"TFL3")
    if custom:
        code = lambda: flat.table(s0=32, s1=lambda: flat.text(custom), s2=1, s3=32)
    else:
        code = lambda: flat.table(s0=9, s2=1, s3=9)
    tensor = lambda: flat.table(s0=lambda: flat.numbers(1, 4), s2=1, s3=lambda: flat.text("x"))
    operator = lambda: flat.table(s0=0, s1=lambda: flat.numbers(input_number), s2=lambda: flat.numbers(0))
    graph_of = lambda: flat.table(s0=lambda: flat.tables(tensor), s1=lambda: flat.numbers(0), s2=lambda: flat.numbers(0),
                                  s3=lambda: flat.tables(operator), s4=lambda: flat.text("main"))
    buffers = lambda: flat.tables(lambda: flat.table(), lambda: flat.table(s0=lambda: flat.numbers(0x3F800000)))
    return flat.finish(flat.table(s0=3, s1=lambda: flat.tables(code), s2=lambda: flat.tables(graph_of),
                                  s3=lambda: flat.text("made"), s4=buffers))


def tflite():
    put("WB-TFL-001", "bad", "custom.tflite", lite("AcmeKernel"))
    put("WB-TFL-001", "bad", "flex.tflite", lite("FlexAcmeKernel"))
    put("WB-TFL-001", "good", "model.tflite", lite(None))
    put("WB-TFL-001", "good", "detection.tflite", lite("TFLite_Detection_PostProcess"))
    put("WB-TFM-001", "bad", "flex.tflite", lite("FlexWriteFile"))
    put("WB-TFL-002", "bad", "model.tflite", lite(None, input_number=70000))
    put("WB-TFL-002", "good", "model.tflite", lite(None))


# R.


class R:
    """R's serialised values in XDR."""

    nil = struct.pack(">I", 254)
    world = struct.pack(">I", 253)
    unbound = struct.pack(">I", 252)

    @staticmethod
    def word(text):
        return struct.pack(">II", 9 | 64 << 12, len(text)) + text.encode()

    @staticmethod
    def symbol(name):
        return struct.pack(">I", 1) + R.word(name)

    @staticmethod
    def texts(*texts):
        return struct.pack(">II", 16, len(texts)) + b"".join(map(R.word, texts))

    @staticmethod
    def numbers(*numbers):
        return struct.pack(f">II{len(numbers)}d", 14, len(numbers), *numbers)

    @staticmethod
    def call(name, *arguments):
        rest = b"".join(struct.pack(">I", 2) + one for one in arguments) + R.nil
        return struct.pack(">I", 6) + R.symbol(name) + rest

    @staticmethod
    def pairs(**values):
        return b"".join(struct.pack(">I", 2 | 0x400) + R.symbol(key) + value for key, value in values.items()) + R.nil

    @staticmethod
    def promise(code):
        return struct.pack(">I", 5 | 0x400) + R.world + R.unbound + code

    @staticmethod
    def function(body):
        return struct.pack(">I", 3 | 0x400) + R.world + R.nil + body

    @staticmethod
    def rds(value):
        return b"X\n" + struct.pack(">III", 3, 0x40301, 0x30500) + struct.pack(">I", 5) + b"UTF-8" + value


def r_data():
    put("WB-RDS-001", "bad", "promise.rds", R.rds(R.promise(R.call("system", R.texts("echo pwned")))))
    put("WB-RDS-001", "bad", "saved.rda", b"RDX3\n" + R.rds(R.pairs(x=R.promise(R.call("print", R.texts("hello"))))))
    frame = struct.pack(">II", 19 | 0x300, 2) + R.numbers(1, 2) + R.texts("a", "b")
    frame += R.pairs(names=R.texts("n", "t"), **{"class": R.texts("data.frame"), "row.names": R.numbers(1, 2)})
    put("WB-RDS-001", "good", "frame.rds", R.rds(frame))
    put("WB-RDS-002", "bad", "function.rds", R.rds(R.function(R.call("print", R.texts("hello")))))
    put("WB-RDS-002", "bad", "found.rds", R.rds(R.call("do.call", R.texts("print"))))
    formula = struct.pack(">I", 6 | 0x300) + R.pairs(**{"class": R.texts("formula"), ".Environment": R.world})
    formula += R.symbol("~") + struct.pack(">I", 2) + R.symbol("y") + struct.pack(">I", 2) + R.symbol("x") + R.nil
    put("WB-RDS-002", "good", "formula.rds", R.rds(formula))


# The others.


def packed(value):
    """MessagePack, as far as it is needed here."""
    if isinstance(value, dict):
        return bytes([0x80 | len(value)]) + b"".join(packed(k) + packed(v) for k, v in value.items())
    if isinstance(value, str):
        return bytes([0xA0 | len(value)]) + value.encode()
    if isinstance(value, int):
        return bytes([value])
    if isinstance(value, bytes):
        return bytes([0xC4, len(value)]) + value
    if isinstance(value, (list, tuple)):
        return bytes([0x90 | len(value)]) + b"".join(map(packed, value))
    raise TypeError(value)


class Extension:
    def __init__(self, kind, body):
        self.bytes = bytes([0xC7, len(body), kind]) + body


def packed_map(entries):
    out = bytes([0x80 | len(entries)])
    for key, value in entries.items():
        out += packed(key) + (value.bytes if isinstance(value, Extension) else packed(value))
    return out


def msgpack():
    array = Extension(1, packed([[2], "float32", bytes(8)]))
    put("WB-MSG-001", "bad", "extension.msgpack", packed_map({"params": array, "hook": Extension(42, b"whatever this is")}))
    put("WB-MSG-001", "bad", "objects.msgpack", packed_map({"params": Extension(1, packed([[1], "object", b"\x80\x04N."]))}))
    put("WB-MSG-001", "good", "flax_model.msgpack", packed_map({"params": array, "step": 7}))


def trees():
    key = lambda text: b"L" + struct.pack(">q", len(text)) + text.encode()
    sound = b"{" + key("learner") + b"{" + key("weights") + b"[$d#L" + struct.pack(">q2f", 2, 1, 2) + b"}}"
    short = b"{" + key("learner") + b"{" + key("weights") + b"[$d#L" + struct.pack(">q2f", 1 << 40, 1, 2) + b"}}"
    put("WB-TRE-001", "bad", "model.ubj", short)
    put("WB-TRE-001", "good", "model.ubj", sound)


def engines():
    put("WB-TRT-001", "bad", "model.engine", b"ptrt" + bytes(range(200)))
    put("WB-TRT-001", "good", "model.onnx", onnx_model((1, onnx_node("Relu", ["x"], ["y"]))))


def vino():
    put("WB-OVN-001", "bad", "model.bin", bytes(64))
    put("WB-OVN-001", "good", "model.bin", bytes(64))
    put("WB-OVN-002", "good", "model.bin", bytes(64))


for one in (tensorflow, onnx, core_ml, paddle, tflite, r_data, msgpack, trees, engines, vino):
    one()
