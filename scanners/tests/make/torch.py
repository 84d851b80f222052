#!/usr/bin/env python3
"""Writes the binary cases of the rules WB-TOR-* and WB-NPY-*, byte by byte, without torch or numpy.

Run in any folder: `python3 scanners/tests/make/torch.py`. The same bytes on every run. Payloads only say `echo`.
"""

import io
import pathlib
import pickle
import struct
import sys
import tarfile
import types
import zipfile
from collections import OrderedDict

RULES = pathlib.Path(__file__).parent.parent / "rules"
SIZES = {"Float": 4, "Half": 2, "Long": 8, "Byte": 1}


def foreign(path, **members):
    """A class or function of a module that is not here, so that pickles can name it."""
    module, _, name = path.rpartition(".")
    for part in range(1, module.count(".") + 2):
        above = ".".join(module.split(".")[:part])
        sys.modules.setdefault(above, types.ModuleType(above))
    made = type(name, (), {"__module__": module, **members})
    setattr(sys.modules[module], name, made)
    return made


class Called:
    """What a call gives."""

    def __init__(self, callee, *arguments):
        self.call = (callee, arguments)

    def __reduce__(self):
        return self.call


class Storage:
    def __init__(self, key, count, kind="Float"):
        self.key, self.count, self.kind = key, count, kind


STORAGES = {kind: foreign(f"torch.{kind}Storage") for kind in SIZES}
REBUILD = foreign("torch._utils._rebuild_tensor_v2")


def tensor(storage, size, stride=None, offset=0):
    return Called(REBUILD, storage, offset, size, stride or tuple([1] * len(size)), False, OrderedDict())


def dumped(value, protocol=2):
    out = io.BytesIO()
    pickler = pickle.Pickler(out, protocol)

    def persistent_id(one):
        if isinstance(one, Storage):
            return ("storage", STORAGES[one.kind], one.key, "cpu", one.count)
        return None

    pickler.persistent_id = persistent_id
    pickler.dump(value)
    return out.getvalue()


def zipped(members):
    """Stored members, the same on every run."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name), data)
    return out.getvalue()


def checkpoint(value, storages, extra=()):
    rows = [("archive/data.pkl", dumped(value)), ("archive/byteorder", b"little")]
    rows += [(f"archive/data/{key}", data) for key, data in storages.items()]
    return zipped(rows + [("archive/version", b"3\n"), *extra])


def numbers(count):
    return b"".join(struct.pack("<f", n / 7) for n in range(count))


def small(extra=()):
    return checkpoint(OrderedDict(weight=tensor(Storage("0", 6), (2, 3), (3, 1))), {"0": numbers(6)}, extra)


def script(*lines, extra=()):
    text = "class Net(Module):\n  __parameters__ = [\"weight\", ]\n  __buffers__ = []\n  weight : Tensor\n  training : bool\n"
    text += "  def forward(self: __torch__.Net,\n    x: Tensor) -> Tensor:\n    weight = self.weight\n"
    text += "".join(f"    {line}\n" for line in lines) + "    return torch.relu(torch.linear(x, weight))\n"
    made = object.__new__(foreign("__torch__.Net"))
    made.__dict__.update(weight=tensor(Storage("0", 6), (2, 3), (3, 1)), training=False)
    debug = dumped((("FORMAT_WITH_STRING_TABLE", ("net.py", "forward"), ((0, (0, 0, 3), 1),)),))
    rows = [("net/data.pkl", dumped(made)), ("net/data/0", numbers(6)), ("net/code/__torch__.py", text.encode())]
    rows += [("net/code/__torch__.py.debug_pkl", debug), ("net/constants.pkl", dumped(())), ("net/version", b"3\n")]
    return zipped(rows + list(extra))


def npy(header, data=b"", version=1):
    text = header.encode("latin1") + b"\n"
    length = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + length + text + data


def described(kind, shape, data):
    return npy(f"{{'descr': {kind}, 'fortran_order': False, 'shape': {shape}, }}", data)


def tar():
    kind = STORAGES["Float"]
    storages = dumped(1) + dumped(("1", "cpu", kind)) + struct.pack("<q", 6) + numbers(6)
    tensors = dumped(1) + dumped(("2", "1", foreign("torch.FloatTensor"))) + struct.pack("<qqqqqq", 2, 2, 3, 3, 1, 0)
    rows = [("sys_info", dumped({"protocol_version": 1000, "little_endian": True})), ("storages", storages)]
    rows += [("tensors", tensors), ("pickle", b"\x80\x02}U\x06weightU\x012s.")]
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in rows:
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return out.getvalue()


ECHO = b"cposix\nsystem\n(S'echo weighbridge'\ntR."
ELF = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, 64, 0, 0, 64, 56, 0, 64, 0, 0)


def package():
    net = object.__new__(foreign("mynet.model.Net"))
    return zipped([
        ("pkg/.data/version", b"6\n"), ("pkg/.data/extern_modules", b"torch.nn\ncollections\n"),
        ("pkg/mynet/__init__.py", b""), ("pkg/mynet/model.py", b"class Net:\n    def forward(self, x):\n        return x * 2\n"),
        ("pkg/model/model.pkl", dumped(net, 3)),
    ])


def exported(extra=()):
    rows = [("model/archive_format", b"pt2"), ("model/archive_version", b"0")]
    return zipped(rows + list(extra))


def cases():
    yield "TOR-001/bad/save.pt", script('torch.save(x, "/tmp/weighbridge")')
    yield "TOR-001/bad/from_file.pt", script('y = ops.aten.from_file("/etc/hostname", None, 64, 0, 0, None, None)')
    yield "TOR-001/bad/method.pt", script('x . save("/tmp/weighbridge")  # written as a method')
    yield "TOR-001/good/relu.pt", script('_0 = "torch.save(x)"  # a text, and no call', "load = torch.size(x, 0)")
    yield "TOR-002/bad/fused.pt", script("y = ops.mycompany.fused_attention(x, weight)")
    yield "TOR-002/good/nms.pt", script("y = ops.torchvision.nms(x, weight, 0.5)", "z = ops.quantized.add(x, x, 1., 0)")
    yield "TOR-003/bad/package.pt", package()
    yield "TOR-003/good/script.pt", script("y = torch.neg(x)")
    yield "TOR-004/bad/model.pt2", exported([("model/data/aotinductor/model/cmodel.so", ELF)])
    yield "TOR-004/good/weights.pt", checkpoint({"w": tensor(Storage("0", 16), (16,))}, {"0": ELF})
    yield "TOR-005/bad/model.pth", tar()
    yield "TOR-005/good/model.pth", small()
    weight = OrderedDict(weight=tensor(Storage("0", 1000), (10, 100), (100, 1)))
    yield "TOR-006/bad/short.pt", checkpoint(weight, {"0": numbers(6)})
    yield "TOR-006/bad/missing.pt", checkpoint(OrderedDict(weight=tensor(Storage("../../weights", 6), (6,))), {"0": numbers(6)})
    shared = Storage("0", 12)
    views = OrderedDict(a=tensor(shared, (2, 3), (3, 1)), b=tensor(shared, (6,), (1,), 6), none=tensor(Storage("1", 0), (0, 4), (4, 1)))
    yield "TOR-006/good/views.pt", checkpoint(views, {"0": numbers(12), "1": b""})
    yield "TOR-007/bad/second.pt", small([("archive/extra/notes", pickle.dumps({"lr": 0.1}, 4))])
    yield "TOR-007/bad/case.pt", small([("archive/DATA.PKL", ECHO)])
    yield "TOR-007/good/script.pt", script("y = torch.abs(x)")
    yield "NPY-001/bad/words.npy", described("'|O'", "(2,)", pickle.dumps(["cat", "dog"], 4))
    yield "NPY-001/bad/fields.npy", described("[('x', '<f4'), ('in', [('label', '|O8')])]", "(1,)", ECHO)
    yield "NPY-001/good/fields.npy", described("[('O', '<f4'), ('Object', '<U3')]", "(2,)", bytes(32))
    yield "NPY-002/bad/call.npy", npy("{'descr': '<f4', 'fortran_order': False, 'shape': __import__('os').system('echo weighbridge')}", bytes(8))
    yield "NPY-002/good/names.npy", described("[('__import__', '<f4'), ('os.system(1)', '<i4')]", "(2,)", bytes(16))
    yield "NPY-003/bad/huge.npy", described("'<f8'", "(4611686018427387904, 8)", bytes(64))
    yield "NPY-003/bad/longer.npy", described("'<f4'", "(2,)", bytes(8) + b"#!/bin/sh\necho weighbridge\n")
    yield "NPY-003/good/empty.npy", described("'<f8'", "(0, 4611686018427387904)", b"")


if __name__ == "__main__":
    for path, data in cases():
        to = RULES / f"WB-{path}"
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_bytes(data)
