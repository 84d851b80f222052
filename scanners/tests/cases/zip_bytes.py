"""Writing zip archives byte by byte: every field of both headers can be given, and the two can be made to differ.

`Member` holds what a correct archive would say; `local` and `central` hold what is said instead, by field.
"""

import struct
import zlib
from dataclasses import dataclass, field

LOCAL = ("version", "flags", "method", "time", "date", "crc", "packed", "size")
STORED, DEFLATED = 0, 8


@dataclass
class Member:
    name: object
    data: bytes = b""
    method: int = STORED
    flags: int = 0
    extra: bytes = b""
    align: int = 0
    descriptor: bool = False
    local: dict = field(default_factory=dict)
    central: dict = field(default_factory=dict)
    only: str = ""
    attributes: int = 0
    comment: bytes = b""

    def packed(self):
        if self.method != DEFLATED:
            return self.data
        engine = zlib.compressobj(9, zlib.DEFLATED, -15)
        return engine.compress(self.data) + engine.flush()


def raw(name):
    return name if isinstance(name, bytes) else name.encode()


def facts(member, packed):
    """What both headers say of a member when nobody lies."""
    return {
        "version": 20,
        "flags": member.flags | (8 if member.descriptor else 0),
        "method": member.method,
        "time": 0,
        "date": 0x21,
        "crc": zlib.crc32(member.data),
        "packed": len(packed),
        "size": len(member.data),
        "name": raw(member.name),
        "extra": member.extra,
    }


def local_header(member, packed, offset):
    said = facts(member, packed)
    if member.descriptor:
        said.update(crc=0, packed=0, size=0)
    said.update(member.local)
    extra = said["extra"]
    if member.align:
        start = offset + 30 + len(said["name"]) + len(extra) + 4
        padding = -start % member.align
        extra += b"FB" + struct.pack("<H", padding) + b"Z" * padding
    head = struct.pack("<4sHHHHHIIIHH", b"PK\3\4", *(said[key] for key in LOCAL), len(said["name"]), len(extra))
    tail = b""
    if member.descriptor:
        tail = struct.pack("<4sIII", b"PK\7\x08", zlib.crc32(member.data), len(packed), len(member.data))
    return head + said["name"] + extra + packed + tail


def central_header(member, packed, offset):
    said = facts(member, packed)
    said["offset"] = offset
    said["made"] = 0x0314 if member.attributes else 20
    said.update(member.central)
    lengths = (len(said["name"]), len(said["extra"]), len(member.comment), 0, 0, member.attributes, said["offset"])
    head = struct.pack("<4sHHHHHHIIIHHHHHII", b"PK\1\2", said["made"], *(said[key] for key in LOCAL), *lengths)
    return head + said["name"] + said["extra"] + member.comment


def end_record(count, size, offset, comment=b"", **said):
    values = {"disk": 0, "start": 0, "here": count, "all": count, "size": size, "offset": offset, **said}
    return struct.pack("<4sHHHHIIH", b"PK\5\6", *values.values(), len(comment)) + comment


def zip64_records(count, size, offset, at):
    """The zip64 end record and its locator, to be put before the ordinary end record."""
    end = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 0x31E, 0x2D, 0, 0, count, count, size, offset)
    return end + struct.pack("<4sIQI", b"PK\6\7", 0, at, 1)


def archive(members, prefix=b"", comment=b"", between=b"", zip64=False, shifted=False, **end):
    """An archive. `prefix` goes before it, `shifted` counts offsets from the archive's start and not from the file's;
    `between` goes before the directory; `end` changes fields of the end record."""
    base = len(prefix)
    out = bytearray(prefix)
    places = []
    for member in members:
        packed = member.packed()
        places.append((member, packed, len(out) - (base if shifted else 0)))
        if member.only != "central":
            out += local_header(member, packed, len(out))
    out += between
    start = len(out)
    for member, packed, offset in places:
        if member.only != "local":
            out += central_header(member, packed, offset)
    count = sum(member.only != "local" for member in members)
    size, offset = len(out) - start, start - (base if shifted else 0)
    if zip64:
        out += zip64_records(count, size, offset, len(out))
    size, offset = end.pop("size", size), end.pop("offset", offset)
    return bytes(out + end_record(count, size, offset, comment, **end))


def plain(files, method=DEFLATED):
    """An ordinary archive of a dict of names and bytes."""
    rows = ((name, data.encode() if isinstance(data, str) else data) for name, data in files.items())
    return archive([Member(name, data, method=method) for name, data in rows])
