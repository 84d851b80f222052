"""Files of joblib: arrays lie between the opcodes, and the whole may be compressed in seven ways."""

import bz2
import gzip
import io
import lzma
import pickle
import zlib

import joblib
import lz4.frame
import numpy
import pandas

import estimators
from pickle_code import Code, build, call, const, name, payload, pickled, shell

CODECS = {
    "zlib": lambda data: zlib.compress(data, 3),
    "zlib-fast": lambda data: zlib.compress(data, 1),
    "zlib-best": lambda data: zlib.compress(data, 9),
    "gzip": lambda data: gzip.compress(data, mtime=0),
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
    "lz4": lz4.frame.compress,
}
WAYS = (0, ("zlib", 3), ("gzip", 3), ("bz2", 3), ("xz", 3), ("lzma", 3), ("lz4", 3))


def make(cases):
    family = cases.family("joblib")
    benign(family)
    payloads(family)
    around_arrays(family)
    wrappers(family)


def dumped(value, compress=0, protocol=None):
    out = io.BytesIO()
    joblib.dump(value, out, compress=compress, protocol=protocol)
    return out.getvalue()


def benign(family):
    made = estimators.trained()
    for at, (case, model) in enumerate(made.items()):
        compress = WAYS[at % len(WAYS)]
        family.benign(f"sklearn-{case}", "model.joblib", dumped(model, compress), f"scikit-learn: {case}, compressed with {compress or 'nothing'}")
    for compress in WAYS:
        named = compress[0] if compress else "raw"
        family.benign(f"forest-{named}", "forest.pkl", dumped(made["forest"], compress), f"a forest, {named}")
        family.benign(f"arrays-{named}", "features.joblib", dumped({"x": numpy.arange(50.0), "y": numpy.ones((3, 3), "i2"), "n": 3}, compress), f"a dict of arrays, {named}")
    for protocol in (2, 3, 4, 5):
        family.benign(f"protocol-{protocol}", "model.joblib", dumped(made["kmeans"], 0, protocol), f"a clustering, pickle protocol {protocol}")
    for case, array in estimators.arrays().items():
        if case in ("structured", "fortran", "empty", "scalar", "dates", "dtype-f2", "dtype-bool"):
            family.benign(f"array-{case}", "array.joblib", dumped(array), f"one array: {case}")
    family.benign("object-strings", "labels.joblib", dumped(numpy.array(["cat", None, "dog"], object)), "an object array of texts, as label encoders hold")
    family.benign("data-like-opcodes", "array.joblib", dumped([numpy.frombuffer(payload(2) * 8, "u1"), 5]), "an array whose bytes look like pickles: they are data")
    family.benign("frame", "frame.joblib", dumped(pandas.DataFrame({"a": [1, 2]}), ("gzip", 3)), "a pandas frame")
    for case, model in estimators.boosters().items():
        family.benign(f"boosted-{case}", "model.joblib", dumped(model, ("zlib", 3)), f"a boosting library's object: {case}")


def payloads(family):
    for codec, compress in CODECS.items():
        family.malicious(f"evil-{codec}", "model.joblib", compress(payload(4)), f"a payload compressed with {codec}")
        family.malicious(f"evil-after-array-{codec}", "model.pkl", compress(array_then(shell())), f"a payload after an array, compressed with {codec}")
    family.malicious("evil-raw", "model.joblib", payload(3), "a payload, not compressed")
    good = dumped({"a": 1})
    family.malicious("gzip-two-members", "model.joblib", gzip.compress(good, mtime=0) + gzip.compress(payload(), mtime=0), "two gzip members: the second holds the payload")
    split = payload(4)
    family.malicious("gzip-split", "model.joblib", gzip.compress(split[:9], mtime=0) + gzip.compress(split[9:], mtime=0), "one pickle over two gzip members")
    family.malicious("bz2-two-streams", "model.joblib", bz2.compress(good) + bz2.compress(payload()), "two bz2 streams")
    family.malicious("xz-two-streams", "model.joblib", lzma.compress(good) + lzma.compress(payload()), "two xz streams")
    family.malicious("lz4-two-frames", "model.joblib", lz4.frame.compress(good) + lz4.frame.compress(payload()), "two lz4 frames")
    family.malicious("lz4-skippable", "model.joblib", b"\x50\x2a\x4d\x18\x04\0\0\0skip" + lz4.frame.compress(payload()), "a skippable lz4 frame before the payload")
    family.malicious("zlib-tail", "model.joblib", zlib.compress(good) + payload(), "a pickle behind the end of the zlib stream")
    family.malicious("gzip-of-gzip", "model.joblib", gzip.compress(gzip.compress(payload(), mtime=0), mtime=0), "compressed twice")
    family.malicious("gzip-name", "model.joblib", gzip_with_name(payload()), "a gzip head with name, comment, extra field and head checksum")
    family.malicious("zlib-cut", "model.joblib", zlib.compress(payload() + bytes(1000))[:-6], "a zlib stream without its end: what comes out before it breaks has run already")
    family.malicious("gzip-crc", "model.joblib", gzip.compress(payload(), mtime=0)[:-8] + bytes(8), "a gzip with a wrong checksum")
    family.malicious("zfile-evil", "model.pkl", zfile(payload(2)), "joblib's form before 0.10: `ZF`, a length in hex, zlib")
    family.benign("zfile", "model.pkl", zfile(pickle.dumps({"a": [1, 2]}, 2)), "joblib's form before 0.10 around plain values")
    family.suspicious("zlib-bomb", "model.joblib", zlib.compress(pickle.dumps(bytes(192 << 20), 4), 9), "192 MiB of zeros in a few hundred kilobytes")


def gzip_with_name(data):
    engine = zlib.compressobj(9, zlib.DEFLATED, -15)
    head = b"\x1f\x8b\x08\x1e" + bytes(4) + b"\0\x03" + b"\4\0\1\2\3\4" + b"model.pkl\0" + b"note\0"
    check = (zlib.crc32(head) & 0xFFFF).to_bytes(2, "little")
    return head + check + engine.compress(data) + engine.flush() + zlib.crc32(data).to_bytes(4, "little") + len(data).to_bytes(4, "little")


def zfile(data):
    return b"ZF" + hex(len(data)).encode().ljust(19) + zlib.compress(data)


def wrapper(shape, dtype="f8", aligned=True, **state):
    """The object which joblib writes before an array's bytes."""
    made = call("numpy", "dtype", dtype, False, True)
    said = {"subclass": name("numpy", "ndarray"), "shape": tuple(shape), "order": "C", "dtype": made, "allow_mmap": True}
    if aligned:
        said["numpy_array_alignment_bytes"] = 16
    return Code(build(call("joblib.numpy_pickle", "NumpyArrayWrapper", form="newobj"), said | state))


def array_then(after, data=bytes(32), before=b"", aligned=True):
    """A list of an array and of something after it, with the array's bytes between."""
    head = b"\x80\x03](" + before + wrapper((4,), aligned=aligned)
    pad = 0
    if aligned:
        pad = 16 - (len(head) + 1) % 16
        head += bytes([pad]) + b"\xff" * pad
    return head + data + after + b"e."


def around_arrays(family):
    stop = b"N." + bytes(30)
    family.malicious("after-array", "model.joblib", array_then(shell()), "a payload after an array")
    family.malicious("after-array-stop", "model.joblib", array_then(shell(), stop), "a STOP in the array's data hides what follows from readers that do not skip it")
    family.malicious("after-array-unaligned", "model.joblib", array_then(shell(), stop, aligned=False), "the same in the form without padding")
    family.malicious("after-array-quote", "model.joblib", array_then(shell(), b"X\xff\xff\xff\x7f" + bytes(27)), "data which reads as the start of a long text")
    family.malicious("after-array-mark", "model.joblib", array_then(shell(), b"((((((((" + b"0" * 24), "data which reads as opcodes and empties the stack")
    family.malicious("before-array", "model.joblib", array_then(const(1), stop, before=shell()), "a payload before the array")
    family.malicious("object-array", "model.joblib", object_array(payload(3)), "an object array: a whole pickle inside the pickle, with the payload")
    family.malicious("object-array-after", "model.joblib", object_array(pickle.dumps([1], 3), shell()), "a harmless object array, then the payload")
    family.malicious("lying-dtype", "model.joblib", lying_dtype(), "the dtype says float to those who look at its first name and object to numpy")
    family.malicious("trailing", "model.joblib", dumped([1, 2]) + payload(), "a second pickle after joblib's own")
    family.malicious("function-transformer", "model.joblib", function_transformer(), "a FunctionTransformer whose function is os.system")
    real = bytearray(dumped([numpy.arange(100.0)]))
    family.malicious("real-then-evil", "model.joblib", bytes(real[:-2]) + shell() + bytes(real[-2:]), "a payload spliced into a real file behind the array")


def object_array(inner, after=b""):
    return b"\x80\x03](" + wrapper((1,), "O8") + inner + after + b"e."


def lying_dtype():
    kind = build(call("numpy", "dtype", "V8", False, True), (3, "|", None, ("a",), {"a": (call("numpy", "dtype", "O8", False, True), 0)}, 8, 1, 27))
    said = {"subclass": name("numpy", "ndarray"), "shape": (1,), "order": "C", "dtype": kind, "allow_mmap": True}
    return b"\x80\x03](" + build(call("joblib.numpy_pickle", "NumpyArrayWrapper", form="newobj"), said) + payload(3) + b"e."


def function_transformer():
    state = {"func": name("os", "system"), "inverse_func": None, "validate": False, "kw_args": None, "_sklearn_version": "1.5.0"}
    return pickled(build(call("sklearn.preprocessing._function_transformer", "FunctionTransformer", form="newobj"), state), 4)


def wrappers(family):
    old = call("joblib.numpy_pickle_compat", "NDArrayWrapper", form="newobj")
    for case, file in (("sibling", "model.pkl_01.npy"), ("escape", "../../../../etc/passwd"), ("absolute", "/etc/passwd")):
        state = {"filename": file, "subclass": name("numpy", "ndarray"), "allow_mmap": True}
        label = "suspicious" if case == "sibling" else "malicious"
        family.labelled(label, f"nd-wrapper-{case}", "model.pkl", pickled(build(old, state)), f"CVE-2024-34997: an array wrapper that opens another file ({case})")
    family.malicious("z-wrapper", "model.pkl", pickled(build(call("joblib.numpy_pickle_compat", "ZNDArrayWrapper", form="newobj"), {"filename": "/etc/shadow", "init_args": (name("os", "system"), (1,), b"b"), "state": ()})), "a compressed wrapper with a path and a command as its class")
    family.malicious("memory-load", "model.pkl", pickled(call("joblib", "load", "/tmp/other.pkl")), "CVE-2022-21797's neighbour: joblib.load of another file")
    family.malicious("parallel", "model.pkl", pickled(build(call("joblib", "Parallel", form="newobj"), {"pre_dispatch": "__import__('os').system('true')"})), "CVE-2022-21797: pre_dispatch is evaluated")
    family.malicious("wrapper-shape-call", "model.joblib", b"\x80\x03](" + wrapper((shell(),)) + b"e.", "a command in the place of the shape")
