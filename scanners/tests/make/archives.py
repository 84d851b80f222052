"""Writes the bad and good cases of the archive rules into tests/rules. Standard library only; nothing here does harm."""

import bz2
import gzip
import io
import json
import lzma
import pathlib
import struct
import tarfile
import zlib

RULES = pathlib.Path(__file__).parent.parent / "rules"
TEXT = b"A model weighs as much as its weights.\n"


def write(rule, kind, name, data):
    path = RULES / rule / kind / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def local(name, data, method=0, flags=0, crc=None, packed=None, size=None, extra=b"", version=20):
    body = deflate(data) if method == 8 else data
    crc = zlib.crc32(data) if crc is None else crc
    packed = len(body) if packed is None else packed
    size = len(data) if size is None else size
    head = struct.pack("<IHHHHHIIIHH", 0x04034B50, version, flags, method, 0, 0x21, crc, packed, size, len(name), len(extra))
    return head + name + extra + body


def central(name, data, at, method=0, flags=0, crc=None, packed=None, size=None, extra=b"", attributes=0, version=20):
    body = deflate(data) if method == 8 else data
    crc = zlib.crc32(data) if crc is None else crc
    packed = len(body) if packed is None else packed
    size = len(data) if size is None else size
    head = struct.pack("<IHHHHHHIIIHHHHHII", 0x02014B50, 0x0314, version, flags, method, 0, 0x21, crc, packed, size, len(name), len(extra), 0, 0, 0, attributes, at)
    return head + name + extra


def deflate(data):
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def end(count, size, at, comment=b""):
    return struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, count, count, size, at, len(comment)) + comment


def archive(members, comment=b"", before=b"", between=b"", unlisted=()):
    """Each member is (name, data, what is different in the member, what is different in the directory)."""
    out, directory, count = bytearray(before), bytearray(), 0
    for number, (name, data, *different) in enumerate(members):
        own, listed = (different + [{}, {}])[:2]
        at = len(out)
        out += local(name, data, **own)
        directory += central(name, data, at, **listed) if "name" not in listed else central(listed["name"], data, at)
        count += 1
        if number == 0:
            out += between
    for name, data in unlisted:
        out += local(name, data)
    at = len(out)
    return bytes(out + directory + end(count, len(directory), at, comment))


def plain(*names):
    return archive([(name, TEXT) for name in names])


def tar(entries, form=tarfile.USTAR_FORMAT):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as made:
        for name, data, kind, link in entries:
            entry = tarfile.TarInfo(name)
            entry.size, entry.type, entry.linkname = len(data), kind, link
            made.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def zips():
    write("WB-ZIP-001", "bad", "data.zip", archive([(b"a.txt", TEXT, {}, {"name": b"b.txt"})]))
    write("WB-ZIP-001", "good", "data.zip", archive([(b"a.txt", TEXT, {"extra": b"UT\x05\0\x01\0\0\0\0"})]))
    write("WB-ZIP-002", "bad", "data.zip", archive([(b"a.txt", TEXT, {"crc": 7}, {"crc": 7})]))
    write("WB-ZIP-002", "good", "data.zip", plain(b"a.txt"))
    write("WB-ZIP-003", "bad", "data.zip", archive([(b"a.txt", TEXT, {"flags": 1}, {"flags": 1})]))
    write("WB-ZIP-003", "good", "data.zip", archive([(b"a.txt", TEXT, {"flags": 0x800}, {"flags": 0x800})]))
    one, two = local(b"a.txt", TEXT), local(b"b.txt", TEXT)
    first, second = central(b"a.txt", TEXT, 0), central(b"b.txt", TEXT, len(one))
    at = len(one) + len(two)
    inner = end(1, len(second), at + len(first))
    write("WB-ZIP-004", "bad", "data.zip", one + two + first + second + end(1, len(first), at, comment=inner))
    write("WB-ZIP-004", "good", "data.zip", archive([(b"inner.zip", plain(b"a.txt"))], comment=b"an archive in an archive"))
    write("WB-ZIP-005", "bad", "data.zip", plain(b"a.txt", b"A.TXT"))
    write("WB-ZIP-005", "good", "data.zip", plain(b"one/a.txt", b"two/a.txt"))
    write("WB-ZIP-006", "bad", "data.zip", archive([(b"a.txt", TEXT)], unlisted=[(b"b.txt", TEXT)]))
    write("WB-ZIP-006", "good", "data.zip", plain(b"a.txt", b"b.txt"))
    write("WB-ZIP-007", "bad", "data.zip", plain(b"../../startup.txt"))
    write("WB-ZIP-007", "good", "data.zip", plain(b"a/..b/startup.txt"))
    link = {"attributes": 0o120777 << 16}
    write("WB-ZIP-008", "bad", "data.zip", archive([(b"data/latest", b"a.txt", {}, link), (b"data/a.txt", TEXT)]))
    write("WB-ZIP-008", "good", "data.zip", archive([(b"data/a.txt", TEXT, {}, {"attributes": 0o100644 << 16})]))
    shared = archive([(b"a.txt", TEXT)])
    directory = central(b"a.txt", TEXT, 0) + central(b"b.txt", TEXT, 0)
    write("WB-ZIP-009", "bad", "data.zip", local(b"a.txt", TEXT) + directory + end(2, len(directory), len(local(b"a.txt", TEXT))))
    write("WB-ZIP-009", "good", "data.zip", archive([(b"a.txt", TEXT * 5000, {"method": 8}, {"method": 8})]))
    write("WB-ZIP-010", "bad", "data.zip", shared + b"And what is this?\n")
    write("WB-ZIP-010", "good", "data.zip", archive([(b"a.txt", TEXT), (b"b.txt", TEXT)], between=bytes(64), comment=b"made by hand"))
    write("WB-ZIP-011", "bad", "data.zip", archive([("data/\u202etxt.a".encode(), TEXT, {"flags": 0x800}, {"flags": 0x800})]))
    write("WB-ZIP-011", "good", "data.zip", archive([("größe/gewicht.txt".encode(), TEXT, {"flags": 0x800}, {"flags": 0x800})]))
    deep = TEXT
    for _ in range(10):
        deep = archive([(b"inner.zip", deep)])
    write("WB-ZIP-012", "bad", "data.zip", deep)
    write("WB-ZIP-012", "good", "data.zip", archive([(b"inner.zip", plain(b"a.txt"))]))


def others():
    write("WB-ARC-001", "bad", "data.tar", tar([("data/a.txt", TEXT, tarfile.REGTYPE, ""), ("data/passwords", b"", tarfile.SYMTYPE, "../../etc/passwd"), ("data/disk", b"", tarfile.BLKTYPE, "")]))
    write("WB-ARC-001", "good", "data.tar", tar([("data/a.txt", TEXT, tarfile.REGTYPE, ""), ("data/latest", b"", tarfile.SYMTYPE, "a.txt")]))
    write("WB-ARC-002", "bad", "pytorch_model.bin", b"Rar!\x1a\x07\x01\x00" + bytes(32))
    write("WB-ARC-002", "good", "data.rar", b"Rar!\x1a\x07\x01\x00" + bytes(32))
    secret = bytes(range(40, 40 + 12 + len(TEXT)))
    flags = {"flags": 1, "packed": len(secret), "size": len(TEXT), "crc": zlib.crc32(TEXT)}
    write("WB-ARC-003", "bad", "data.zip", archive([(b"a.txt", secret, flags, flags)]))
    write("WB-ARC-003", "good", "data.zip", plain(b"a.txt"))
    write("WB-GEN-003", "bad", "data.xz", reach_back())
    write("WB-GEN-003", "good", "data.xz", lzma.compress(TEXT))
    write("WB-GEN-004", "bad", "words.txt.gz", gzip.compress(TEXT * 20, mtime=0)[:-20])
    write("WB-GEN-004", "good", "words.txt.gz", gzip.compress(TEXT * 20, mtime=0))
    write("WB-GEN-004", "good", "words.txt.bz2", bz2.compress(TEXT * 20))


def reach_back():
    """An xz stream whose dictionary is said to have 1.5 GiB."""
    whole = bytearray(lzma.compress(TEXT))
    length = (whole[12] + 1) * 4
    header = whole[12 : 12 + length]
    header[header.index(b"\x21\x01") + 2] = 37
    header[-4:] = struct.pack("<I", zlib.crc32(bytes(header[:-4])))
    whole[12 : 12 + length] = header
    return bytes(whole)


def node(module, name, loader, **more):
    return {"__class__": name, "__module__": module, "__loader__": loader, **more}


def skops():
    def file(schema):
        return archive([(b"schema.json", json.dumps(schema, indent=1).encode())])

    step = node("builtins", "str", "JsonNode", content='"scale"', is_json=True)
    call = node("operator", "methodcaller", "OperatorFuncNode", attrs=node("builtins", "tuple", "TupleNode", content=[step]))
    write("WB-SKO-001", "bad", "model.skops", file(node("builtins", "dict", "DictNode", content={"step": call})))
    write("WB-SKO-001", "good", "model.skops", file(node("builtins", "dict", "DictNode", content={"step": step})))
    own = node("my_company.steps", "Scaler", "ObjectNode", content=node("builtins", "dict", "DictNode", content={}))
    write("WB-SKO-002", "bad", "model.skops", file(node("builtins", "list", "ListNode", content=[own])))
    write("WB-SKO-002", "good", "model.skops", file(node("builtins", "list", "ListNode", content=[step])))


zips()
others()
skops()
