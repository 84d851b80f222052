"""Torch's file layouts, written byte by byte without torch: today's zip, the five pickles before it, and the first tar."""

import hashlib
import io
import pickle
import struct
import tarfile
from collections import OrderedDict

import zip_bytes
from cases import floats, noise
from foreign import Calling, dumps, foreign_class, foreign_function
from zip_bytes import Member

MAGIC = 0x1950A86A20F9469CFC6C
SIZES = {
    "Float": 4, "Half": 2, "BFloat16": 2, "Double": 8, "Long": 8, "Int": 4, "Short": 2, "Char": 1, "Byte": 1, "Bool": 1,
    "ComplexFloat": 8, "ComplexDouble": 16, "QInt8": 1, "QUInt8": 1, "QInt32": 4,
}

STORAGES = {kind: foreign_class("torch", kind + "Storage") for kind in SIZES}


class Storage:
    """What a persistent id stands for."""

    def __init__(self, kind, count, seed=0, location="cpu", data=None):
        self.kind, self.count, self.location = kind, count, location
        size = count * SIZES[kind]
        self.data = data if data is not None else (floats(count, seed) if kind == "Float" else noise(size, seed))
        self.key = None


def strides(shape):
    steps, step = [], 1
    for side in reversed(shape):
        steps.append(step)
        step *= side
    return tuple(reversed(steps))


def tensor(*shape, kind="Float", seed=0, grad=False, storage=None, offset=0, location="cpu", data=None):
    """A tensor over a storage of its own or over a shared one."""
    count = 1
    for side in shape:
        count *= side
    storage = storage or Storage(kind, count, seed, location, data)
    rebuild = foreign_function("torch._utils", "_rebuild_tensor_v2")
    return Calling(rebuild, storage, offset, tuple(shape), strides(shape), grad, OrderedDict())


def parameter(*shape, **more):
    rebuild = foreign_function("torch._utils", "_rebuild_parameter")
    return Calling(rebuild, tensor(*shape, **more), True, OrderedDict())


def module_pickle(value, protocol=2, legacy=False):
    """The pickle inside a torch file and the storages it names, by key."""
    storages = {}

    def persistent_id(one):
        if not isinstance(one, Storage):
            return None
        if one.key is None or one.key not in storages:
            one.key = str(len(storages)) if not legacy else str(94000000000000 + 64 * len(storages))
            storages[one.key] = one
        kind = STORAGES[one.kind]
        said = ("storage", kind, one.key, one.location, one.count)
        return (*said, None) if legacy else said

    return dumps(value, protocol, persistent_id), storages


def serialization_id(*parts):
    digits = int.from_bytes(hashlib.sha256(b"".join(parts)).digest(), "big")
    return str(digits)[:40].encode()


def zip_members(data_pkl, storages, root="archive", extra=(), new=True):
    """The members in torch's order, each with a data descriptor and its data at a multiple of 64."""
    def member(name, data):
        said = {"version": 0, "time": 0, "date": 0}
        return Member(f"{root}/{name}", data, flags=0x800, descriptor=True, align=64, local=said, central={**said, "made": 0})

    rows = [("data.pkl", data_pkl)]
    if new:
        rows += [(".format_version", b"1"), (".storage_alignment", b"64")]
    rows += [("byteorder", b"little")]
    rows += [(f"data/{key}", storage.data if isinstance(storage, Storage) else storage) for key, storage in storages.items()]
    rows += [("version", b"3\n"), (".data/serialization_id", serialization_id(data_pkl)), *extra]
    return [member(*row) for row in rows]


def zip_file(value, root="archive", extra=(), new=True, protocol=2):
    """What torch.save writes."""
    data_pkl, storages = module_pickle(value, protocol)
    return zip_bytes.archive(zip_members(data_pkl, storages, root, extra, new), zip64=True)


def zip_of_pickle(data_pkl, storages=None, root="archive", extra=()):
    """A torch file around opcodes of our own; with a small storage that looks real."""
    return zip_bytes.archive(zip_members(data_pkl, storages or {"0": floats(4, 1)}, root, extra), zip64=True)


SYSTEM = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}


def legacy_file(value, tail=b""):
    """Five pickles, then for each key its length and its bytes."""
    data, storages = module_pickle(value, legacy=True)
    return legacy_of_pickle(data, storages, tail)


def legacy_of_pickle(data, storages, tail=b"", magic=None, system=None):
    head = (magic or pickle.dumps(MAGIC, 2)) + pickle.dumps(1001, 2) + (system or pickle.dumps(SYSTEM, 2))
    keys = sorted(storages)
    bodies = b"".join(struct.pack("<q", storages[key].count) + storages[key].data for key in keys)
    return head + data + pickle.dumps(keys, 2) + bodies + tail


def tar_bytes(rows, kind="w", form=tarfile.USTAR_FORMAT):
    """A tar of names and bytes, or of ready TarInfo objects and bytes."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=kind, format=form) as tar:
        for name, data in rows:
            entry = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            if entry.isreg():
                entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def tar_file(inner=None):
    """What torch wrote in 2016: storages, tensors and an object, each a row of pickles, in a tar."""
    kind = foreign_class("torch", "FloatStorage")
    body = dumps(1) + dumps(("1", "cpu", kind)) + struct.pack("<q", 6) + floats(6, 3)
    tensors = dumps(1) + dumps(("2", "1", foreign_class("torch", "FloatTensor"))) + struct.pack("<qqqqq", 2, 2, 3, 3, 1)
    tensors += struct.pack("<q", 0)
    inner = inner or b"\x80\x02}U\x06weightU\x012Qs."
    return tar_bytes([("sys_info", dumps(SYSTEM)), ("storages", body), ("tensors", tensors), ("pickle", inner)])
