#!/usr/bin/env python3
"""Writes the cases of the rules WB-PKL-*, opcode by opcode. Standard library only; nothing that it writes is ever loaded.

Run in any folder: `python3 scanners/tests/make/pickles.py`. The same bytes on every run. Payloads only say `echo`.
"""

import collections
import datetime
import pathlib
import pickle
import struct

RULES = pathlib.Path(__file__).parent.parent / "rules"


def text(value):
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def number(value):
    if 0 <= value < 256:
        return b"K" + bytes([value])
    raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


def const(value):
    if isinstance(value, bytes):
        return value
    if value is None or isinstance(value, bool):
        return {None: b"N", True: b"\x88", False: b"\x89"}[value]
    if isinstance(value, str):
        return text(value)
    if isinstance(value, int):
        return number(value)
    if isinstance(value, dict):
        return b"}(" + b"".join(const(key) + const(one) for key, one in value.items()) + b"u"
    if isinstance(value, tuple):
        return b"(" + b"".join(map(const, value)) + b"t"
    return b"](" + b"".join(map(const, value)) + b"e"


def blob(raw):
    return b"B" + struct.pack("<I", len(raw)) + raw


def name(path):
    module, _, last = path.rpartition(".")
    return b"c" + module.encode() + b"\n" + last.encode() + b"\n"


def stack_name(module, last):
    return text(module) + text(last) + b"\x93"


def call(path, *args):
    return name(path) + const(args) + b"R"


def made(path, *args):
    return name(path) + const(args) + b"\x81"


def two(*parts):
    return b"\x80\x02" + b"".join(parts) + b"."


def four(*parts):
    return b"\x80\x04" + b"".join(parts) + b"."


SHELL = call("os.system", "echo weighbridge")
LOGISTIC = "sklearn.linear_model._logistic.LogisticRegression"
TRANSFORMER = "sklearn.preprocessing._function_transformer.FunctionTransformer"
STORAGE_ID = const(("storage", name("torch.FloatStorage"), "0", "cpu", 4)) + b"Q"
PLAIN = pickle.dumps({"labels": ["cat", "dog"], "mean": 0.5}, 4)
DATES = pickle.dumps([datetime.date(2024, 1, 2), collections.OrderedDict(a=1)], 2)


def wrapper(path, state):
    return made(path) + const(state) + b"b"


def doubled(times):
    return b"\x80\x02)" + b"2\x86" * times + b"."


CASES = {
    # bad, good: each a dict of file names and bytes, or the bytes of model.pkl
    1: (two(SHELL), pickle.dumps(["os.system", "subprocess"], 2)),
    2: (two(call("timeit.timeit", "print('echo')")), two(call("collections.OrderedDict", [("timeit", 1)]))),
    3: (two(call("urllib.request.urlopen", "http://127.0.0.1/")), pickle.dumps({"url": "http://127.0.0.1/"}, 2)),
    4: (four(call("builtins.str", 5), text("thing"), b"\x93"), four(stack_name("collections", "OrderedDict"), b")R")),
    5: (two(made("company_models.net.Net"), const({"depth": 3}), b"b"), two(made(LOGISTIC), const({"C": 1}), b"b")),
    6: (
        two(call("cloudpickle.cloudpickle._make_function", call("cloudpickle.cloudpickle._builtin_type", "CodeType"), ("print", "os", "system"))),
        pickle.dumps({"code": "print('echo')"}, 2),
    ),
    7: (two(call("importlib.import_module", "os")), pickle.dumps({"module": "os"}, 2)),
    8: (four(stack_name("collections", "abc.sys.modules.get"), const(("os",)), b"R"), four(stack_name("collections", "OrderedDict"), b")R")),
    9: (
        two(made(LOGISTIC), const({"__setstate__": name("builtins.print")}), b"b"),
        two(made(LOGISTIC), const({"C": 1, "classes_": ["a", "b"]}), b"b"),
    ),
    10: (two(made("datetime.date", blob(b"\x07\xe8\1\2")), const("x"), const(1), b"s"), two(call("collections.OrderedDict"), const("x"), const(1), b"s")),
    11: (two(const(("module", "net.py")), b"Q"), pickle.dumps(("storage", "FloatStorage", "0", "cpu", 4), 2)),
    12: (two(b"\x82\x20"), pickle.dumps(0x20, 2)),
    13: (two(const([blob(pickle.dumps(print, 2))])), two(const([blob(pickle.dumps([1, 2], 2))]))),
    14: (two(made(TRANSFORMER), const({"func": name("timeit.timeit"), "validate": False}), b"b"), two(made(TRANSFORMER), const({"func": name("numpy.log1p"), "validate": False}), b"b")),
    15: (
        {"model.pkl": two(made("netparts.Net")), "netparts.py": b"class Net:\n    pass\n"},
        {"model.pkl": two(made(LOGISTIC)), "netparts.py": b"class Net:\n    pass\n"},
    ),
    16: (
        four(text("json"), b"q\x00", b"0", text("collections"), b"q\x000h\x00", text("OrderedDict"), b"\x93)R"),
        b"]p0\n0g0\n.",
    ),
    17: (PLAIN + two(SHELL), PLAIN + DATES),
    18: (PLAIN + b"\n# end of the weights\n" + b"cos\nsystem\n(S'echo weighbridge'\ntR.", PLAIN + b"\n"),
    19: (four(text("collections"), text("Ｏrdered\u200bDict"), b"\x93)R"), pickle.dumps(["Ｏrdered\u200bDict"], 4)),
    20: (two(SHELL)[:-1] + b"\xff", two(call("collections.OrderedDict"))),
    21: (b"\x80\x04\x95\xff\0\0\0\0\0\0\0N.", PLAIN),
    22: (doubled(60), doubled(6)),
    23: (b"\x80\x02B\xff\xff\xff\xff.", b"\x80\x02B\x03\0\0\0abc."),
    24: (two(call("builtins.bytearray", 1 << 40)), two(call("builtins.bytearray", 16))),
    26: (
        two(wrapper("joblib.numpy_pickle_compat.NDArrayWrapper", {"filename": "../weights.npy", "subclass": name("numpy.ndarray")})),
        pickle.dumps({"filename": "../weights.npy"}, 2),
    ),
}


def legacy(last):
    """A torch file without an archive, of no storages, whose object is this."""
    magic = pickle.dumps(0x1950A86A20F9469CFC6C, 2)
    system = pickle.dumps({"protocol_version": 1001, "little_endian": True}, 2)
    return magic + pickle.dumps(1001, 2) + system + last + pickle.dumps([], 2)


CASES[25] = (
    {"training_args.bin": legacy(two(made("datetime.date", blob(b"\x07\xe8\1\2"))))},
    {"training_args.bin": legacy(two(call("collections.OrderedDict")))},
)


def main():
    for rule, sides in CASES.items():
        for side, files in zip(("bad", "good"), sides):
            for file, data in (files if isinstance(files, dict) else {"model.pkl": files}).items():
                at = RULES / f"WB-PKL-{rule:03}" / side / file
                at.parent.mkdir(parents=True, exist_ok=True)
                at.write_bytes(data)


if __name__ == "__main__":
    main()
