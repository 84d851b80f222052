"""Writing pickles opcode by opcode, for what no pickler would write. Nothing here reads a pickle.

Everything is bytes. `Code` marks bytes that are already opcodes, so that a value may hold a call: `const([1, call(...)])`.
"""

import struct


class Code(bytes):
    """Opcodes which leave one value on the stack."""


def const(value):
    """Opcodes for a plain value; `Code` in it is used as it is."""
    if isinstance(value, Code):
        return value
    if value is None or isinstance(value, bool):
        return Code({None: b"N", True: b"\x88", False: b"\x89"}[value])
    writer = {int: integer, float: double, str: text, bytes: blob, tuple: tuple_, list: list_, dict: dict_}[type(value)]
    return writer(value)


def integer(value):
    if 0 <= value < 256:
        return Code(b"K" + bytes([value]))
    if -(1 << 31) <= value < 1 << 31:
        return Code(b"J" + struct.pack("<i", value))
    raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return Code(b"\x8a" + bytes([len(raw)]) + raw)


def double(value):
    return Code(b"G" + struct.pack(">d", value))


def text(value):
    raw = value.encode("utf-8", "surrogatepass")
    return Code(b"X" + struct.pack("<I", len(raw)) + raw)


def short_text(value):
    raw = value.encode("utf-8", "surrogatepass")
    return Code(b"\x8c" + bytes([len(raw)]) + raw)


def blob(value):
    if len(value) < 256:
        return Code(b"C" + bytes([len(value)]) + value)
    return Code(b"B" + struct.pack("<I", len(value)) + value)


def tuple_(values):
    return Code(b"(" + b"".join(const(one) for one in values) + b"t")


def list_(values):
    return Code(b"](" + b"".join(const(one) for one in values) + b"e")


def dict_(values):
    pairs = b"".join(const(key) + const(value) for key, value in values.items())
    return Code(b"}(" + pairs + b"u")


def name(module, attribute, form="global"):
    """A global, in one of the forms that name one without calling it."""
    if form == "stack":
        return Code(short_text(module) + short_text(attribute) + b"\x93")
    return Code(b"c" + module.encode() + b"\n" + attribute.encode() + b"\n")


def reduce(callee, *args):
    return Code(callee + tuple_(args) + b"R")


def call(module, attribute, *args, form="global"):
    """A call of a global. Forms: global, stack (REDUCE), inst, obj, newobj, newobj_ex."""
    if form == "inst":
        return Code(b"(" + b"".join(const(one) for one in args) + b"i" + module.encode() + b"\n" + attribute.encode() + b"\n")
    if form == "obj":
        return Code(b"(" + name(module, attribute) + b"".join(const(one) for one in args) + b"o")
    if form == "newobj":
        return Code(name(module, attribute) + tuple_(args) + b"\x81")
    if form == "newobj_ex":
        return Code(name(module, attribute, "stack") + tuple_(args) + b"}\x92")
    return reduce(name(module, attribute, form), *args)


def build(target, state):
    return Code(target + const(state) + b"b")


def then(*parts):
    """Several values one after another, of which only the last stays."""
    return Code(b"0".join(parts))


def pickled(value, protocol=2):
    """A whole pickle: protocol, opcodes of the value, stop; protocols 4 and 5 in a frame, as the pickler does."""
    body = const(value) + b"."
    if protocol < 2:
        return body
    head = b"\x80" + bytes([protocol])
    return head + body if protocol < 4 else head + b"\x95" + struct.pack("<Q", len(body)) + body


def shell(form="global", module="os", attribute="system", command="echo weighbridge"):
    """The payload of most cases."""
    return call(module, attribute, command, form=form)


def payload(protocol=2, form=None):
    """A whole pickle which runs a harmless command."""
    return pickled(shell(form or ("stack" if protocol >= 4 else "global")), protocol)
