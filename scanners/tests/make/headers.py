"""Writes the bad and good cases of safetensors, GGUF, HDF5, Keras, programs and ordinary content into tests/rules.

Standard library only; nothing here does harm. The HDF5 files are put together by hand, in the oldest form of the format.
"""

import base64
import json
import marshal
import pathlib
import struct
import zipfile
import zlib

RULES = pathlib.Path(__file__).parent.parent / "rules"
PICKLE = b"\x80\x04\x95\x1f\x00\x00\x00\x00\x00\x00\x00\x8c\x02os\x94\x8c\x06system\x94\x93\x94\x8c\x07echo hi\x94\x85\x94R\x94."
ELF = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 64, 64, 0, 0, 64, 56, 1, 0, 0, 0) + b"\x90\xc3" * 20


def write(rule, kind, name, data):
    path = RULES / rule / kind / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())


# Safetensors


def tensors(header, data, pad=b""):
    text = header if isinstance(header, bytes) else json.dumps(header, separators=(",", ":")).encode()
    text += pad
    return struct.pack("<Q", len(text)) + text + data


def tensor(start, end, shape, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


def safetensors():
    plain = {"a": tensor(0, 16, [2, 2]), "b": tensor(16, 24, [2])}
    good = tensors(plain, bytes(24))
    name = "model.safetensors"
    write("WB-STS-001", "bad", name, tensors({"a": tensor(0, 16, [2, 2], "Q9")}, bytes(16)))
    write("WB-STS-001", "bad", "cut.safetensors", good[:40])
    write("WB-STS-001", "good", name, tensors({"a": tensor(0, 2, [4], "F4"), "none": tensor(2, 2, [0])}, bytes(2), b"   "))
    write("WB-STS-002", "bad", name, tensors({"a": tensor(0, 16, [2, 2]), "b": tensor(32, 40, [2])}, bytes(16) + b"hidden in a gap!" + bytes(8)))
    write("WB-STS-002", "bad", "overlap.safetensors", tensors({"a": tensor(0, 16, [2, 2]), "b": tensor(8, 16, [2])}, bytes(16)))
    write("WB-STS-002", "good", name, tensors({"b": tensor(16, 24, [2]), "a": tensor(0, 16, [2, 2])}, bytes(24)))
    one = b'"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}'
    two = b'"\\u0061":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}'
    write("WB-STS-003", "bad", name, tensors(b"{" + one + b"," + two + b"}", bytes(16)))
    write("WB-STS-003", "good", name, tensors({"a": tensor(0, 16, [4]), "A": tensor(16, 32, [4])}, bytes(32)))
    write("WB-STS-004", "bad", name, tensors({"a": tensor(0, 4, [1])}, bytes(4), b" " * 18_000))
    write("WB-STS-004", "good", name, tensors(dict(plain, __metadata__={"note": "words " * 500}), bytes(24), b" " * 64))
    script = {"description": "<script>fetch('http://127.0.0.1/')</script>"}
    write("WB-STS-005", "bad", name, tensors(dict(plain, __metadata__=script), bytes(24)))
    page = {"format": "pt", "license": "mit", "description": "<p>See <a href='https://example.org/card'>the card</a>.</p>"}
    write("WB-STS-005", "good", name, tensors(dict(plain, __metadata__=page), bytes(24)))
    index = {"metadata": {"total_size": 24}, "weight_map": {"a": "model-00001-of-00002.safetensors", "b": "../../.ssh/id_rsa"}}
    write("WB-STS-006", "bad", "model.safetensors.index.json", json.dumps(index, indent=2))
    index["weight_map"]["b"] = "model-00002-of-00002.safetensors"
    write("WB-STS-006", "good", "model.safetensors.index.json", json.dumps(index, indent=2))
    return good


# GGUF


def text(value):
    value = value if isinstance(value, bytes) else value.encode()
    return struct.pack("<Q", len(value)) + value


def pair(key, kind, value):
    return text(key) + struct.pack("<I", kind) + value


def info(name, dims, kind, offset):
    return text(name) + struct.pack("<I", len(dims)) + b"".join(struct.pack("<Q", d) for d in dims) + struct.pack("<IQ", kind, offset)


def gguf(pairs, infos=(), data=b"", align=32, counts=None):
    tensors_, keys = counts or (len(infos), len(pairs))
    head = b"GGUF" + struct.pack("<IQQ", 3, tensors_, keys) + b"".join(pairs) + b"".join(infos)
    return head + bytes(-len(head) % align) + data


def ggufs():
    name = "model.gguf"
    arch = pair("general.architecture", 8, text("llama"))
    words = pair("tokenizer.ggml.tokens", 9, struct.pack("<IQ", 8, 3) + text("<s>") + text("a") + text("b"))
    good = gguf([arch, words], [info("a", [8], 0, 0), info("b", [32], 2, 32)], bytes(32) + bytes(18))
    for number in range(1, 8):
        write(f"WB-GGU-00{number}", "good", name, good)
    write("WB-GGU-001", "bad", name, gguf([arch, pair("x.list", 9, struct.pack("<IQ", 4, 1 << 62))]))
    write("WB-GGU-001", "bad", "dims.gguf", gguf([arch], [info("a", [1 << 40, 1 << 40], 0, 0)], bytes(32)))
    write("WB-GGU-002", "bad", name, gguf([arch], [info("a", [8], 0, 0), info("b", [8], 0, 1 << 20)], bytes(64)))
    write("WB-GGU-002", "bad", "overlap.gguf", gguf([arch], [info("a", [16], 0, 0), info("b", [8], 0, 32)], bytes(64)))
    write("WB-GGU-003", "bad", name, gguf([arch], [info("a", [8], 77, 0)], bytes(32)))
    align = pair("general.alignment", 4, struct.pack("<I", 24))
    write("WB-GGU-004", "bad", name, gguf([arch, align], [info("a", [8], 0, 0)], bytes(32)))
    wide = pair("general.alignment", 4, struct.pack("<I", 64))
    write("WB-GGU-004", "good", "wide.gguf", gguf([arch, wide], [info("a", [8], 0, 0), info("b", [8], 0, 64)], bytes(96), 64))
    write("WB-GGU-005", "bad", name, gguf([arch, pair("general.architecture", 8, text("gptneox"))]))
    write("WB-GGU-006", "bad", name, good + bytes(14) + b"and something else that no tensor owns")
    nested = pair("x.nested", 9, struct.pack("<IQ", 9, 1) + struct.pack("<IQ", 9, 1))
    write("WB-GGU-007", "bad", name, gguf([arch, nested]))
    write("WB-GGU-007", "bad", "dims.gguf", gguf([arch], [info("a", [1] * 5 , 0, 0)], bytes(4)))
    return good


# HDF5 in its oldest form: superblock 0, object headers 1, a symbol table

NONE = 0xFFFFFFFFFFFFFFFF


def message(kind, body):
    body += bytes(-len(body) % 8)
    return struct.pack("<HHB3x", kind, len(body), 0) + body


def attribute(name, value):
    name = name.encode() + b"\0"
    pad = lambda b: b + bytes(-len(b) % 8)
    kind = struct.pack("<B3BI", 0x13, 0, 0, 0, len(value))
    space = struct.pack("<BBB5x", 1, 0, 0)
    return message(0x0C, struct.pack("<BBHHH", 1, 0, len(name), len(kind), len(space)) + pad(name) + pad(kind) + pad(space) + value)


def header(messages):
    body = b"".join(messages)
    return struct.pack("<BBHII4x", 1, 0, len(messages), 1, len(body)) + body


def hdf5(messages, extra=b"", user=b""):
    """One object, the root. Its header begins at 96; `extra` comes behind it, at an address the caller works out."""
    root = header(messages)
    end = 96 + len(root) + len(extra)
    start = b"\x89HDF\r\n\x1a\n" + struct.pack("<BBBBBBBBHHI", 0, 0, 0, 0, 0, 8, 8, 0, 4, 16, 0)
    start += struct.pack("<QQQQ", len(user), NONE, end + len(user), NONE) + struct.pack("<QQII16x", 0, 96, 0, 0)
    return user + start + root + extra


def old_group(names):
    """Messages and blocks of a root that holds groups without anything in them."""
    size = 96 + len(header([message(0x11, bytes(16))]))
    heap = b"\0" * 8
    places = []
    for name in names:
        places.append(len(heap))
        heap += name.encode() + b"\0" * (8 - len(name) % 8)
    tree_at, heap_at = size, size + 24 + 24
    data_at = heap_at + 32
    leaf_at = data_at + len(heap)
    child_at = leaf_at + 8 + 40 * len(names)
    tree = b"TREE" + struct.pack("<BBHQQ", 0, 0, 1, NONE, NONE) + struct.pack("<QQQ", 0, leaf_at, places[-1])
    local = b"HEAP" + struct.pack("<B3xQQQ", 0, len(heap), 1, data_at)
    leaf = b"SNOD" + struct.pack("<BBH", 1, 0, len(names))
    leaf += b"".join(struct.pack("<QQII16x", place, child_at, 0, 0) for place in places)
    return [message(0x11, struct.pack("<QQ", tree_at, heap_at))], tree + local + heap + leaf + header([message(0, bytes(8))])


def link(name, to):
    file, path = to
    info_ = b"\0" + file.encode() + b"\0" + path.encode() + b"\0"
    return message(0x06, struct.pack("<BBBB", 1, 8, 64, len(name)) + name.encode() + struct.pack("<H", len(info_)) + info_)


def hdf5s(config, bad):
    name = "model.h5"
    messages, extra = old_group(["dense", "output"])
    plain = hdf5(messages, extra)
    write("WB-H5-001", "bad", name, hdf5([link("weights", ("/etc/passwd", "/"))]))
    write("WB-H5-001", "good", name, plain)
    write("WB-H5-001", "good", "config.h5", hdf5([attribute("model_config", json.dumps(config).encode())]))
    write("WB-H5-002", "bad", name, plain[:-64])
    write("WB-H5-002", "bad", "loose.h5", hdf5([message(0x11, struct.pack("<QQ", 1 << 40, 1 << 40))]))
    write("WB-H5-002", "good", name, hdf5(messages, extra, user=bytes(512)))
    write("WB-KER-001", "bad", "legacy.h5", hdf5([attribute("model_config", json.dumps(bad).encode())]))


# Keras


def keras(config):
    out = {"config.json": json.dumps(config), "metadata.json": '{"keras_version": "3.5.0", "date_saved": "2026-01-01@00:00:00"}'}
    return stored(out)


def stored(members):
    import io

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), data)
    return buffer.getvalue()


def model(*layers):
    layers = [{"module": "keras.layers", "class_name": "Dense", "config": {"name": "d", "units": 3, "activation": "relu"}, "registered_name": None}, *layers]
    return {"module": "keras", "class_name": "Sequential", "config": {"name": "m", "layers": layers}, "registered_name": "Sequential"}


def layer(module, name, config=None, registered=None):
    return {"module": module, "class_name": name, "config": config or {"name": "x"}, "registered_name": registered}


def kerases():
    name = "model.keras"
    code = base64.b64encode(marshal.dumps(compile("__import__('os').system('echo hi')", "<lambda>", "eval"))).decode()
    # The bytecode differs between versions of Python: a fixed text keeps the case the same wherever it is made.
    code = base64.b64encode(b"\xe3" + bytes(40) + b"\xda\x0a__import__\xda\x02os\xda\x06system\xda\x07echo hi").decode()
    lambda_ = layer("keras.layers", "Lambda", {"name": "l", "function": {"class_name": "__lambda__", "config": {"code": code, "defaults": None, "closure": None}}})
    legacy = {"class_name": "Sequential", "config": {"layers": [{"class_name": "Lambda", "config": {"name": "l", "function": [code, None, None], "function_type": "lambda"}}]}}
    write("WB-KER-001", "bad", name, keras(model(lambda_)))
    cases = {
        2: layer("os", "function", "system", "system"),
        3: layer("keras.src.utils.file_utils", "function", "get_file", "get_file"),
        4: layer("keras.layers", "StringLookup", {"name": "s", "vocabulary": "/content/words.txt"}),
        5: layer("keras.layers", "TFSMLayer", {"name": "t", "filepath": "saved_model", "call_endpoint": "serve"}),
        6: layer("my_package.layers", "Gate", {"name": "g"}, "my_package>Gate"),
        8: layer("keras.layers", "StringLookup", {"name": "s", "vocabulary": "/proc/self/environ"}),
    }
    good = keras(model(layer("keras.layers", "StringLookup", {"name": "s", "vocabulary": ["a", "b/c"]}), layer("keras.layers", "LSTM", {"units": 2, "activation": {"module": "builtins", "class_name": "function", "config": "tanh", "registered_name": "function"}})))
    for number, bad in cases.items():
        write(f"WB-KER-00{number}", "bad", name, keras(model(bad)))
    twice = json.dumps(model()).replace('"units": 3', '"units": 3, "units": 4')
    write("WB-KER-007", "bad", name, stored({"config.json": twice, "metadata.json": "{}"}))
    for number in range(1, 9):
        write(f"WB-KER-00{number}", "good", name, good)
    hdf5s(model(), legacy)


# Programs, names, ordinary content


def png(tail=b""):
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + bytes([10 * y, 20, 30]) * 4 for y in range(4))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 8, 2, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"") + tail


def noise(length, seed=7):
    out = bytearray()
    while len(out) < length:
        seed = (seed * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        out += struct.pack("<Q", seed ^ seed >> 29)
    return bytes(out[:length])


def others(good_tensors, good_gguf):
    write("WB-EXE-001", "bad", "libmodel.so", ELF)
    write("WB-EXE-001", "bad", "tool.exe", b"MZ" + bytes(58) + struct.pack("<I", 64) + b"PE\0\0\x64\x86" + bytes(60))
    write("WB-EXE-001", "good", "MZ.txt", "MZ is how programs for DOS begin; this is a text about them.\n")
    write("WB-EXE-002", "bad", "weights.bin", "#!/bin/sh\necho hi\n")
    write("WB-EXE-002", "good", "convert.sh", "#!/bin/sh\n# Converts the checkpoint.\necho converting\n")
    write("WB-EXE-003", "bad", "model.llamafile", b"MZqFpD='\n" + bytes(55) + b"\n' <<'@'\n" + bytes(64))
    write("WB-EXE-003", "good", "model.gguf", good_gguf)
    write("WB-EXE-004", "bad", "model.safetensors", tensors({"a": tensor(0, 16, [4])}, bytes(16) + ELF))
    write("WB-EXE-004", "good", "model.safetensors", tensors({"a": tensor(0, len(ELF), [len(ELF)], "U8")}, ELF))
    write("WB-EXE-005", "bad", "plugin.wasm", b"\0asm\1\0\0\0" + bytes(16))
    write("WB-EXE-005", "good", "icon.png", png())
    write("WB-GEN-001", "bad", "model.safetensors", PICKLE)
    write("WB-GEN-001", "good", "picture.jpg", png())
    write("WB-GEN-001", "good", "pytorch_model.bin", good_tensors)
    write("WB-GEN-002", "bad", "picture.png", png(PICKLE))
    write("WB-GEN-002", "good", "picture.png", png(b"\0" * 8))
    write("WB-GEN-005", "bad", "weights.dat", noise(17_000))
    write("WB-GEN-005", "good", "weights.dat", tensors({"a": tensor(0, 17_000, [17_000], "U8")}, noise(17_000)))
    # A table in Arrow's stream form is a flatbuffer; only the two texts and their lengths matter here.
    for kind, word in (("bad", b"arrow.py_extension_type"), ("good", b"arrow.json")):
        value = PICKLE if kind == "bad" else b"{}"
        schema = struct.pack("<IIHHHHHHI", 16, 0, 12, 16, 4, 6, 8, 0, 12) + bytes(16)
        schema += struct.pack("<I", len(word)) + word + b"\0" + struct.pack("<I", len(value)) + value
        schema += bytes(-len(schema) % 8)
        footer = schema
        write("WB-TAB-001", kind, "table.arrow", b"ARROW1\0\0" + footer + struct.pack("<I", len(footer)) + b"ARROW1")


good_tensors = safetensors()
good_gguf = ggufs()
kerases()
others(good_tensors, good_gguf)
