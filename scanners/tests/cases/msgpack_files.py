"""MessagePack as flax and spaCy write it, and what its extension types may hide."""

import msgpack
import numpy

from cases import noise
from native import elf
from pickle_code import payload


def make(cases):
    family = cases.family("msgpack")
    benign(family)
    bad(family)


def array(value):
    """flax's extension for an array: shape, type, bytes."""
    return msgpack.ExtType(1, msgpack.packb((value.shape, value.dtype.name, value.tobytes())))


def params():
    return {"params": {"Dense_0": {"kernel": array(numpy.zeros((4, 3), "f4")), "bias": array(numpy.zeros(3, "f4"))}}}


def benign(family):
    chunked = {"__msgpack_chunked_array__": True, "shape": {"0": 4}, "chunks": {"0": array(numpy.zeros(2, "f4")), "1": array(numpy.zeros(2, "f4"))}}
    complex_ = msgpack.ExtType(2, msgpack.packb((1.0, 2.0)))
    scalar = msgpack.ExtType(3, msgpack.packb(((), "float32", numpy.float32(1.5).tobytes())))
    rows = [
        ("flax", "flax_model.msgpack", params(), "parameters of flax"),
        ("flax-chunked", "flax_model.msgpack", {"params": chunked}, "an array in parts"),
        ("flax-numbers", "state.msgpack", {"c": complex_, "s": scalar, "step": 7}, "complex numbers and scalars of flax"),
        ("orbax", "checkpoint", {"item": {"params": {"w": "PLACEHOLDER://params.w"}}}, "the names of an orbax checkpoint"),
        ("spacy", "vocab/strings.msgpack", {"strings": ["the", "model"]}, "texts of spaCy"),
        ("thinc", "ner/model", {"nodes": [{"name": "softmax"}], "attrs": [{}], "params": [{"W": noise(16, 1)}], "shims": [[]]}, "a model of thinc"),
        ("plain", "meta.msgpack", {"a": [1, -2, 3.5, None, True, "text", b"bytes"], "big": 2**63}, "plain values"),
        ("times", "log.msgpack", {"t": msgpack.Timestamp(1700000000, 5)}, "a time"),
    ]
    for case, file, value, note in rows:
        family.benign(case, file, msgpack.packb(value), note)
    family.benign("like-pickle", "flax_model.msgpack", msgpack.packb({"params": {"w": array(numpy.frombuffer(payload() * 4, "u1"))}}), "an array whose bytes look like pickles")


def bad(family):
    evil = numpy.empty(1, object)
    evil[0] = None
    rows = [
        ("extension-pickle", {"params": {"w": msgpack.ExtType(42, payload())}}, "malicious", "a pickle in an extension of its own"),
        ("bytes-pickle", {"opt": payload(4)}, "malicious", "a pickle as bytes"),
        ("bytes-elf", {"w": elf()}, "malicious", "a program as bytes"),
        ("array-object", {"w": msgpack.ExtType(1, msgpack.packb(((1,), "object", payload())))}, "malicious", "flax's extension around an array of objects"),
        ("array-void", {"w": msgpack.ExtType(1, msgpack.packb(((1,), "O", payload())))}, "malicious", "the same by the short name"),
        ("attrs-pickle", {"attrs": [{"init": payload()}], "nodes": []}, "malicious", "a pickle in the attributes of a model of thinc"),
        ("extension-unknown", {"x": msgpack.ExtType(99, b"data")}, "suspicious", "an extension that nobody knows"),
        ("extension-negative", {"x": msgpack.ExtType(100, b"")}, "suspicious", "another extension that nobody knows"),
        ("array-lie", {"w": msgpack.ExtType(1, msgpack.packb(((1 << 40, 1 << 40), "float32", b"1234")))}, "suspicious", "an array far larger than its bytes"),
    ]
    for case, value, label, note in rows:
        family.labelled(label, case, "flax_model.msgpack", msgpack.packb(value), note)
    family.malicious("tail-pickle", "flax_model.msgpack", msgpack.packb(params()) + payload(), "a pickle behind the values")
    family.malicious("pickle", "flax_model.msgpack", payload(), "a pickle under the name of MessagePack")
    family.suspicious("length", "flax_model.msgpack", b"\x81\xa1a\xdf\xff\xff\xff\xff", "a map of four billion pairs")
    family.suspicious("bytes-length", "flax_model.msgpack", b"\x81\xa1a\xc6\xff\xff\xff\xff", "four gigabytes in eight bytes")
    family.suspicious("deep", "flax_model.msgpack", b"\x91" * 200000, "two hundred thousand lists in one another")
    family.suspicious("duplicate", "flax_model.msgpack", b"\x82\xa6params\x01\xa6params\x02", "a key twice")
    family.suspicious("never-used", "flax_model.msgpack", b"\xc1", "the byte that means nothing")
