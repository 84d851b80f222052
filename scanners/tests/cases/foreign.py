"""Objects of libraries which are not installed, so that the real pickler writes what those libraries would write.

A stand-in has the name of the real class or function and none of its code. It lives in `sys.modules` only while something
is pickled.
"""

import contextlib
import io
import pickle
import sys
import types

KNOWN = {}


def foreign_class(module, name, bases=(object,), **body):
    """The stand-in for a class; asked twice, it is the same one."""
    key = (module, name)
    if key not in KNOWN:
        KNOWN[key] = type(name.split(".")[-1], bases, {"__module__": module, "__qualname__": name, **body})
    return KNOWN[key]


def foreign_function(module, name):
    key = (module, name)
    if key not in KNOWN:
        stand_in = types.FunctionType((lambda *args: None).__code__, {}, name)
        stand_in.__module__, stand_in.__qualname__ = module, name
        KNOWN[key] = stand_in
    return KNOWN[key]


def thing(module, name, /, **state):
    """An object of a foreign class, with this state."""
    made = object.__new__(foreign_class(module, name))
    made.__dict__.update(state)
    return made


class Calling:
    """An object which pickles as a call of a function; what such an object holds is up to who makes it."""

    def __init__(self, function, *args, state=None, items=None, pairs=None):
        self.said = (function, args, state, items, pairs)

    def __reduce__(self):
        return tuple(self.said)


@contextlib.contextmanager
def installed():
    """While this lasts, every stand-in can be imported; afterwards `sys.modules` is as it was."""
    before = dict(sys.modules)
    try:
        for (module, name), stand_in in KNOWN.items():
            if module in before and module != "__main__":
                continue
            parts = module.split(".")
            for end in range(1, len(parts) + 1):
                parent = ".".join(parts[:end])
                sys.modules.setdefault(parent, types.ModuleType(parent))
            place = sys.modules[module]
            for part in name.split(".")[:-1]:
                place = getattr(place, part)
            setattr(place, name.split(".")[-1], stand_in)
        yield
    finally:
        for module in set(sys.modules) - set(before):
            del sys.modules[module]
        sys.modules.update(before)


def dumps(value, protocol=2, persistent_id=None):
    """Pickles with stand-ins; `persistent_id` as the pickler knows it."""
    out = io.BytesIO()
    with installed():
        pickler = pickle.Pickler(out, protocol)
        if persistent_id:
            pickler.persistent_id = persistent_id
        pickler.dump(value)
    return out.getvalue()
