"""Arrays of numpy on disk: .npy and .npz, with every kind of element, and what hides in them."""

import io
import struct

import numpy

import estimators
import zip_bytes
from cases import noise
from pickle_code import payload
from zip_bytes import Member


def make(cases):
    family = cases.family("numpy")
    benign(family)
    objects(family)
    headers(family)
    archives(family)


def saved(array, version=None, pickled=False):
    out = io.BytesIO()
    numpy.lib.format.write_array(out, array, version, allow_pickle=pickled)
    return out.getvalue()


def packed(squeeze=False, **arrays):
    out = io.BytesIO()
    (numpy.savez_compressed if squeeze else numpy.savez)(out, **arrays)
    return out.getvalue()


def npy(header, body=b"", version=(1, 0)):
    """An array file with a header of our own."""
    raw = header.encode("latin-1")
    width = "<H" if version[0] == 1 else "<I"
    padding = -(8 + struct.calcsize(width) + len(raw) + 1) % 64
    raw += b" " * padding + b"\n"
    return b"\x93NUMPY" + bytes(version) + struct.pack(width, len(raw)) + raw + body


def described(dtype="<f4", shape="(4,)", order="False", more=""):
    return f"{{'descr': {dtype}, 'fortran_order': {order}, 'shape': {shape}, {more}}}"


def benign(family):
    for case, array in estimators.arrays().items():
        family.benign(case, "array.npy", saved(array), f"an array: {case}")
    for version in ((1, 0), (2, 0), (3, 0)):
        family.benign(f"version-{version[0]}", "array.npy", saved(numpy.arange(8.0), version), f"header version {version[0]}")
    grid, labels = numpy.ones((20, 20), "f4"), numpy.array(["a", "b"])
    family.benign("npz", "arrays.npz", packed(x=grid, y=labels), "two arrays, stored")
    family.benign("npz-squeezed", "arrays.npz", packed(True, x=grid, y=labels, z=numpy.int8(1)), "three arrays, deflated")
    family.benign("npz-positional", "batch.npz", positional(grid, labels), "arrays without names")
    family.benign("npz-folders", "weights.npz", packed(**{"layer1/kernel": grid, "layer1/bias": grid[0]}), "names with folders, as flax examples use")
    family.benign("npz-empty", "empty.npz", packed(), "an archive without arrays")
    family.benign("npz-sparse", "matrix.npz", sparse_matrix(), "a sparse matrix of scipy")
    family.benign("like-pickle", "bytes.npy", saved(numpy.frombuffer(payload() * 4, "u1")), "an array of bytes that look like pickles")
    family.benign("like-elf", "bytes.npy", saved(numpy.frombuffer(b"\x7fELF" + noise(60, 1), "u1")), "an array of bytes that look like a program's first")
    family.benign("memory-map", "features.dat", noise(4096, 2), "a raw memory map: nothing says what it is", complete=False)


def positional(*arrays):
    out = io.BytesIO()
    numpy.savez(out, *arrays)
    return out.getvalue()


def sparse_matrix():
    import scipy.sparse

    out = io.BytesIO()
    scipy.sparse.save_npz(out, estimators.sparse()["csr"])
    return out.getvalue()


def objects(family):
    family.suspicious("object-strings", "labels.npy", saved(numpy.array(["a", None], object), pickled=True), "an object array of texts: reading it needs allow_pickle")
    family.suspicious("object-dict", "state.npy", saved(numpy.array({"a": 1}, object), pickled=True), "a dict in an object array of no dimension, as people save settings")
    family.suspicious("npz-object", "data.npz", packed(x=numpy.array(["a", {"b": 1}], object)), "an object array in an archive")
    head = described("'|O'", "(1,)")
    family.malicious("object-evil", "array.npy", npy(head, payload(4)), "CVE-2019-6446: an object array with a payload")
    family.malicious("object-evil-v2", "array.npy", npy(head, payload(4), (2, 0)), "the same with header version 2")
    family.malicious("object-evil-v3", "array.npy", npy(head, payload(2), (3, 0)), "the same with header version 3")
    family.malicious("object-field", "array.npy", npy(described("[('x', '<f4'), ('y', [('z', '|O')])]", "(1,)"), payload(4)), "an object deep in a structured type")
    family.malicious("object-subarray", "array.npy", npy(described("[('x', '|O8', (2,))]", "(1,)"), payload(4)), "an object as a sub-array")
    family.malicious("object-titles", "array.npy", npy(described("[(('a title', 'x'), '|O')]", "(1,)"), payload(4)), "an object under a titled field")
    family.malicious("object-spelled", "array.npy", npy(described("'O'", "(1,)"), payload(4)), "the type without its bar")
    family.malicious("object-named", "array.npy", npy(described("'object'", "(1,)"), payload(4)), "the type by its name")
    family.malicious("object-named-zero", "array.npy", npy(described("'object_'", "(1,)"), payload(4)), "the type by its other name")
    family.malicious("object-escaped", "array.npy", npy(described("'|\\x4f'", "(1,)"), payload(4)), "the type's letter as an escape")
    family.malicious("object-concatenated", "array.npy", npy(described("'|' 'O'", "(1,)"), payload(4)), "the type in two literals")
    family.malicious("object-empty", "array.npy", npy(described("'|O'", "(0,)"), payload(4)), "an object array of no elements: the pickle is read all the same")
    family.malicious("object-comma", "array.npy", npy(described("'f4,O'", "(1,)"), payload(4)), "the type as a list with commas")
    family.malicious("trailing-pickle", "array.npy", saved(numpy.zeros(4)) + payload(4), "a pickle behind the array")
    family.malicious("pickle-named-npy", "array.npy", payload(2), "a pickle under the name of an array: numpy reads it as one")
    family.malicious("protocol-zero-named-npy", "array.npy", payload(0), "a pickle of protocol 0 under the name of an array")


def headers(family):
    family.malicious("header-call", "array.npy", npy("__import__('os').system('echo') or " + described(), bytes(16)), "a call in the header, which the oldest numpy evaluated")
    family.malicious("header-comprehension", "array.npy", npy("{'descr': '<f4', 'fortran_order': False, 'shape': tuple([c for c in ().__class__.__base__.__subclasses__()])}", bytes(16)), "a comprehension in the header")
    family.suspicious("header-overflow", "array.npy", npy(described(shape="(4611686018427387904, 4)"), bytes(16)), "a shape whose product overflows")
    family.suspicious("header-negative", "array.npy", npy(described(shape="(-1,)"), bytes(16)), "a negative side")
    family.suspicious("header-short-data", "array.npy", npy(described(shape="(1000000000,)"), bytes(16)), "far more elements than bytes")
    family.suspicious("header-extra-key", "array.npy", npy(described(more="'loader': 'x', "), bytes(16)), "a fourth key in the header")
    family.suspicious("header-length", "array.npy", b"\x93NUMPY\2\0\xff\xff\xff\x7f{'descr'", "a header of two gigabytes")
    family.suspicious("header-twice", "array.npy", npy("{'descr': '<f4', 'descr': '|O', 'fortran_order': False, 'shape': (1,)}", bytes(16)), "the type said twice")
    family.suspicious("header-version", "array.npy", b"\x93NUMPY\x09\0v\0{", "a version that does not exist")
    family.suspicious("header-deep", "array.npy", npy(described("(" * 5000 + ")" * 5000), b"", (2, 0)), "five thousand brackets")
    family.suspicious("header-cut", "array.npy", saved(numpy.zeros(64))[:40], "a file that ends in its header")


def archives(family):
    good, evil = saved(numpy.zeros(3)), npy(described("'|O'", "(1,)"), payload(4))
    family.malicious("npz-evil", "arrays.npz", zip_bytes.plain({"x.npy": good, "y.npy": evil}), "a payload in the second array")
    family.malicious("npz-other-name", "arrays.npz", zip_bytes.plain({"x.npy": good, "readme.txt": evil}), "the array under another name: numpy opens by content")
    family.malicious("npz-raw-pickle", "arrays.npz", zip_bytes.plain({"x.npy": payload()}), "a bare pickle for an array")
    family.malicious("npz-local-name", "arrays.npz", zip_bytes.archive([Member("x.npy", evil, local={"name": b"y.npy"})]), "CVE-2025-1944: the two headers name the member differently")
    family.malicious("npz-encrypted-flag", "arrays.npz", zip_bytes.archive([Member("x.npy", evil, local={"flags": 1})]), "CVE-2025-1945: only one header says it is encrypted")
    family.malicious("npz-crc", "arrays.npz", zip_bytes.archive([Member("x.npy", evil, central={"crc": 1})]), "a wrong checksum")
    family.malicious("npz-in-npz", "arrays.npz", zip_bytes.plain({"inner.npz": zip_bytes.plain({"x.npy": evil})}), "an archive in the archive")
    family.malicious("npz-named-npy", "arrays.npy", zip_bytes.plain({"x.npy": evil}), "an archive under the name of an array")
    family.malicious("npz-duplicate", "arrays.npz", zip_bytes.archive([Member("x.npy", good), Member("x.npy", evil)]), "the same name twice")
