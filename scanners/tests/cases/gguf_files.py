"""GGUF: real files with tokenizers and templates, and counts, lengths and offsets that overflow."""

import struct
import tempfile
from pathlib import Path

import gguf
import numpy

from cases import noise
from native import elf
from pickle_code import payload
from templates import ATTACKS, GOOD

KINDS = ("u8", "i8", "u16", "i16", "u32", "i32", "f32", "bool", "text", "array", "u64", "i64", "f64")
CODE = {"u8": "B", "i8": "b", "u16": "H", "i16": "h", "u32": "I", "i32": "i", "f32": "f", "bool": "?", "u64": "Q", "i64": "q", "f64": "d"}


def make(cases):
    family = cases.family("gguf")
    benign(family)
    broken(family)
    templates(family)


def real(architecture="llama", template=None, tensors=3, kind=numpy.float32, more=None):
    """A file by the library: a small model with a tokenizer."""
    with tempfile.TemporaryDirectory() as folder:
        at = Path(folder) / "model.gguf"
        made = gguf.GGUFWriter(at, architecture)
        made.add_name("tiny"), made.add_block_count(2), made.add_context_length(128), made.add_embedding_length(32)
        made.add_feed_forward_length(64), made.add_head_count(4), made.add_layer_norm_rms_eps(1e-5), made.add_file_type(0)
        made.add_tokenizer_model("llama"), made.add_token_list([b"<unk>", b"<s>", b"</s>", b"the", "\u2581a".encode()])
        made.add_token_scores([0.0] * 5), made.add_token_types([2, 3, 3, 1, 1]), made.add_bos_token_id(1), made.add_eos_token_id(2)
        if template:
            made.add_chat_template(template)
        if more:
            more(made)
        for n in range(tensors):
            made.add_tensor(f"blk.{n}.attn_q.weight", numpy.zeros((32, 32), kind))
        made.write_header_to_file(), made.write_kv_data_to_file(), made.write_tensors_to_file(), made.close()
        return at.read_bytes()


def quantised(kind, size):
    def more(made):
        made.add_tensor("output.weight", numpy.zeros((4, size), numpy.uint8), raw_dtype=kind)

    return real(more=more, tensors=1)


def benign(family):
    family.benign("plain", "model.gguf", real(), "a small model with a tokenizer")
    family.benign("half", "model-f16.gguf", real(kind=numpy.float16), "half precision")
    family.benign("vocabulary-only", "vocab.gguf", real(tensors=0), "a file without tensors")
    family.benign("many-tensors", "model.gguf", real(tensors=200), "two hundred tensors")
    family.benign("named-templates", "model.gguf", real(template=[{"name": "default", "template": GOOD["chatml"]}, {"name": "tool_use", "template": GOOD["llama3-tools"]}]), "two named templates")
    for case in ("llama3", "mistral", "chatml", "gemma", "phi3", "deepseek", "zephyr"):
        family.benign(f"template-{case}", "model.gguf", real(template=GOOD[case]), f"a chat template: {case}")
    types = gguf.GGMLQuantizationType
    for kind in (types.Q4_0, types.Q8_0, types.Q4_K, types.Q6_K, types.Q5_1, types.IQ4_NL):
        block, size = gguf.GGML_QUANT_SIZES[kind]
        family.benign(f"quant-{kind.name.lower().replace('_', '-')}", f"model-{kind.name}.gguf", quantised(kind, size * 2), f"tensors of {kind.name}, blocks of {block}")
    for architecture in ("qwen2", "gemma", "bert", "whisper", "clip"):
        family.benign(f"architecture-{architecture}", "model.gguf", real(architecture), f"the architecture {architecture}")
    family.benign("aligned-64", "model.gguf", real(more=lambda made: made.add_custom_alignment(64)), "an alignment of 64")
    family.benign("every-kind", "model.gguf", hand([(f"test.{kind}", kind, "x" if kind == "text" else 1) for kind in KINDS if kind != "array"]), "a value of every kind")
    family.benign("arrays", "model.gguf", hand([("a.ints", "array", ("i32", [1, 2, 3])), ("a.texts", "array", ("text", ["a", "b"])), ("a.none", "array", ("f32", []))]), "arrays of several kinds")
    family.benign("version-2", "model.gguf", hand([("general.architecture", "text", "llama")], version=2), "version 2")
    family.benign("big-endian", "model-be.gguf", hand([("general.architecture", "text", "llama"), ("x.y", "u32", 7)], order=">"), "big-endian order")
    family.benign("old-ggml", "ggml-model.bin", b"lmgg" + struct.pack("<7I", 32000, 4096, 256, 32, 32, 128, 2) + noise(200, 1), "the format before GGUF", complete=False)


def text(value, order="<"):
    raw = value if isinstance(value, bytes) else value.encode()
    return struct.pack(order + "Q", len(raw)) + raw


def valued(kind, value, order="<"):
    if kind == "text":
        return text(value, order)
    if kind == "array":
        inner, values = value
        body = b"".join(valued(inner, one, order) for one in values)
        return struct.pack(order + "IQ", KINDS.index(inner), len(values)) + body
    return struct.pack(order + CODE[kind], value)


def pair(key, kind, value, order="<"):
    number = KINDS.index(kind) if kind in KINDS else kind
    body = value if kind not in KINDS else valued(kind, value, order)
    return text(key, order) + struct.pack(order + "I", number) + body


def tensor(name="w", dims=(4,), kind=0, offset=0, count=None):
    sides = struct.pack(f"<{len(dims)}Q", *dims)
    return text(name) + struct.pack("<I", len(dims) if count is None else count) + sides + struct.pack("<IQ", kind, offset)


def hand(pairs=(), tensors=(), body=b"", version=3, order="<", n_tensors=None, n_pairs=None, tail=b"", align=32):
    """A file by hand; the counts may lie."""
    head = b"GGUF" + struct.pack(order + "I", version)
    head += struct.pack(order + "QQ", len(tensors) if n_tensors is None else n_tensors, len(pairs) if n_pairs is None else n_pairs)
    head += b"".join(one if isinstance(one, bytes) else pair(*one, order=order) for one in pairs) + b"".join(tensors)
    return head + (bytes(-len(head) % align) if tensors else b"") + body + tail


NAMED = [("general.architecture", "text", "llama")]


def broken(family):
    most, half = (1 << 64) - 1, 1 << 63
    table = [
        ("pairs-max", hand(NAMED, n_pairs=most), "CVE-2024-25664: as many pairs as sixty-four bits count"),
        ("pairs-overflow", hand(NAMED, n_pairs=(1 << 64) // 48 + 1), "CVE-2024-25665: a count whose product overflows"),
        ("tensors-max", hand(NAMED, n_tensors=most), "CVE-2024-25666: as many tensors as sixty-four bits count"),
        ("tensors-overflow", hand(NAMED, n_tensors=(1 << 64) // 80 + 1), "CVE-2024-25667: a count of tensors whose product overflows"),
        ("key-length", hand([struct.pack("<Q", most) + b"x"], n_pairs=1), "CVE-2024-23496: a key whose length plus one is zero"),
        ("key-long", hand([struct.pack("<Q", half)], n_pairs=1), "a key longer than memory"),
        ("text-length", hand([text("a") + struct.pack("<IQ", 8, most)], n_pairs=1), "CVE-2024-21802: a text of the largest length"),
        ("array-count", hand([text("a") + struct.pack("<IIQ", 9, 4, most)], n_pairs=1), "CVE-2024-21825: an array of the largest count"),
        ("array-product", hand([text("a") + struct.pack("<IIQ", 9, 12, 1 << 61)], n_pairs=1), "CVE-2024-21836: an array whose size overflows"),
        ("array-of-texts", hand([text("a") + struct.pack("<IIQ", 9, 8, 1 << 60)], n_pairs=1), "CVE-2024-23605: an array of texts whose size overflows"),
        ("array-nested", hand([text("a") + b"".join(struct.pack("<IQ", 9, 1) for _ in range(2000))], n_pairs=1), "arrays in arrays, two thousand deep"),
        ("array-kind", hand([text("a") + struct.pack("<IIQ", 9, 99, 1) + bytes(8)], n_pairs=1), "an array of a kind that does not exist"),
        ("value-kind", hand([("a", 77, bytes(8))]), "a value of a kind that does not exist"),
        ("bool-two", hand([text("a") + struct.pack("<IB", 7, 2)], n_pairs=1), "a truth value of two"),
        ("dims-five", hand(NAMED, [tensor(dims=(2, 2, 2, 2, 2))], bytes(128)), "five dimensions"),
        ("dims-count", hand(NAMED, [tensor(dims=(4,), count=1 << 31)], bytes(64)), "CVE-2024-25668: two billion dimensions"),
        ("dims-overflow", hand(NAMED, [tensor(dims=(1 << 40, 1 << 40))], bytes(64)), "dimensions whose product overflows"),
        ("dims-zero", hand(NAMED, [tensor(dims=(0, 1 << 62))], bytes(64)), "a side of zero beside a huge one"),
        ("dims-negative", hand(NAMED, [tensor(dims=(most,))], bytes(64)), "a side that is minus one where it is signed"),
        ("tensor-kind", hand(NAMED, [tensor(kind=200)], bytes(64)), "a tensor of a type that does not exist"),
        ("offset-outside", hand(NAMED, [tensor(offset=1 << 40)], bytes(64)), "a tensor outside the file"),
        ("offset-odd", hand(NAMED, [tensor(offset=3)], bytes(64)), "an offset that is not aligned"),
        ("offset-overlap", hand(NAMED, [tensor("a"), tensor("b")], bytes(64)), "two tensors over the same bytes"),
        ("tensor-short", hand(NAMED, [tensor(dims=(1 << 20,))], bytes(64)), "a tensor longer than the file"),
        ("tensor-name", hand(NAMED, [tensor("n" * 200)], bytes(64)), "a tensor's name of two hundred letters"),
        ("tensor-twice", hand(NAMED, [tensor("w"), tensor("w", offset=32)], bytes(64)), "a tensor's name twice"),
        ("block-odd", hand(NAMED, [tensor(dims=(33,), kind=2)], bytes(64)), "a row that is no multiple of its block"),
        ("alignment-zero", hand([("general.alignment", "u32", 0)], [tensor()], bytes(64)), "an alignment of zero"),
        ("alignment-odd", hand([("general.alignment", "u32", 7)], [tensor()], bytes(64)), "an alignment of seven"),
        ("alignment-kind", hand([("general.alignment", "text", "32")], [tensor()], bytes(64)), "an alignment that is a text"),
        ("key-twice", hand(NAMED + NAMED), "a key twice"),
        ("key-huge", hand([("k" * 70000, "u32", 1)]), "a key longer than the format allows"),
        ("key-nul", hand([("general.name\0x", "text", "a")]), "a NUL in a key"),
        ("key-utf8", hand([(b"\xff\xfe", "u32", 1)]), "a key that is not UTF-8"),
        ("version-zero", hand(NAMED, version=0), "version zero"),
        ("version-high", hand(NAMED, version=999), "version 999"),
        ("cut-head", b"GGUF\3\0\0\0\1\0", "a file that ends in its head"),
        ("cut-value", hand(NAMED)[:-3], "a file that ends in a value"),
        ("tail", hand(NAMED, [tensor()], bytes(32), tail=noise(200, 3)), "bytes behind the tensors"),
        ("split-count", hand(NAMED + [("split.count", "u16", 65535), ("split.no", "u16", 9)]), "a split that claims 65535 parts"),
        ("vocabulary", hand(NAMED + [("tokenizer.ggml.tokens", "array", ("text", ["a"])), ("tokenizer.ggml.scores", "array", ("f32", [0.0] * 9))]), "more scores than tokens"),
        ("token-id", hand(NAMED + [("tokenizer.ggml.tokens", "array", ("text", ["a"])), ("tokenizer.ggml.eos_token_id", "u32", 1 << 30)]), "a token's number outside the vocabulary"),
    ]
    for case, data, note in table:
        family.suspicious(f"broken-{case}", "model.gguf", data, note)
    family.malicious("tail-pickle", "model.gguf", hand(NAMED, [tensor()], bytes(32), tail=payload()), "a pickle behind the tensors")
    family.malicious("tail-elf", "model.gguf", hand(NAMED, [tensor()], bytes(32), tail=elf()), "a program behind the tensors")
    family.malicious("gap-elf", "model.gguf", hand(NAMED, [tensor("a"), tensor("b", offset=1024)], bytes(32) + elf().ljust(992, b"\0") + bytes(16)), "a program in a gap between tensors")


def templates(family):
    for case in ("subclasses", "globals", "attr-filter", "concatenated", "lipsum"):
        family.malicious(f"template-{case}", "model.gguf", real(template=ATTACKS[case][0]), f"CVE-2024-34359: a chat template that breaks out ({case})")
    evil = ATTACKS["subclasses"][0]
    family.malicious("template-second", "model.gguf", real(template=[{"name": "default", "template": GOOD["chatml"]}, {"name": "rag", "template": evil}]), "the second named template breaks out")
    family.malicious("template-big-endian", "model.gguf", hand([("tokenizer.chat_template", "text", evil)], order=">"), "a template in a big-endian file")
    family.malicious("template-any-key", "model.gguf", hand(NAMED + [("tokenizer.chat_template.x", "text", evil)]), "a template under a name of its own")
    family.malicious("template-in-array", "model.gguf", hand(NAMED + [("tokenizer.chat_templates", "array", ("text", ["x"])), ("tokenizer.chat_template.x", "text", evil)]), "a template named in a list")
    family.malicious("template-key-twice", "model.gguf", hand([("tokenizer.chat_template", "text", GOOD["chatml"]), ("tokenizer.chat_template", "text", evil)]), "a harmless template and an evil one under the same key")
    family.malicious("template-after-broken", "model.gguf", hand([("tokenizer.chat_template", "text", evil), ("a", 77, bytes(8))]), "a template before a value that cannot be read")
    family.suspicious("template-hidden-order", "model.gguf", real(template=ATTACKS["conditional"][0]), "a template which adds an instruction when a word comes up")
