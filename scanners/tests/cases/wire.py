"""A tiny writer of protocol buffers, for messages of formats whose library is too big to install."""

import struct


def varint(value):
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def number(field, value):
    return varint(field << 3) + varint(value)


def block(field, data):
    """A length-delimited field: text, bytes or a message."""
    if isinstance(data, str):
        data = data.encode()
    return varint(field << 3 | 2) + varint(len(data)) + data


def float32(field, value):
    return varint(field << 3 | 5) + struct.pack("<f", value)


def float64(field, value):
    return varint(field << 3 | 1) + struct.pack("<d", value)


def packed(field, values):
    return block(field, b"".join(varint(value) for value in values))


def pair(field, key, value):
    """An entry of a map."""
    return block(field, block(1, key) + block(2, value))
